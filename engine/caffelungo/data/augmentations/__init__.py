"""One file per random augmentation, called after it (see ``data/augmentation.py``)."""
