"""Pictures out of focus."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caffelungo.bounds import SHARE, Bounds
from caffelungo.data.augmentation import Pixels, Size, register
from caffelungo.definition.option_blocks import Option

SIGMA = Bounds(0, 20, above=True)
Values = NDArray[np.float32]


@register(
    "GaussianBlur",
    options=(
        Option("probability", 0.5, "Share of the pictures that are changed.", bounds=SHARE),
        Option("min_sigma", 0.1, "Smallest standard deviation, in pixels.", bounds=SIGMA),
        Option("max_sigma", 2.0, "Largest standard deviation, in pixels.", bounds=SIGMA),
    ),
    ranges=(("min_sigma", "max_sigma"),),
)
def gaussian_blur(picture: Pixels, options: Any, size: Size, rng: np.random.Generator) -> Pixels:
    """Each pixel becomes a mean over its neighbours, weighted by a Gaussian whose width is drawn evenly.

    The Gaussian ends at three standard deviations, and the picture is continued by its mirror image.

    Source: Chen et al. 2020 (SimCLR), appendix A, for the probability and the widths.
    """
    if rng.random() >= options.probability:
        return picture
    return blurred(picture, float(rng.uniform(options.min_sigma, options.max_sigma)))


def blurred(picture: Pixels, sigma: float) -> Pixels:
    """``picture`` (H x W x C) under a Gaussian of ``sigma`` pixels."""
    reach = math.ceil(3 * sigma)
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    weights = (weights / weights.sum()).astype(np.float32)
    values = _along(_along(picture.astype(np.float32), weights, 0), weights, 1)
    return np.rint(values).clip(0, 255).astype(np.uint8)


def _along(values: Values, weights: Values, axis: int) -> Values:
    """The weighted mean of neighbours on ``axis``."""
    reach, length = len(weights) // 2, values.shape[axis]
    padding = [(reach, reach) if one == axis else (0, 0) for one in range(values.ndim)]
    padded = np.pad(values, padding, mode="reflect")
    result = np.zeros_like(values)
    for k, weight in enumerate(weights):
        result += weight * (padded[k : k + length] if axis == 0 else padded[:, k : k + length])
    return result
