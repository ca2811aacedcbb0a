"""From a net and its weights to one file that runs elsewhere (ONNX, or Caffe's own types), and the proof of it.

Running such a file belongs to ``inference``.
"""
