"""Pictures turned upside down, by the toss of a coin."""

from __future__ import annotations

from typing import Any

import numpy as np

from caffelungo.bounds import SHARE
from caffelungo.data.augmentation import Pixels, Size, register
from caffelungo.definition.option_blocks import Option


@register(
    "RandomVerticalFlip",
    options=(Option("probability", 0.5, "Share of the pictures that are turned upside down.", bounds=SHARE),),
)
def random_vertical_flip(picture: Pixels, options: Any, size: Size, rng: np.random.Generator) -> Pixels:
    """The picture, or its mirror image from top to bottom: for pictures without an upright, as from above.

    Left and right are exchanged by Caffe's own `mirror: true`.
    """
    return picture[::-1] if rng.random() < options.probability else picture
