"""IDX files, against files written byte by byte."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from caffelungo.data import named_pictures
from caffelungo.data.packed import packed as shared
from caffelungo.errors import UserError
from tests.data.packed import make


@pytest.mark.parametrize("packed", [False, True])
def test_every_picture_once_and_to_the_pixel(tmp_path: Path, packed: bool) -> None:
    held = make.mnist(tmp_path / "m", packed=packed)
    for part, (pixels, labels) in held.items():
        assert make.same(make.read(tmp_path / "m", part), pixels, labels)


def test_a_file_is_known_by_its_content_not_its_name(tmp_path: Path) -> None:
    pixels = make.random(4, 5, 5, 3)
    make.idx(tmp_path / "some-images.dat", pixels)
    make.idx(tmp_path / "some-labels.dat", np.array([0, 1, 1, 0], np.uint8))
    assert make.same(make.read(tmp_path / "some-images.dat", "train"), pixels, [0, 1, 1, 0])


def test_a_second_call_finds_the_pictures_and_a_changed_file_makes_them_anew(tmp_path: Path) -> None:
    make.mnist(tmp_path / "m")
    first = named_pictures.resolve(tmp_path / "m").source
    made = first.stat().st_mtime_ns
    assert named_pictures.resolve(tmp_path / "m").source.stat().st_mtime_ns == made
    pixels = make.mnist(tmp_path / "m", train=13)["train"][0]
    assert named_pictures.resolve(tmp_path / "m").source != first
    assert len(make.read(tmp_path / "m", "train")) == len(pixels)


def damage(folder: Path, change: object) -> Path:
    make.mnist(folder)
    path = folder / "train-images-idx3-ubyte"
    data = path.read_bytes()
    path.write_bytes(change(data))  # type: ignore[operator]
    return path


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda data: data[:-1], "damaged or truncated"),
        (lambda data: data + b"\0", "damaged or truncated"),
        (lambda data: data[:10], "damaged or truncated"),
        (lambda data: data[:4] + struct.pack(">I", 2**32 - 1) + data[8:], "damaged or truncated"),
        (lambda data: gzip.compress(data)[:-30], "damaged or truncated"),
        (lambda data: gzip.compress(data[:4] + struct.pack(">I", 2**31) + data[8:]), "damaged or truncated"),
        (lambda data: gzip.compress(data + b"more"), "more values than 12 records"),
        (lambda data: gzip.compress(data[:-70]), "it ends in record 10"),
    ],
)
def test_a_damaged_file_is_refused_by_name(tmp_path: Path, change: object, said: str) -> None:
    path = damage(tmp_path / "m", change)
    with pytest.raises(UserError, match=said) as caught:
        named_pictures.resolve(tmp_path / "m")
    assert str(path) in str(caught.value)


def test_what_does_not_fit_into_memory_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make.mnist(tmp_path / "m")
    monkeypatch.setattr(shared.memory_limits, "available", lambda: 100)
    with pytest.raises(UserError, match="do not fit into memory"):
        named_pictures.resolve(tmp_path / "m")


def test_labels_that_are_missing_or_of_another_file(tmp_path: Path) -> None:
    make.mnist(tmp_path / "m")
    make.idx(tmp_path / "m" / "train-labels-idx1-ubyte", np.zeros(5, np.uint8))
    with pytest.raises(UserError, match="do not belong together"):
        named_pictures.resolve(tmp_path / "m")
    (tmp_path / "m" / "train-labels-idx1-ubyte").unlink()
    with pytest.raises(UserError, match="no train-labels-idx1-ubyte beside it"):
        named_pictures.resolve(tmp_path / "m")
    with pytest.raises(UserError, match="labels only"):
        named_pictures.resolve(tmp_path / "m" / "t10k-labels-idx1-ubyte")
