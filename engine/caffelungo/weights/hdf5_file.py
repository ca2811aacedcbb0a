"""HDF5 files read without trust: sizes against the file before memory is taken, no links out of the file.

Used by `.caffemodel.h5` (``read_weights``, ``write_weights``) and `.solverstate.h5`.
Caffe: Net::ToHDF5, Net::CopyTrainedLayersFromHDF5.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from caffelungo.definition import schema
from caffelungo.errors import Location, UserError
from caffelungo.files import write_bytes
from caffelungo.weights import sniff
from caffelungo.weights.caffemodel import damaged
from caffelungo.weights.weights import Array, Weights

EXTRAS = "lungo"
"""Name of the attribute that holds our message; of the dataset, when it is longer than an attribute may be."""
ATTRIBUTE_BYTES = 60_000
NAME = "name"
TYPE = "type"
MAX_DEPTH = 32
MAX_LINKS = 64
"""Soft links followed for one name; HDF5 itself follows 16."""
MAX_ITEMS = 200_000
EXPANSION = 32
SLACK = 16 * 2**20
"""Compressed data may expand to 32 times the file's size and 16 MiB: weights do not compress that far, bombs do."""
BLOCK = 2**20
"""Steps in which a file made in memory grows, in bytes."""


class Reader:
    """A group's members, checked before they are read.

    ``budget`` is how many bytes may be read altogether (None: as many as weights of this file's size have); ``holes``
    how large a dataset may be that the file does not hold whole, which HDF5 fills up.
    """

    def __init__(self, path: str | Path, file: h5py.File, budget: int | None = None, holes: int = 0) -> None:
        self.path, self.file, self.holes = path, file, holes
        self.budget = EXPANSION * Path(path).stat().st_size + SLACK if budget is None else budget
        self.items = 0

    def problem(self, what: str, received: str | None = None, remedy: str | None = None) -> UserError:
        return UserError(what, where=Location(str(self.path)), received=received, remedy=remedy)

    def member(self, group: h5py.Group, name: str) -> Any:
        """The object called ``name`` in ``group``; UserError when it is a link out of its place."""
        self.items += 1
        if self.items > MAX_ITEMS:
            raise self.problem("the file has too many objects", f"more than {MAX_ITEMS}")
        link = group.get(name, getlink=True)
        if not isinstance(link, h5py.HardLink):
            raise self.problem(
                "the file points outside itself",
                f"{type(link).__name__} at {group.name}/{name}",
                "use a file that contains its data",
            )
        return group[name]

    def follow(self, name: str) -> Any:
        """The object that ``name``, a path from the root, leads to; None where there is none.

        Soft links are followed within the file, step by step, as any of them may lead to one out of it (UserError).
        """
        left, here = [part for part in reversed(name.split("/")) if part not in ("", ".")], self.file
        links = 0
        while left:
            part = left.pop()
            link = here.get(part, getlink=True) if isinstance(here, h5py.Group) else None
            if link is None:
                return None
            if isinstance(link, h5py.SoftLink):
                links += 1
                if links > MAX_LINKS or len(left) > MAX_DEPTH:
                    raise self.problem("links in the file form a circle", str(link.path), "write the data itself")
                left += [step for step in reversed(link.path.split("/")) if step not in ("", ".")]
                here = self.file if link.path.startswith("/") else here
            else:
                here = self.member(here, part)
        return here

    def check(self, dataset: Any) -> int:
        """Bytes that ``dataset`` takes in memory as it stores them; UserError when they are not all in this file."""
        if not isinstance(dataset, h5py.Dataset) or dataset.dtype.kind not in "fiu" or dataset.shape is None:
            raise self.problem(
                f"{dataset.name} is not a dataset of numbers", str(getattr(dataset, "dtype", type(dataset).__name__))
            )
        if dataset.external or dataset.is_virtual:
            raise self.problem(
                "the file stores its data in another file", str(dataset.name), "use a file that contains its data"
            )
        wanted = int(np.prod(dataset.shape, dtype=object)) * dataset.dtype.itemsize
        stored = dataset.id.get_storage_size()
        if dataset.id.get_create_plist().get_nfilters() == 0:
            held = stored
        elif dataset.chunks is not None:
            held = dataset.id.get_num_chunks() * int(np.prod(dataset.chunks, dtype=object)) * dataset.dtype.itemsize
        else:
            held = wanted
        if (held < wanted and wanted > self.holes) or wanted > self.budget:
            raise self.problem(
                f"dataset {dataset.name} claims more than the file contains",
                f"{wanted} bytes of shape {'x'.join(map(str, dataset.shape))}, {stored} stored",
                "copy or download the file again",
            )
        return wanted

    def array(self, dataset: Any) -> np.ndarray[Any, Any]:
        """The numbers of ``dataset`` as it stores them."""
        self.budget -= self.check(dataset)
        return dataset[()]  # type: ignore[no-any-return]

    def blob(self, dataset: Any) -> Array:
        """``dataset`` as a float32 array."""
        values = self.array(dataset)
        if values.dtype.kind != "f":
            raise self.problem(f"dataset {dataset.name} contains no floats", str(values.dtype))
        return np.ascontiguousarray(values, np.float32).reshape(values.shape)

    def numbered(self, group: h5py.Group) -> dict[int, Array]:
        """The datasets of ``group`` whose names are numbers."""
        found = {}
        for name in group:
            if _is_number(name):
                member = self.member(group, name)
                if isinstance(member, h5py.Dataset):
                    found[int(name)] = self.blob(member)
        return found

    def extras(self, name: str) -> Any:
        """Our message of class ``name`` at the root, or None."""
        content = self.attribute(self.file, EXTRAS)
        if content is None and EXTRAS in self.file:
            content = self.array(self.member(self.file, EXTRAS)).astype(np.uint8).tobytes()
        return None if content is None else schema.from_bytes(name, content)

    def attribute(self, holder: Any, name: str) -> bytes | None:
        """The bytes of attribute ``name``, or None; no string of variable length, as a damaged one crashes HDF5."""
        if name not in holder.attrs:
            return None
        handle = holder.attrs.get_id(name)
        if handle.dtype != np.uint8 or len(handle.shape) != 1 or handle.shape[0] > 2 * ATTRIBUTE_BYTES:
            raise self.problem(f"attribute {name} is not a list of bytes", f"{handle.dtype} of shape {handle.shape}")
        return np.asarray(holder.attrs[name]).tobytes()


