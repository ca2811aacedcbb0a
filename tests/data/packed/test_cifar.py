"""CIFAR's binary files, against records written byte by byte; its pickles are not opened."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from caffelungo.data import named_pictures
from caffelungo.errors import UserError
from tests.data.packed import make

NAMES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]


def test_cifar_10(tmp_path: Path) -> None:
    labels = [[3, 0, 9], [3, 1, 8, 2]]
    pixels = [make.cifar(tmp_path / f"data_batch_{i + 1}.bin", one, seed=i) for i, one in enumerate(labels)]
    judged = make.cifar(tmp_path / "test_batch.bin", [5, 4], seed=9)
    (tmp_path / "batches.meta.txt").write_text("\n".join(NAMES) + "\n\n")
    assert make.same(make.read(tmp_path, "train"), np.concatenate(pixels), [3, 0, 9, 3, 1, 8, 2])
    assert make.same(make.read(tmp_path, "test"), judged, [5, 4])
    assert list(named_pictures.resolve(tmp_path).lists["train"].classes) == NAMES


def test_cifar_100_has_its_fine_labels(tmp_path: Path) -> None:
    pixels = make.cifar(tmp_path / "train.bin", [99, 7, 50], coarse=True)
    make.cifar(tmp_path / "test.bin", [1, 2], coarse=True)
    assert make.same(make.read(tmp_path, "train"), pixels, [99, 7, 50])


def test_one_file_under_any_name(tmp_path: Path) -> None:
    pixels = make.cifar(tmp_path / "some.data", [3, 1])
    assert make.same(make.read(tmp_path / "some.data", "train"), pixels, [3, 1])


def test_a_damaged_file_is_refused_with_its_record(tmp_path: Path) -> None:
    path = tmp_path / "data_batch_1.bin"
    make.cifar(path, [3, 1, 2])
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    with pytest.raises(UserError, match="ends in record 2"):
        named_pictures.resolve(path)
    path.write_bytes(whole[:3073] + b"\x0a" + whole[3074:])
    with pytest.raises(UserError, match=r"data_batch_1.bin, record 1: a label is no class[\s\S]*label 10"):
        named_pictures.resolve(tmp_path)
    path.write_bytes(whole[:3073] + b"\x0a" + whole[3074:6146] + b"\x0b" + whole[6147:])
    with pytest.raises(UserError, match=r"record 1: a label is no class[\s\S]*label 10, and 1 more"):
        named_pictures.resolve(tmp_path)


@pytest.mark.parametrize("name", ["data_batch_1", "train", "anything"])
@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_the_version_for_python_is_refused_unopened(
    tmp_path: Path, name: str, protocol: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / name
    path.write_bytes(pickle.dumps({b"data": np.zeros((1, 3072), np.uint8), b"labels": [0]}, protocol))
    monkeypatch.setattr(pickle, "load", lambda *args, **options: pytest.fail("a pickle was opened"))
    monkeypatch.setattr(pickle, "loads", lambda *args, **options: pytest.fail("a pickle was opened"))
    for data in (tmp_path, path) if name != "anything" else (path,):
        with pytest.raises(UserError, match=r"pickle[\s\S]*download the binary version"):
            named_pictures.resolve(data)
