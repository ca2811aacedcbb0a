"""What a person reads and looks at: log lines, progress, tables, figures, pages.

It is given what is shown, and computes none of it: no net, no data, nothing that runs. No torch.
"""
