"""How parameter blobs start: Caffe's fillers with numpy.

Caffe: filler.hpp. The distributions are the original's, the random numbers are not: it draws from Boost's.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caffelungo.definition.schema import FillerParameter
from caffelungo.errors import did_you_mean
from caffelungo.layers.base import LayerError, Shape, shape_text

Array = NDArray[np.float32]


def fill(filler: Any, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """A float32 array of ``shape`` as the FillerParameter ``filler`` says; LayerError when it does not fit.

    Values that float32 does not reach are infinite.
    """
    check(filler, shape)
    with np.errstate(over="ignore", invalid="ignore"):
        return FILLERS[filler.type](filler, tuple(shape), rng)


def check(filler: Any, shape: Shape) -> None:
    """LayerError unless ``filler`` is of a known type and fits a blob of ``shape`` (None: unknown sizes)."""
    if filler.type not in FILLERS:
        near = did_you_mean(filler.type, FILLERS)
        raise LayerError(
            "unknown filler type",
            f'type: "{filler.type}"',
            f'did you mean "{near}"?' if near else f"use one of {', '.join(FILLERS)}",
            ("type",),
        )
    if filler.type == "bilinear" and (len(shape) != 4 or shape[2] != shape[3]):
        raise LayerError(
            "a bilinear filler needs a blob with 4 axes and a square kernel",
            f"blob {shape_text(shape)}",
            'use a square kernel of a 2-D Deconvolution or Convolution, or another filler, such as "xavier"',
            ("type",),
        )
    if filler.type == "uniform" and filler.min > filler.max:
        raise LayerError("min is above max", f"min: {filler.min:g}, max: {filler.max:g}", "swap them", ("min",))
    if filler.HasField("sparse") and filler.sparse >= 0 and filler.type != "gaussian":
        raise LayerError(
            "only the gaussian filler can be sparse", f'type: "{filler.type}"', "remove `sparse`", ("sparse",)
        )


def place(param: Any, filler: Any) -> tuple[str, ...]:
    """The path, within a LayerParameter, of the field that holds ``filler``; empty when no field does."""
    for field, value in param.ListFields():
        if field.message_type is None or isinstance(value, (list, tuple)) or not hasattr(value, "ListFields"):
            continue
        if field.message_type is FillerParameter.DESCRIPTOR:
            if value is filler or value == filler:
                return (str(field.name),)
        elif inner := place(value, filler):
            return (str(field.name), *inner)
    return ()


def fans(shape: tuple[int, ...]) -> tuple[float, float]:
    """Fan-in and fan-out by Caffe's rule: the count over axis 0, and the count over axis 1 (the count, if one axis).

    For a transposed InnerProduct or a Deconvolution that is what the shape says, not what the arithmetic is.
    """
    size = math.prod(shape)
    return size / shape[0] if shape else size, size / shape[1] if len(shape) > 1 else size


def _scale(filler: Any, shape: tuple[int, ...]) -> float:
    fan_in, fan_out = fans(shape)
    if filler.variance_norm == FillerParameter.AVERAGE:
        return (fan_in + fan_out) / 2
    return fan_out if filler.variance_norm == FillerParameter.FAN_OUT else fan_in


def _between(low: float, high: float, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    return rng.random(shape, np.float32) * np.float32(high - low) + np.float32(low)


def _normal(mean: float, std: float, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    return rng.standard_normal(shape, np.float32) * np.float32(std) + np.float32(mean)


def _constant(filler: Any, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    return np.full(shape, filler.value, np.float32)


def _uniform(filler: Any, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    return _between(filler.min, filler.max, shape, rng)


def _gaussian(filler: Any, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """With `sparse`, each value is kept with probability sparse / shape[0]: about that many inputs a unit."""
    values = _normal(filler.mean, filler.std, shape, rng)
    if filler.sparse >= 0:
        values *= rng.random(shape, np.float32) < filler.sparse / (shape[0] if shape else 1)
    return values


def _positive_unitball(filler: Any, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    values = rng.random(shape, np.float32)
    rows = values.reshape(shape[0] if shape else 1, -1)
    rows /= rows.sum(1, keepdims=True)
    return values


def _xavier(filler: Any, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Glorot and Bengio 2010."""
    bound = math.sqrt(3 / _scale(filler, shape))
    return _between(-bound, bound, shape, rng)


def _msra(filler: Any, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """He et al. 2015."""
    return _normal(0, math.sqrt(2 / _scale(filler, shape)), shape, rng)


def _bilinear(filler: Any, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Interpolation weights, for a Deconvolution that enlarges."""
    factor = math.ceil(shape[3] / 2)
    centre = (shape[3] - 1) / (2 * factor)
    line = 1 - np.abs(np.arange(shape[3]) / factor - centre)
    return np.broadcast_to(np.outer(line, line), shape).astype(np.float32)


FILLERS: dict[str, Callable[[Any, tuple[int, ...], np.random.Generator], Array]] = {
    "constant": _constant,
    "uniform": _uniform,
    "gaussian": _gaussian,
    "positive_unitball": _positive_unitball,
    "xavier": _xavier,
    "msra": _msra,
    "bilinear": _bilinear,
}
"""Every filler by its `type`."""
