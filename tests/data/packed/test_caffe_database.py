"""Databases of Datums as sets of pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from caffelungo.data import named_pictures, preprocess
from caffelungo.definition.schema import Preprocessing
from caffelungo.errors import UserError
from tests.data import make as plain
from tests.data.packed import make


def test_raw_samples_are_blue_first(tmp_path: Path) -> None:
    pixels = make.random(5, 6, 7, 3)
    samples = [np.ascontiguousarray(one[:, :, ::-1].transpose(2, 0, 1)) for one in pixels]
    plain.database(tmp_path / "db", samples, [0, 1, 2, 1, 0])
    assert make.same(make.read(tmp_path / "db", "train"), pixels, [0, 1, 2, 1, 0])
    assert make.same(make.read(tmp_path / "db" / "data.mdb", "train"), pixels, [0, 1, 2, 1, 0])


def test_raw_samples_are_red_first_where_their_record_says_so(tmp_path: Path) -> None:
    pixels = make.random(3, 6, 7, 3)
    samples = [np.ascontiguousarray(one.transpose(2, 0, 1)) for one in pixels]
    plain.database(tmp_path / "db", samples, [0, 1, 1])
    preprocess.write_beside(tmp_path / "db", Preprocessing(channel_order=Preprocessing.RGB))
    assert make.same(make.read(tmp_path / "db", "train"), pixels, [0, 1, 1])
    assert not any("blue, green, red" in text for text in named_pictures.resolve(tmp_path / "db").notices)


def test_picture_files_are_kept_byte_for_byte(tmp_path: Path) -> None:
    paths = [plain.save(tmp_path / f"{number}.jpg", plain.picture(number)) for number in range(3)]
    held = [np.frombuffer(path.read_bytes(), np.uint8)[None, None] for path in paths]
    plain.database(tmp_path / "db", held, [0, 1, 2], encoded=True)
    found = named_pictures.resolve(tmp_path / "db").lists["train"]
    written = [Path(found.path(index)) for index in range(3)]
    assert [one.read_bytes() for one in written] == [one.read_bytes() for one in paths]
    assert {one.suffix for one in written} == {".jpg"}


def test_names_of_classes_are_those_beside_the_records(tmp_path: Path) -> None:
    plain.database(tmp_path / "db", list(make.random(2, 3, 4, 5)), [0, 1])
    (tmp_path / "db" / "labels.txt").write_text("a cat\r\ndog\n")
    assert named_pictures.resolve(tmp_path / "db").lists["train"].classes == ("a cat", "dog")
    (tmp_path / "db" / "labels.txt").write_text("cat\n")
    assert named_pictures.resolve(tmp_path / "db").lists["train"].classes == ("0", "1")


def test_grey_samples(tmp_path: Path) -> None:
    pixels = make.random(3, 4, 5)
    plain.database(tmp_path / "db", [one[None] for one in pixels], [1, 0, 1])
    assert make.same(make.read(tmp_path / "db", "train"), pixels, [1, 0, 1])


def test_features_are_no_pictures(tmp_path: Path) -> None:
    plain.database(tmp_path / "db", list(make.random(3, 8, 1, 1)), [1, 0, 1])
    with pytest.raises(UserError, match=r"record 0.*no picture"):
        named_pictures.resolve(tmp_path / "db")
