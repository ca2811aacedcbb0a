"""A few operations on each picture, all of one magnitude."""

from __future__ import annotations

from typing import Any

import numpy as np

from caffelungo.bounds import Bounds
from caffelungo.data import picture_operations
from caffelungo.data.augmentation import Pixels, Size, register
from caffelungo.data.picture_operations import BINS, DRAWN, FILL
from caffelungo.definition.option_blocks import Option

MOST = {
    "ShearX": 0.3, "ShearY": 0.3, "Rotate": 30.0, "Brightness": 0.9, "Color": 0.9, "Contrast": 0.9, "Sharpness": 0.9,
}  # fmt: skip
"""The largest magnitude of the operations whose sign is drawn, but for translations."""
TRANSLATION = 150 / 331
"""Largest translation as a share of the picture's side."""


@register(
    "RandAugment",
    options=(
        Option("operations", 2, "Number of operations on each picture.", bounds=Bounds(0, 14)),
        Option("magnitude", 9, "How strong they are.", bounds=Bounds(0, BINS - 1)),
        FILL,
    ),
)
def rand_augment(picture: Pixels, options: Any, size: Size, rng: np.random.Generator) -> Pixels:
    """Some of 14 operations, drawn evenly and with repetition, all of the same magnitude.

    Identity, shears (at magnitude 30: 0.3), translations (150/331 of a side), rotation (30 degrees), brightness,
    colour, contrast and sharpness (a factor of 1.9 or 0.1), posterization (to 4 bits), solarization (of all), automatic
    contrast, equalization. The sign of a magnitude is drawn. Colours and directions change, and must not be what tells
    classes apart.

    Source: Cubuk et al. 2019 (RandAugment), section 3; magnitudes and 31 steps as in torchvision.
    """
    changes = [drawn(options.magnitude, picture.shape[:2], rng) for _ in range(options.operations)]
    return picture_operations.apply(picture, *changes, fill=options.fill)


def drawn(step: int, shape: tuple[int, ...], rng: np.random.Generator) -> tuple[str, float]:
    """One operation, with what its magnitude is at ``step`` for a picture of ``shape`` (height, width)."""
    name = DRAWN[int(rng.integers(len(DRAWN)))]
    share = step / (BINS - 1)
    if name == "Posterize":
        return name, 8.0 - round(4 * share)
    if name == "Solarize":
        return name, 255 * (1 - share)
    most = MOST.get(name, 0.0)
    if name.startswith("Translate"):
        most = TRANSLATION * shape[1 if name == "TranslateX" else 0]
    return name, share * most * (-1 if most and rng.random() < 0.5 else 1)
