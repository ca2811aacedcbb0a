"""How many floating-point operations layers with weights take."""

from __future__ import annotations

from collections.abc import Sequence

from caffelungo.layers.shapes import Shape, count


def weighted(blobs: Sequence[Shape], places: int, top: int) -> int | None:
    """A product and a sum for each weight at each of the ``places`` it is used at, and a sum for each bias.

    ``top`` are the numbers that one sample of the top holds.
    """
    size = count(blobs[0])
    return None if size is None else 2 * size * places + (top if len(blobs) > 1 else 0)
