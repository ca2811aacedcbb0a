"""A random part of each picture, at the size that the net wants."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from caffelungo.bounds import POSITIVE, Bounds
from caffelungo.data.augmentation import Pixels, Size, register
from caffelungo.data.resize_pixels import resize
from caffelungo.definition.option_blocks import Option

SHARE_ABOVE_0 = Bounds(0, 1, above=True)


@register(
    "RandomResizedCrop",
    options=(
        Option("min_scale", 0.08, "Smallest share of the picture's area.", bounds=SHARE_ABOVE_0),
        Option("max_scale", 1.0, "Largest share of the picture's area.", bounds=SHARE_ABOVE_0),
        Option("min_ratio", 0.75, "Smallest width of the part, divided by its height.", bounds=POSITIVE),
        Option("max_ratio", 1.3333334, "Largest width of the part, divided by its height.", bounds=POSITIVE),
    ),
    ranges=(("min_scale", "max_scale"), ("min_ratio", "max_ratio")),
    resizes=True,
)
def random_resized_crop(picture: Pixels, options: Any, size: Size, rng: np.random.Generator) -> Pixels:
    """A random part of random area and aspect ratio, resized to the crop or, without one, to the stated size.

    The share of the area is drawn evenly from [min_scale, max_scale], the ratio width/height evenly in its logarithm
    from [min_ratio, max_ratio]. After ten parts that do not fit, the largest centre part of an allowed ratio is taken.
    Source: Szegedy et al. 2015 (Going deeper with convolutions), section 6.
    """
    height, width = picture.shape[:2]
    target = size or (height, width)
    for _ in range(10):
        area = height * width * rng.uniform(options.min_scale, options.max_scale)
        ratio = math.exp(rng.uniform(math.log(options.min_ratio), math.log(options.max_ratio)))
        wide, high = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < wide <= width and 0 < high <= height:
            top, left = int(rng.integers(height - high + 1)), int(rng.integers(width - wide + 1))
            return resize(picture[top : top + high, left : left + wide], *target)
    ratio = min(max(width / height, options.min_ratio), options.max_ratio)
    wide, high = min(width, max(1, round(height * ratio))), min(height, max(1, round(width / ratio)))
    top, left = (height - high) // 2, (width - wide) // 2
    return resize(picture[top : top + high, left : left + wide], *target)
