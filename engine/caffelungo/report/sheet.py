"""Rows of small pictures with captions as one PNG. Drawn with Pillow alone, as every run starts with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caffelungo.files import written_whole

SIDE = 120
"""Pixels of a picture's longer side on the sheet."""
GAP, LINE, TEXT = 8, 15, 11
INK, FAINT, PAPER = (20, 20, 20), (110, 110, 110), (255, 255, 255)


@dataclass(frozen=True)
class SheetRow:
    """``pictures``: uint8, H x W x 3 in RGB or H x W in grey, each with its caption; ``title`` is the line above."""

    title: str
    pictures: Sequence[tuple[NDArray[np.uint8], str]]


def draw(rows: Sequence[SheetRow], path: Path, head: Sequence[str] = ()) -> None:
    """Write ``rows`` under the lines ``head`` to ``path`` (PNG); nothing without a row."""
    from PIL import Image, ImageDraw, ImageFont

    if not rows:
        return
    font, small = ImageFont.load_default(TEXT + 1), ImageFont.load_default(TEXT - 1)
    columns = max(len(row.pictures) for row in rows)
    measure = ImageDraw.Draw(Image.new("L", (1, 1)))
    texts = [*head, *(row.title for row in rows)]
    width = max(columns * (SIDE + GAP), *(int(measure.textlength(text, font)) + GAP for text in texts)) + GAP
    height = GAP + len(head) * LINE + len(rows) * (SIDE + 3 * LINE + GAP)
    sheet = Image.new("RGB", (width, height), PAPER)
    pen = ImageDraw.Draw(sheet)
    down = GAP
    for text in head:
        pen.text((GAP, down), text, INK, font)
        down += LINE
    for row in rows:
        down += GAP
        pen.text((GAP, down), row.title, INK, font)
        down += LINE + 3
        for column, (pixels, caption) in enumerate(row.pictures):
            left = GAP + column * (SIDE + GAP)
            sheet.paste(_thumbnail(pixels), (left, down))
            pen.text((left, down + SIDE + 1), _short(caption, small, pen), FAINT, small)
        down += SIDE + 2 * LINE - 3
    with written_whole(path) as temporary:
        sheet.save(temporary, "PNG")


def _thumbnail(pixels: NDArray[np.uint8]) -> Any:
    """The picture as large as its place; small ones are enlarged pixel by pixel, so that each is seen."""
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(pixels)).convert("RGB")
    scale = SIDE / max(image.size)
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    return image.resize(size, Image.Resampling.NEAREST if scale > 1 else Image.Resampling.BILINEAR, reducing_gap=2.0)


def _short(text: str, font: Any, pen: Any) -> str:
    if pen.textlength(text, font) <= SIDE:
        return text
    while text and pen.textlength(f"{text}...", font) > SIDE:
        text = text[:-1]
    return f"{text}..."
