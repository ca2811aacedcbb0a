"""A rectangle of the picture covered."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from caffelungo.bounds import POSITIVE, SHARE, Bounds
from caffelungo.data.augmentation import Pixels, Size, register
from caffelungo.definition.option_blocks import Option


@register(
    "RandomErasing",
    options=(
        Option("probability", 0.5, "Share of the pictures that are changed.", bounds=SHARE),
        Option("min_area", 0.02, "Smallest share of the picture's area.", bounds=SHARE),
        Option("max_area", 0.33, "Largest share of the picture's area.", bounds=SHARE),
        Option("min_ratio", 0.3, "Smallest width of the rectangle, divided by its height.", bounds=POSITIVE),
        Option("max_ratio", 3.3, "Largest width of the rectangle, divided by its height.", bounds=POSITIVE),
        Option("fill", 128, "Value of the pixels in it, in every channel.", bounds=Bounds(0, 255)),
        Option("noise", False, "Draw each value of a pixel in it, instead of fill."),
    ),
    ranges=(("min_area", "max_area"), ("min_ratio", "max_ratio")),
)
def random_erasing(picture: Pixels, options: Any, size: Size, rng: np.random.Generator) -> Pixels:
    """A rectangle of random area, aspect ratio and place is covered.

    The share of the area is drawn evenly, the ratio width/height evenly in its logarithm. After ten rectangles that do
    not fit, the picture stays as it is. Write it behind changes of the size, as it stands in a list.

    Source: Zhong et al. 2017 (Random erasing data augmentation), algorithm 1; the logarithm as in torchvision.
    """
    if rng.random() >= options.probability:
        return picture
    height, width = picture.shape[:2]
    for _ in range(10):
        area = height * width * rng.uniform(options.min_area, options.max_area)
        ratio = math.exp(rng.uniform(math.log(options.min_ratio), math.log(options.max_ratio)))
        wide, high = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if wide < width and high < height:
            top, left = int(rng.integers(height - high + 1)), int(rng.integers(width - wide + 1))
            covered = picture.copy()
            part = covered[top : top + high, left : left + wide]
            part[:] = rng.integers(0, 256, part.shape, np.uint8) if options.noise else options.fill
            return covered
    return picture
