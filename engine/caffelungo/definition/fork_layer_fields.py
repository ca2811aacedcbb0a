"""What to do about fields of nets that forks of Caffe added, where Caffe's own fields or layers compute the same.

Deleting such a field would leave a net that computes something else. ``fork_solver`` does this for solvers.
"""

from __future__ import annotations

_FUSED = "write a ReLU layer after this one: the fork computes it inside{}"
_SLOPE = _FUSED.format(", and this is relu_param { negative_slope: ... }")
_NORMALIZED = (
    "write a Scale layer with `bias_term: true` after this one: the fork scales and shifts inside, by the last two of "
    "the layer's blobs"
)
_FILLER = "write it into the Scale layer that follows: scale_param { bias_term: true %s { ... } }"

_REMEDIES: dict[str, dict[str, str]] = {
    "ConvolutionParameter": {
        "hole": "write `dilation: N` with the same number, which is Caffe's name for it",
        "hole_h": "write `dilation: H dilation: W`, which is Caffe's form of hole_h and hole_w",
        "hole_w": "write `dilation: H dilation: W`, which is Caffe's form of hole_h and hole_w",
        "relu": _FUSED.format(""),
        "negative_slope": _SLOPE,
    },
    "InnerProductParameter": {"relu": _FUSED.format(""), "negative_slope": _SLOPE},
    "ImageDataParameter": {
        "label_size": "write it as an option of the layer: lungo { image_data { label_size: N } }",
    },
    "PoolingParameter": {
        "ceil_mode": "write `round_mode: FLOOR` in place of `ceil_mode: false`; delete `ceil_mode: true`, which is the "
        "default",
    },
    "BatchNormParameter": {
        "relu": _FUSED.format(""),
        "scale_bias": _NORMALIZED,
        "use_weight_bias": _NORMALIZED,
        "bias_term": _NORMALIZED,
        "filler": _FILLER % "filler",
        "scale_filler": _FILLER % "filler",
        "bias_filler": _FILLER % "bias_filler",
    },
}


def remedy(message: str, field: str) -> str | None:
    """What does the work of ``field`` of ``message``; None where nothing is known."""
    return _REMEDIES.get(message, {}).get(field)


def known() -> list[tuple[str, str]]:
    """Each message and field with a remedy."""
    return [(message, field) for message, fields in _REMEDIES.items() for field in fields]
