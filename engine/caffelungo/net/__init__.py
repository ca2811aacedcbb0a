"""From a plan to PyTorch: one store of weights, and two runners over it (a graph, and layer by layer)."""
