"""Weights, solver states and mean pictures: files <-> numpy. Torch is imported only for torchvision's weights."""

from caffelungo.weights.weights import Weights

__all__ = ["Weights"]
