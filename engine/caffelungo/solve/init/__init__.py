"""Weights of new units that are worked out on data: `lungo init`."""
