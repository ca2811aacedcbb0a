"""Databases of Datums as sets of pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from caffelungo.data import named_pictures
from caffelungo.errors import UserError
from tests.data import make as plain
from tests.data.packed import make


def test_raw_samples_are_blue_first(tmp_path: Path) -> None:
    pixels = make.random(5, 6, 7, 3)
    samples = [np.ascontiguousarray(one[:, :, ::-1].transpose(2, 0, 1)) for one in pixels]
    plain.database(tmp_path / "db", samples, [0, 1, 2, 1, 0])
    assert make.same(make.read(tmp_path / "db", "train"), pixels, [0, 1, 2, 1, 0])
    assert make.same(make.read(tmp_path / "db" / "data.mdb", "train"), pixels, [0, 1, 2, 1, 0])


def test_grey_samples(tmp_path: Path) -> None:
    pixels = make.random(3, 4, 5)
    plain.database(tmp_path / "db", [one[None] for one in pixels], [1, 0, 1])
    assert make.same(make.read(tmp_path / "db", "train"), pixels, [1, 0, 1])


def test_features_are_no_pictures(tmp_path: Path) -> None:
    plain.database(tmp_path / "db", list(make.random(3, 8, 1, 1)), [1, 0, 1])
    with pytest.raises(UserError, match=r"record 0.*no picture"):
        named_pictures.resolve(tmp_path / "db")
