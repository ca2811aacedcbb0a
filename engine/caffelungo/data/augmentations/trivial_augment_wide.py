"""One operation on each picture, of any magnitude."""

from __future__ import annotations

from typing import Any

import numpy as np

from caffelungo.data import picture_operations
from caffelungo.data.augmentation import Pixels, Size, register
from caffelungo.data.picture_operations import BINS, DRAWN, FILL

MOST = {
    "ShearX": 0.99, "ShearY": 0.99, "TranslateX": 32.0, "TranslateY": 32.0, "Rotate": 135.0, "Brightness": 0.99,
    "Color": 0.99, "Contrast": 0.99, "Sharpness": 0.99,
}  # fmt: skip
"""The largest magnitude of the operations whose sign is drawn."""


@register("TrivialAugmentWide", options=(FILL,))
def trivial_augment_wide(picture: Pixels, options: Any, size: Size, rng: np.random.Generator) -> Pixels:
    """One of the 14 operations of RandAugment, drawn evenly, with one of 31 magnitudes, drawn evenly from 0 on.

    Shears go up to 0.99, translations to 32 pixels, rotation to 135 degrees, brightness, colour, contrast and sharpness
    to a factor of 1.99 or 0.01, posterization to 2 bits, solarization to all values. There is nothing to tune, and for
    short trainings on few pictures it may be too strong.

    Source: Mueller and Hutter 2021 (TrivialAugment), section 3 and table 1, the wide space; bits as in torchvision.
    """
    return picture_operations.apply(picture, drawn(rng), fill=options.fill)


def drawn(rng: np.random.Generator) -> tuple[str, float]:
    """One operation with its magnitude."""
    name = DRAWN[int(rng.integers(len(DRAWN)))]
    share = int(rng.integers(BINS)) / (BINS - 1)
    if name == "Posterize":
        return name, 8.0 - round(6 * share)
    if name == "Solarize":
        return name, 255 * (1 - share)
    most = MOST.get(name, 0.0)
    return name, share * most * (-1 if most and rng.random() < 0.5 else 1)
