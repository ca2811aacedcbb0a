"""Arrays of pictures and labels, in .npz and HDF5 files: which arrays belong together, and whether they are pictures.

Parts and names: ``x_train``/``y_train`` (Keras), ``train_images``/``train_labels`` (MedMNIST), ``images``/``labels``,
``data``/``label`` (Caffe) and their mixtures. Nothing of a .npz is unpickled.
"""

from __future__ import annotations

import itertools
import math
import re
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from caffelungo.data.packed.packed import EXPANSION, Packed, PackedPart, check_labels, check_room, damaged
from caffelungo.errors import Location, UserError
from caffelungo.wording import counted, listed

_PICTURES = {"x", "image", "images", "data", "picture", "pictures", "img", "imgs"}
_LABELS = {"y", "label", "labels", "target", "targets", "class", "classes"}
_PARTS = {"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "test": "test",
          "testing": "test"}  # fmt: skip


def paired(names: Iterable[str], path: Path) -> dict[str, tuple[str, str]]:
    """By part the names of its pictures and labels; UserError where that is open."""
    kinds: dict[tuple[str, bool], list[str]] = {}
    every = list(names)
    for name in every:
        words = [word for word in re.split(r"[_./\- ]+", name.lower()) if word]
        parts = [_PARTS[word] for word in words if word in _PARTS]
        rest = [word for word in words if word not in _PARTS]
        if len(parts) < 2 and len(rest) == 1 and (rest[0] in _PICTURES) != (rest[0] in _LABELS):
            kinds.setdefault((parts[0] if parts else "train", rest[0] in _LABELS), []).append(name)
    found = {
        part: (kinds[part, False][0], kinds[part, True][0])
        for part in ("train", "val", "test")
        if len(kinds.get((part, False), [])) == 1 and len(kinds.get((part, True), [])) == 1
    }
    if not found or any(part not in found for part, _ in kinds):
        raise UserError(
            "it is not clear which arrays are the pictures and which their labels", where=Location(str(path)),
            received=f"arrays {listed(every) or 'none'}",
            remedy="name them images and labels, or x_train, y_train, x_test and y_test",
        )  # fmt: skip
    return found


def pictures_of(array: NDArray[Any], name: str, path: Path) -> tuple[NDArray[np.uint8], str | None]:
    """``array`` as N x H x W or N x H x W x 3 bytes, and a notice of what was assumed."""
    shape = array.shape
    place = Location(f"{path}, array {name}")
    first = array.ndim == 4 and shape[1] in (1, 3) and shape[3] not in (1, 3)
    if array.ndim not in (3, 4) or not array.size or (array.ndim == 4 and not first and shape[3] not in (1, 3)):
        raise UserError("the array holds no pictures", where=place, received=f"shape {shape}",
                        remedy="write N x H x W, N x H x W x 3 or N x 3 x H x W values")  # fmt: skip
    if array.dtype != np.uint8:
        for begin in range(0, len(array), 256):
            block = array[begin : begin + 256]
            whole = (block >= 0) & (block <= 255) & (block == np.floor(block) if block.dtype.kind == "f" else True)
            if not whole.all():
                index, *_ = np.argwhere(~whole)[0]
                raise UserError(
                    "pictures are whole numbers from 0 to 255", where=Location(f"{path}, array {name}, record "
                    f"{begin + index}"), received=f"{array.dtype} value {block[~whole][0]:g}",
                    remedy="write bytes: (255 * x).round().astype('uint8') where values go from 0 to 1",
                )  # fmt: skip
        if array.dtype.kind == "f" and float(array.max()) <= 1:
            raise UserError("pictures are whole numbers from 0 to 255", where=place,
                            received=f"{array.dtype} values of 0 and 1 only",
                            remedy="write bytes: (255 * x).astype('uint8')")  # fmt: skip
        array = array.astype(np.uint8)
    if first:
        array = array.transpose(0, 2, 3, 1)
    if array.ndim == 4 and array.shape[3] == 1:
        array = array[..., 0]
    notice = f"channels of `{name}` are taken as red, green, blue" if array.ndim == 4 else None
    return array, notice


