"""Caffelungo: Caffe's way of fine-tuning vision networks, on PyTorch, with ONNX as the way out."""

__version__ = "0.1.0"
