"""Pictures turned by a few degrees."""

from __future__ import annotations

from typing import Any

import numpy as np

from caffelungo.bounds import Bounds
from caffelungo.data import picture_operations
from caffelungo.data.augmentation import Pixels, Size, register
from caffelungo.data.picture_operations import FILL
from caffelungo.definition.option_blocks import Option


@register(
    "RandomRotation",
    options=(Option("degrees", 15.0, "Largest angle, in either direction.", bounds=Bounds(0, 180)), FILL),
)
def random_rotation(picture: Pixels, options: Any, size: Size, rng: np.random.Generator) -> Pixels:
    """The picture turned about its centre by an angle that is drawn evenly, with bilinear interpolation."""
    angle = float(rng.uniform(-options.degrees, options.degrees))
    return picture_operations.apply(picture, ("Rotate", angle), fill=options.fill)
