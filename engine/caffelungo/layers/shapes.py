"""Shapes of blobs: how many elements they hold, how a message shows them, and what they are for one sample."""

from __future__ import annotations

import math
from collections.abc import Sequence

Shape = tuple[int | None, ...]
"""Sizes of a blob's axes; None for a size that is not known before data is opened."""


def count(shape: Sequence[int | None]) -> int | None:
    """The number of elements of ``shape`` (1 for a scalar), None when an axis is unknown."""
    return None if None in shape else math.prod(shape)  # type: ignore[arg-type]


def per_sample(shape: Shape | None) -> int | None:
    """The number of elements that one sample of a blob holds, whose first axis is the batch."""
    return None if shape is None else count(shape[1:])


def shape_text(shape: Shape | None) -> str:
    """A shape for people: ``64x3x227x227``, ``?`` for unknown sizes."""
    if shape is None:
        return "?"
    return "x".join("?" if size is None else str(size) for size in shape) or "scalar"


def named(blobs: Sequence[str], shapes: Sequence[Shape]) -> str:
    """Blobs and their shapes for people, as in messages."""
    return ", ".join(f"`{blob}` {shape_text(shape)}" for blob, shape in zip(blobs, shapes, strict=True))
