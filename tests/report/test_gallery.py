from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from caffelungo.report.gallery import GalleryTile, draw


@pytest.mark.parametrize("count", [1, 2, 7])
def test_sheet(count: int, tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (40, 30, 3), dtype=np.uint8)
    tiles = [
        GalleryTile(image, [("a $ b", 0.7), ("x" * 60, 0.2), ("日本", 0.1)], truth=None if n % 2 else "a $ b")
        for n in range(count)
    ]
    draw(tiles, tmp_path / "sheet.png", title="Title")
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.format == "PNG"
        assert np.asarray(sheet.convert("L")).std() > 10


def test_grey_pictures_and_nothing(tmp_path: Path) -> None:
    draw(
        [GalleryTile(np.zeros((9, 9), np.uint8), [("a", 1.0)]), GalleryTile(np.zeros((9, 9, 1), np.uint8), [])],
        tmp_path / "g.png",
    )
    assert (tmp_path / "g.png").is_file()
    draw([], tmp_path / "none.png")
    assert not (tmp_path / "none.png").exists()
