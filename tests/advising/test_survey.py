"""What is counted of the pictures themselves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from caffelungo.advising.survey import SurveyedPictures, survey
from caffelungo.data.picture_table import PictureColumns
from tests.probes.places import photos


def look(data: Path, per_class: int | None = None, groups: str | None = None) -> SurveyedPictures:
    return survey(str(data), PictureColumns(), groups, per_class, 0, lambda what, done, total: None)


def test_counts_and_sizes(tmp_path: Path) -> None:
    data = photos(tmp_path / "photos", 4)
    for number in range(4):
        (data / "cat" / f"{number}.png").rename(data / "dog" / f"more{number}.png")
    Image.fromarray(np.zeros((10, 50, 3), np.uint8)).save(data / "cat" / "wide.png")
    found = look(data)
    assert found.counts == {"cat": 1, "dog": 8, "zebra fish": 4}
    assert found.ratio == 8
    assert found.per_class == pytest.approx(13 / 3)
    assert found.sizes[found.entries.index((str(data / "cat" / "wide.png"), 0))].tolist() == [50, 10]
    plain = found.plain()
    assert (plain["median_width"], plain["median_height"], plain["smallest_side"]) == (28, 24, 10)


def test_compressed_copies_are_near_and_stay_together(tmp_path: Path) -> None:
    data = photos(tmp_path / "photos", 3)
    rng = np.random.default_rng(3)
    smooth = np.kron(rng.integers(0, 255, (6, 6, 3)), np.ones((12, 12, 1))).astype(np.uint8)
    for path in (data / "cat" / "smooth.png", data / "dog" / "smooth.jpg"):
        Image.fromarray(smooth).save(path, quality=60)
    found = look(data)
    names = [[Path(found.entries[place][0]).name for place in pair] for pair in found.near]
    assert names == [["smooth.png", "smooth.jpg"]]
    assert found.torn == found.near
    assert found.equal == []


def test_a_val_part_is_left_alone(tmp_path: Path) -> None:
    photos(tmp_path / "set" / "train", 3)
    photos(tmp_path / "set" / "val", 2, seed=1)
    found = look(tmp_path / "set")
    assert (len(found.entries), found.judges) == (9, 6)
    assert all("/train/" in path for path, _ in found.entries)
    assert any("6 pictures, is not used" in notice for notice in found.notices)


def test_at_most_so_many_per_class(tmp_path: Path) -> None:
    assert look(photos(tmp_path / "photos", 5), per_class=2).counts == {"cat": 2, "dog": 2, "zebra fish": 2}


def test_groups_are_held_together(tmp_path: Path) -> None:
    data = photos(tmp_path / "photos", 4)
    found = look(data, groups=r"/(\d)\.png")
    sets = [{Path(found.entries[place][0]).name for place in group} for group in found.groups]
    assert sorted(map(sorted, sets)) == [["0.png"], ["1.png"], ["2.png"], ["3.png"]]
    assert all(len(group) == 3 for group in found.groups)
