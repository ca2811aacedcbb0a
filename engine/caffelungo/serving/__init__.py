"""An exported classifier behind HTTP: pictures in, classes out, and a page that shows what the net looked at.

What a file answers is computed in ``inference``; nothing here needs what makes one. No torch.
"""
