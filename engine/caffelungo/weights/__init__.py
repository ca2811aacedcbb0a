"""Weights, solver states and mean pictures: files <-> numpy. Torch is imported only for torchvision's weights.

Also which layers of a file fit which of a net, and what changed between two files. Parameters of a net that runs are
in ``net``.
"""

from caffelungo.weights.weights import Weights

__all__ = ["Weights"]