@contextmanager
def opened(path: str | Path, budget: int | None = None, holes: int = 0) -> Iterator[Reader]:
    """A Reader of the HDF5 file ``path`` (see there); what the library finds wrong is a UserError."""
    size = Path(path).stat().st_size
    try:
        with h5py.File(path, "r") as file:
            yield Reader(path, file, budget, holes)
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, EOFError, MemoryError) as error:
        raise damaged(path, size, ValueError(str(error).strip("'\""))) from None
    except Exception as error:
        if type(error).__name__ != "DecodeError":
            raise
        raise damaged(path, size, error) from None


@contextmanager
def created(path: str | Path) -> Iterator[h5py.File]:
    """A new HDF5 file, made in memory and then written to ``path`` whole; OSError when the disk is full.

    HDF5 itself does not survive a write that fails: it tries again whenever an object is closed, and may crash.
    """
    with h5py.File(Path(path).name, "w", driver="core", backing_store=False, block_size=BLOCK) as file:
        yield file
        file.flush()
        image = file.id.get_file_image()
    write_bytes(path, image)


def file_kind(reader: Reader) -> str | None:
    """Whether the file has weights (``/data``), a solver state (``/iter``) or neither."""
    if "iter" in reader.file:
        return sniff.STATE
    return sniff.WEIGHTS if "data" in reader.file else None


def _bytes(content: bytes) -> np.ndarray[Any, Any]:
    return np.frombuffer(content, np.uint8)