def labels_of(array: NDArray[Any], name: str, path: Path, count: int) -> NDArray[np.int64]:
    """``array`` as ``count`` whole numbers."""
    flat = array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array
    if flat.shape != (count,) or flat.dtype.kind not in "iuf" or (flat.dtype.kind == "f" and (flat % 1 != 0).any()):
        raise UserError("the array holds no labels of these pictures", where=Location(f"{path}, array {name}"),
                        received=f"{array.dtype} of shape {array.shape} for {counted(count, 'picture')}",
                        remedy="write one whole number per picture (of scores: scores.argmax(1))")  # fmt: skip
    return np.asarray(flat).astype(np.int64)


def _packed(kind: str, path: Path, names: Iterable[str], get: Callable[[str], NDArray[Any]]) -> Packed:
    parts, notices = [], []
    for part, (images, labels) in paired(names, path).items():
        pictures, notice = pictures_of(get(images), images, path)
        one = PackedPart(part, labels_of(get(labels), labels, path, len(pictures)), pictures.__getitem__, path)
        check_labels(one)
        parts.append(one)
        notices += [notice] if notice else []
    return Packed(kind, tuple(parts), (path,), notices=tuple(notices))


# -- .npz


def read_npz(path: Path) -> Packed:
    """The arrays of a .npz; sizes are checked before memory is taken."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = {name.removesuffix(".npy"): name for name in archive.namelist() if name.endswith(".npy")}
            return _packed("arrays of a .npz", path, members, lambda name: _member(archive, members[name], path))
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError) as error:
        raise damaged(path, str(error)) from error


def _member(archive: zipfile.ZipFile, name: str, path: Path) -> NDArray[Any]:
    size = archive.getinfo(name).file_size
    with archive.open(name) as stream:
        try:
            shape, fortran, kind = _head(stream)
        except ValueError as error:
            raise damaged(path, f"array {name}: {error}") from error
        if kind.hasobject:
            raise UserError(
                "the array is pickled, which is not opened, because a pickle may run code",
                where=Location(f"{path}, array {name}"), received="an array of Python objects",
                remedy="save it as numbers: numpy.savez(path, images=images.astype('uint8'), labels=labels)",
            )  # fmt: skip
        needed = math.prod(shape) * kind.itemsize
        if needed > size or needed > archive.getinfo(name).compress_size * EXPANSION:
            raise damaged(path, f"array {name} of shape {shape} in {counted(size, 'byte')}")
        check_room(needed, path)
        data = stream.read(needed + 1)
    if len(data) != needed:
        raise damaged(path, f"array {name} of shape {shape} has {counted(len(data), 'byte')} instead of {needed}")
    return np.frombuffer(data, kind).reshape(shape, order="F" if fortran else "C")


def _head(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, kind = read(stream)
    if any(size < 0 for size in shape):
        raise ValueError(f"shape {shape}")
    return shape, fortran, kind


# -- HDF5


def read_hdf5(path: Path) -> Packed:
    """The data sets at the top of an HDF5 file."""
    from caffelungo.plan import memory_limits
    from caffelungo.weights import hdf5_file

    free = memory_limits.available()
    with hdf5_file.opened(path, budget=sys.maxsize if free is None else free, holes=hdf5_file.SLACK) as reader:

        def get(name: str) -> NDArray[Any]:
            dataset = reader.follow(name)
            if dataset.dtype.kind not in "iuf":
                raise UserError("the array holds no numbers", where=Location(f"{path}, array {name}"),
                                received=str(dataset.dtype), remedy="write bytes")  # fmt: skip
            reader.check(dataset)
            check_room(dataset.size * dataset.dtype.itemsize, path)
            return np.asarray(dataset[()])

        names = list(itertools.islice(reader.file, 1000))
        return _packed("arrays of an HDF5 file", path, names, get)
