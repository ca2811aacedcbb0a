"""From a definition and what is asked of it to files: `lungo grow`, `lungo rewrite`, recipes, new classifiers.

The passes themselves live in ``passes``; whole folders for a training in ``projects``. No torch.
"""
