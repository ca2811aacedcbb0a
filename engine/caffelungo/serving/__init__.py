"""An exported classifier over HTTP: pictures in, classes out, and a page that shows what mattered.

What a file answers is computed in ``inference``; nothing here needs what makes one. No torch.
"""
