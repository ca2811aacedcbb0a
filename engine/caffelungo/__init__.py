"""Caffelungo: Caffe's way of fine-tuning vision networks, on PyTorch, with ONNX as the way out."""

from caffelungo.version import __version__ as __version__
