"""Arrays in .npz and HDF5 files, written by NumPy and h5py."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

from caffelungo.data import named_pictures
from caffelungo.errors import UserError
from tests.data.packed import make

X, Y = make.random(6, 8, 5, 3), np.array([0, 2, 1, 1, 0, 2])


def npz(path: Path, **arrays: object) -> Path:
    np.savez_compressed(path, **arrays)  # type: ignore[arg-type]
    return path


def hdf5(path: Path, **arrays: object) -> Path:
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file.create_dataset(name, data=array, compression="gzip")
    return path


@pytest.mark.parametrize("write", [npz, hdf5])
@pytest.mark.parametrize("names", [("images", "labels"), ("x_train", "y_train"), ("data", "label")])
def test_every_picture_once(tmp_path: Path, write: object, names: tuple[str, str]) -> None:
    path = write(tmp_path / "a.npz", **{names[0]: X, names[1]: Y})  # type: ignore[operator]
    path = path.rename(tmp_path / "a.dat")  # known by its content
    assert make.same(make.read(path, "train"), X, Y)


@pytest.mark.parametrize("write", [npz, hdf5])
def test_parts_and_shapes(tmp_path: Path, write: object) -> None:
    grey = make.random(3, 4, 6)
    path = write(  # type: ignore[operator]
        tmp_path / "a.npz", train_images=X.transpose(0, 3, 1, 2), train_labels=Y[:, None], val_images=grey[..., None],
        val_labels=[1, 0, 2], test_images=grey.astype(np.float32), test_labels=np.array([0.0, 1.0, 2.0]),
    )  # fmt: skip
    assert make.same(make.read(path, "train"), X, Y)
    assert make.same(make.read(path, "val"), grey, [1, 0, 2])
    assert make.same(make.read(path, "test"), grey, [0, 1, 2])


@pytest.mark.parametrize("write", [npz, hdf5])
@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"a": X, "b": Y}, "not clear which arrays"),
        ({"images": X}, "not clear which arrays"),
        ({"images": X, "labels": Y, "x": X}, "not clear which arrays"),
        ({"images": X / 255, "labels": Y}, r"array images, record 0: pictures are whole numbers"),
        ({"images": X.astype(np.int32) - 300, "labels": Y}, "whole numbers from 0 to 255"),
        ({"images": (X > 9).astype(np.float32), "labels": Y}, "values of 0 and 1 only"),
        ({"images": X, "labels": Y[:-1]}, "no labels of these pictures"),
        ({"images": X, "labels": np.eye(3)[Y]}, r"scores.argmax\(1\)"),
        ({"images": X, "labels": Y - 1}, "record 0: a label is no class"),
        ({"images": X[0, 0], "labels": Y}, "holds no pictures"),
        ({"images": X[:0], "labels": Y[:0]}, "holds no pictures"),
    ],
)
def test_what_is_refused(tmp_path: Path, write: object, arrays: dict[str, object], said: str) -> None:
    with pytest.raises(UserError, match=said):
        named_pictures.resolve(write(tmp_path / "a.npz", **arrays))  # type: ignore[operator]


def test_a_pickled_array_is_refused(tmp_path: Path) -> None:
    path = npz(tmp_path / "a.npz", images=np.array([X, None], object), labels=Y)
    with pytest.raises(UserError, match="pickled, which is not opened"):
        named_pictures.resolve(path)


def test_a_head_that_promises_more_than_there_is(tmp_path: Path) -> None:
    stream = io.BytesIO()
    head = {"descr": "|u1", "fortran_order": False, "shape": (10**9, 8, 5, 3)}
    np.lib.format.write_array_header_1_0(stream, head)  # type: ignore[arg-type]
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("images.npy", stream.getvalue() + X.tobytes())
        archive.writestr("labels.npy", b"junk")
    with pytest.raises(UserError, match="damaged or truncated"):
        named_pictures.resolve(tmp_path / "a.npz")


@pytest.mark.parametrize("place", [0.3, 0.6, 0.95])
@pytest.mark.parametrize("write", [npz, hdf5])
def test_a_file_that_is_cut_short(tmp_path: Path, write: object, place: float) -> None:
    path = write(tmp_path / "a.npz", images=X, labels=Y)  # type: ignore[operator]
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * place)])
    with pytest.raises(UserError) as caught:
        named_pictures.resolve(path)
    assert str(path) in str(caught.value)
