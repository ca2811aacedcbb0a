"""What takes the place of a layer type that does not exist here: the one table, which every verb that refuses asks."""

from __future__ import annotations

_RELATED = {
    "Axpy": "Scale with two bottoms (axis: 0) followed by Eltwise",
    "BN": "BatchNorm followed by Scale; where its bn_mode is INFERENCE, its two blobs are scale and shift already, "
    "which a Scale { bias_term: true } alone takes",
    "SyncBN": "BatchNorm followed by Scale",
}
"""Types of Caffe forks that two layers of Caffe's own do."""

_WAYS = {
    "ConvolutionDepthwise": "write Convolution with group: C (its channels); the weights are kept",
    "DepthwiseConvolution": "write Convolution with group: C (its channels); the weights are kept",
    "DetectionOutput": "decode the boxes outside the net: remove the layer, so that its bottoms become outputs",
    "Flip": "flip the picture, or the answer, outside the net",
    "Interp": "write a Deconvolution with group: C and the bilinear filler, if its factor is whole",
    "Permute": "remove the layer, so that its bottom becomes an output, and permute the axes outside the net",
    "PriorBox": "its boxes depend only on sizes: compute them once, outside the net",
    "Proposal": "compute the boxes outside the net: remove the layer, so that its bottoms become outputs",
    "Python": "write it with the layers that `lungo layers` lists, or remove the layer, so that its bottoms become "
    "outputs",
    "ROIPooling": "remove the layer, so that the feature map becomes an output, and crop the regions outside the net",
    "ShuffleChannel": "write a 1x1 Convolution whose weights are the permutation",
    "Upsample": "write a Deconvolution with group: C, kernel_size and stride the factor, and weights of 1 where it "
    "repeats values, the bilinear filler where it interpolates",
}
"""What does the work of a fork's layer, where no layers of Caffe's own do."""

_UNPOOLING = (
    "it is max-unpooling: each value goes back to where the pooling found its maximum, the rest is 0. No layer does "
    "that here: remove the layer, so that its bottoms (values and mask) become outputs, and unpool them outside the net"
)
"""What takes the place of an Upsample that reads a pooling's mask; interpolation would be another function."""


def way(layer_type: str, bottoms: int | None = None) -> str | None:
    """What does the work of ``layer_type`` with so many bottoms (None: unknown), or None where nothing is known."""
    if layer_type in _RELATED:
        return f"write {_RELATED[layer_type]}"
    if layer_type == "Upsample" and bottoms is not None and bottoms > 1:
        return _UNPOOLING
    return _WAYS.get(layer_type)