def put_extras(file: h5py.File, extras: Any) -> None:
    """Store our message at the root of ``file``."""
    content = _bytes(extras.SerializeToString())
    if len(content) <= ATTRIBUTE_BYTES:
        file.attrs[EXTRAS] = content
    else:
        file.create_dataset(EXTRAS, data=content)


def read_weights(path: str | Path) -> Weights:
    """The weights in a `.caffemodel.h5`: datasets /data/<layer>/<blob index>."""
    with opened(path) as reader:
        found = file_kind(reader)
        if found == sniff.STATE:
            raise sniff.wrong_kind(path, sniff.STATE, sniff.WEIGHTS)
        data = reader.member(reader.file, "data") if found else None
        if not isinstance(data, h5py.Group):
            raise reader.problem(
                "the HDF5 file has no group /data, so it contains no weights",
                f"at its root: {', '.join(list(reader.file)[:5]) or 'nothing'}",
                "use a .caffemodel.h5 that a training wrote; a data set (.h5) goes to hdf5_data_param",
            )
        weights = Weights(path=str(path), extras=reader.extras("lungo.NetExtras"))
        weights.name = (reader.attribute(reader.file, NAME) or b"").decode("utf-8", "replace")
        _collect(reader, data, "", weights, 0)
        if not weights.layers:
            raise reader.problem("the file contains no weights", "an empty group /data")
    return weights


def _collect(reader: Reader, group: h5py.Group, layer: str, weights: Weights, depth: int) -> None:
    """Add the layer that ``group`` is, and the layers below it (names such as `inception_3a/1x1` nest)."""
    if depth > MAX_DEPTH:
        raise reader.problem("the groups in the file nest too deep", f"more than {MAX_DEPTH}")
    blobs = reader.numbered(group)
    if blobs:
        if max(blobs) >= MAX_ITEMS:
            raise reader.problem(f"layer `{layer}` has a blob of index {max(blobs)}")
        absent = np.empty(0, np.float32)
        weights.layers[layer] = [blobs.get(index, absent) for index in range(max(blobs) + 1)]
        if kind := reader.attribute(group, TYPE):
            weights.types[layer] = kind.decode("utf-8", "replace")
    for name in group:
        link = group.get(name, getlink=True)
        if isinstance(link, h5py.HardLink) and _is_number(name) and group.get(name, getclass=True) is h5py.Dataset:
            continue
        member = reader.member(group, name)
        if isinstance(member, h5py.Group):
            _collect(reader, member, f"{layer}/{name}" if layer else name, weights, depth + 1)


def _is_number(name: str) -> bool:
    return name.isascii() and name.isdigit() and len(name) < 10


def write_weights(path: str | Path, weights: Weights, shared: frozenset[tuple[str, int]] = frozenset()) -> None:
    """Write a `.caffemodel.h5`; blobs in ``shared`` (layer, index) are left to their owners, as Caffe does."""
    clash = [
        f"{layer}/{index}"
        for layer, blobs in weights.layers.items()
        for index in range(len(blobs))
        if any(other == f"{layer}/{index}" or other.startswith(f"{layer}/{index}/") for other in weights.layers)
    ]
    if clash:
        raise UserError(
            "HDF5 cannot hold a layer that is named as another layer's blob",
            where=Location(str(path)),
            received=", ".join(clash),
            remedy="rename the layer, or write a .caffemodel",
        )
    with created(path) as file:
        data = file.create_group("data")
        if weights.name:
            file.attrs[NAME] = _bytes(weights.name.encode())
        for layer, blobs in weights.layers.items():
            group = data.require_group(layer)
            if layer in weights.types:
                group.attrs[TYPE] = _bytes(weights.types[layer].encode())
            for index, blob in enumerate(blobs):
                if blob.size and (layer, index) not in shared:
                    group.create_dataset(str(index), data=np.asarray(blob, np.float32))
        if weights.extras is not None:
            put_extras(file, weights.extras)
