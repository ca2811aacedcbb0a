"""Classified pictures on one sheet: each picture over its first classes and their probabilities as bars."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caffelungo.files import written_whole

RIGHT, WRONG, NEUTRAL, OTHER = "#009E73", "#D55E00", "#0072B2", "#BBBBBB"
THUMBNAIL = 224
LONGEST = 26
"""Characters of a label that are shown."""


@dataclass(frozen=True)
class GalleryTile:
    """One picture (H x W x 3 RGB, H x W x 1 or H x W, uint8), its classes with probabilities, and the true class."""

    image: NDArray[np.uint8]
    classes: Sequence[tuple[str, float]]
    truth: str | None = None
    title: str = ""


def draw(tiles: Sequence[GalleryTile], path: str | Path, *, title: str = "", columns: int | None = None) -> None:
    """Write ``tiles`` to ``path`` (PNG). Where the truth is known its bar is green, a wrong first class is orange."""
    if not tiles:
        return
    from matplotlib.figure import Figure

    columns = columns or min(len(tiles), max(1, math.ceil(math.sqrt(len(tiles) * 1.4))))
    rows = math.ceil(len(tiles) / columns)
    bars = max(len(tile.classes) for tile in tiles)
    low = 0.16 * bars
    figure = Figure(figsize=(2.1 * columns, (2.1 + 1.25 * low) * rows + 0.3), layout="constrained", dpi=110)
    axes = figure.subplots(2 * rows, columns, squeeze=False, height_ratios=[1.9, low + 0.15] * rows)
    for position in range(rows * columns):
        row, column = divmod(position, columns)
        above, below = axes[2 * row, column], axes[2 * row + 1, column]
        above.axis("off")
        below.axis("off")
        if position < len(tiles):
            _picture(above, tiles[position])
            _bars(below, tiles[position], bars)
    if title:
        figure.suptitle(title, fontsize=10)
    with written_whole(path) as temporary, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph", category=UserWarning)  # a label in a script without a font
        figure.savefig(temporary, format="png")


def _picture(axis: Any, tile: GalleryTile) -> None:
    image = np.atleast_3d(tile.image)
    step = max(1, math.ceil(max(image.shape[:2]) / (2 * THUMBNAIL)))
    image = image[::step, ::step]
    axis.imshow(image[:, :, 0] if image.shape[2] == 1 else image, cmap="gray", vmin=0, vmax=255)
    if tile.title or tile.truth is not None:
        axis.set_title(_plain(tile.title or str(tile.truth)), fontsize=7, pad=2)


def _bars(axis: Any, tile: GalleryTile, bars: int) -> None:
    for position, (label, probability) in enumerate(tile.classes):
        colour = (NEUTRAL if position == 0 else OTHER) if tile.truth is None else _judged(tile, label, position)
        axis.barh(position, probability, color=colour, alpha=0.55, height=0.86)
        axis.text(0.01, position, _plain(label), va="center", ha="left", fontsize=6.5)
        axis.text(0.99, position, f"{probability:.0%}", va="center", ha="right", fontsize=6.5)
    axis.set_xlim(0, 1)
    axis.set_ylim(bars - 0.5, -0.5)


def _judged(tile: GalleryTile, label: str, position: int) -> str:
    if label == tile.truth:
        return RIGHT
    return WRONG if position == 0 else OTHER


def _plain(text: str) -> str:
    """``text`` short, and with no dollar that would be read as mathematics."""
    short = text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
    return short.replace("$", r"\$")
