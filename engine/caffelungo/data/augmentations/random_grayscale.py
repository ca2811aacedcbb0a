"""Some pictures without their colours."""

from __future__ import annotations

from typing import Any

import numpy as np

from caffelungo.bounds import SHARE
from caffelungo.data import picture_operations
from caffelungo.data.augmentation import Pixels, Size, register
from caffelungo.definition.option_blocks import Option


@register(
    "RandomGrayscale",
    options=(Option("probability", 0.1, "Share of the pictures that lose their colours.", bounds=SHARE),),
)
def random_grayscale(picture: Pixels, options: Any, size: Size, rng: np.random.Generator) -> Pixels:
    """The picture, or its grey version in as many channels: 0.299 red + 0.587 green + 0.114 blue.

    Source: ITU-R BT.601.
    """
    return picture_operations.apply(picture, ("Grey", 0.0)) if rng.random() < options.probability else picture
