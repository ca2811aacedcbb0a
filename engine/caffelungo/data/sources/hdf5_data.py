"""HDF5Data: rows of datasets named like the tops, from the files of a list (Caffe: HDF5DataLayer)."""

from __future__ import annotations

import itertools
import math
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from caffelungo.data.sample_order import SampleOrder
from caffelungo.data.source import DataSource, Opening, SampleBatch
from caffelungo.errors import Location, Problem, RunError, UserError
from caffelungo.files import find, read_text
from caffelungo.plan import memory_limits

if TYPE_CHECKING:
    from caffelungo.weights.hdf5_file import Reader

Arrays = dict[str, NDArray[np.float32]]

IN_MEMORY = 1 << 30
"""Files are kept in memory up to this many bytes together; beyond it the oldest goes (one at least stays)."""

BLOCK = 64 << 20
"""Bytes of a dataset that are looked at together."""
SHOWN = 20
"""Datasets that a message lists."""


class Hdf5Source(DataSource):
    """Rows come in order, file after file, and batches run on over the end. A shuffle draws files, then rows."""

    one_shape = True

    def __init__(self, param: Any, opening: Opening) -> None:
        super().__init__(param, opening)
        options = param.hdf5_data_param
        where = opening.where
        if param.HasField("transform_param"):
            raise UserError(
                f"layer `{self.name}`: HDF5Data has no transform_param",
                where=where,
                received="transform_param { ... }",
                remedy="write transformed values into the HDF5 file, and remove the transform_param",
            )
        self.list = find(options.source, opening.beside, what="list of HDF5 files", where=opening.at("source"))
        self.files = read_file_list(self.list, opening.beside)
        self.rows, self.row_shapes = _survey(self.files, self.names)
        self.starts = np.concatenate([[0], np.cumsum(self.rows)])
        self.size = int(self.starts[-1])
        shuffle = options.shuffle if opening.shuffle is None else opening.shuffle
        self.order = SampleOrder(
            self.size, options.batch_size or 1, seed=opening.seed, shuffle=shuffle and not opening.once,
            once=opening.once, parts=self.rows,
        )  # fmt: skip
        self.shapes = [(self.order.batch_size, *self.row_shapes[name]) for name in self.names]
        self._loaded: dict[int, Arrays] = {}

    def batch(self, k: int) -> SampleBatch:
        assert self.order is not None
        _, index = self.order.samples(k)
        part = np.searchsorted(self.starts, index, side="right") - 1
        if part[0] == part[-1] and (part == part[0]).all():
            file, rows = self._file(int(part[0])), index - self.starts[part[0]]
            return SampleBatch(tuple(file[name][rows] for name in self.names))
        pieces = {int(number): self._file(int(number)) for number in dict.fromkeys(part.tolist())}
        arrays = []
        for name in self.names:
            values = [pieces[int(number)][name][i - self.starts[number]] for number, i in zip(part, index, strict=True)]
            arrays.append(np.stack(values))
        return SampleBatch(tuple(arrays))

    def _file(self, number: int) -> Arrays:
        if number not in self._loaded:
            arrays = {name: _read(self.files[number], name) for name in self.names}
            if any(array.shape != (self.rows[number], *self.row_shapes[name]) for name, array in arrays.items()):
                raise RunError(f"{self.files[number]}: the file was changed while in use; start again")
            self._loaded[number] = arrays
            while len(self._loaded) > 1 and self._bytes() > IN_MEMORY:
                del self._loaded[next(n for n in self._loaded if n != number)]
        return self._loaded[number]

    def _bytes(self) -> int:
        return sum(array.nbytes for arrays in self._loaded.values() for array in arrays.values())

    def labels(self) -> NDArray[np.int64] | None:
        """The top called ``label`` (else top 1), where it holds one whole number a row."""
        name = "label" if "label" in self.names else self.names[1] if len(self.names) > 1 else None
        if name is None:
            return None
        if np.prod(self.shapes[self.names.index(name)][1:], dtype=np.int64) != 1:
            return None
        values = np.concatenate([block.ravel() for _, block in self.blocks(self.names.index(name))])
        return values.astype(np.int64) if (values == np.floor(values)).all() else None

    def blocks(self, top: int) -> Iterator[tuple[int, NDArray[np.float32]]]:
        name = self.names[top]
        for number, path in enumerate(self.files):
            kept = self._loaded.get(number)
            if kept is not None:
                yield int(self.starts[number]), kept[name]
                continue
            row = 4 * int(np.prod(self.shapes[top][1:], dtype=np.int64))
            step = max(1, BLOCK // max(1, row))
            for first in range(0, self.rows[number], step):
                yield int(self.starts[number]) + first, _read(path, name, slice(first, first + step))

    def place(self, index: int) -> Location:
        number = int(np.searchsorted(self.starts, index, side="right") - 1)
        return Location(f"{self.files[number]}, row {index - int(self.starts[number])}")


def read_file_list(path: Path, beside: str | None = None) -> list[Path]:
    """The HDF5 files that a list names, one per line; relative to the working directory, the list or the net."""
    try:
        lines = read_text(path).splitlines()
    except UnicodeDecodeError as error:
        raise UserError(
            "a list of HDF5 files must be text", where=Location(str(path)), received=str(error),
            remedy="write one path per line, as UTF-8; list the HDF5 file itself in such a file",
        ) from None  # fmt: skip
    files: list[Path] = []
    problems: list[Problem] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        place = Location(str(path), number, 1, line)
        try:
            files.append(find(line.strip(), path, what="HDF5 file", where=place))
        except UserError as error:
            try:
                files.append(find(line.strip(), beside or path, what="HDF5 file", where=place))
            except UserError:
                problems.extend(error.problems)
    if problems:
        raise UserError(problems)
    if not files:
        raise UserError(
            "the list of HDF5 files is empty",
            where=Location(str(path)),
            received="no file name",
            remedy="write the path of one HDF5 file on each line",
        )
    return files


def _survey(files: list[Path], names: tuple[str, ...]) -> tuple[list[int], dict[str, tuple[int, ...]]]:
    """Rows of each file and the row shape of each dataset, with every mistake found; no value is read."""
    import h5py

    problems: list[Problem] = []
    rows: list[int] = []
    shapes: dict[str, tuple[int, ...]] = {}
    for path in files:
        if not h5py.is_hdf5(path):
            received = f"{path.stat().st_size} bytes of another format, or truncated"
            problems.append(
                Problem("the file is not an HDF5 file", Location(str(path)), received, "write it again completely")
            )
            continue
        try:
            with _opened(path) as reader:
                found = {name: _dataset(reader, name, problems) for name in names}
                known = {name: shape for name, shape in found.items() if shape is not None}
                _room(path, known, problems)
        except UserError as error:
            problems += error.problems
            continue
        for name, shape in known.items():
            if shapes.setdefault(name, shape[1:]) != shape[1:]:
                received = f"rows of {shape[1:]} instead of {shapes[name]}"
                what = f"dataset `{name}` has a different shape than in {files[0]}"
                problems.append(Problem(what, Location(str(path)), received, "write files with the same shapes"))
        if len({shape[0] for shape in known.values()}) > 1:
            received = ", ".join(f"{name} {shape[0]}" for name, shape in known.items())
            problems.append(
                Problem(
                    "the datasets have different numbers of rows", Location(str(path)), received,
                    "write one row per sample to each dataset",
                )
            )  # fmt: skip
        rows.append(next((shape[0] for shape in known.values()), 0))
    if not problems and not sum(rows):
        problems.append(
            Problem("the HDF5 files contain no rows", Location(str(files[0])), "0 rows", "write at least one sample")
        )
    if problems:
        raise UserError(problems)
    return rows, shapes


def _opened(path: Path) -> AbstractContextManager[Reader]:
    """A file of data, which may hold as much as memory does: compressed labels are far smaller than what they say."""
    from caffelungo.weights import hdf5_file

    free = memory_limits.available()
    return hdf5_file.opened(path, budget=sys.maxsize if free is None else free, holes=hdf5_file.SLACK)


def _dataset(reader: Reader, name: str, problems: list[Problem]) -> tuple[int, ...] | None:
    """The shape of dataset ``name``, None when something is wrong with it, which is then in ``problems``."""
    import h5py

    try:
        found = reader.follow(name)
        if isinstance(found, h5py.Dataset) and found.ndim and found.dtype.kind in "fiu":
            reader.check(found)
            return tuple(int(size) for size in found.shape)
    except UserError as error:
        problems += error.problems
        return None
    inside = list(itertools.islice(reader.file, SHOWN))
    received = f"datasets {', '.join(inside)}" if inside else "no datasets"
    problems.append(
        Problem(
            f"the file has no numeric dataset named `{name}`", Location(str(reader.path)), received,
            "name the layer's tops after the file's datasets",
        )
    )  # fmt: skip
    return None


def _room(path: Path, shapes: dict[str, tuple[int, ...]], problems: list[Problem]) -> None:
    """A problem when the file's datasets, which are kept in memory while they are used, do not fit there."""
    need, free = memory_limits.FLOAT * sum(math.prod(shape) for shape in shapes.values()), memory_limits.available()
    if free is not None and need > free:
        problems.append(
            Problem(
                "the HDF5 file does not fit into memory", Location(str(path)),
                f"{need / 1e9:.3g} GB as 32-bit floats, and {free / 1e9:.3g} GB are free",
                "split it into smaller files, and list each on its own line",
            )
        )  # fmt: skip


def _read(path: Path, name: str, rows: slice = slice(None)) -> NDArray[np.float32]:
    """Some ``rows`` of a dataset that was looked at before; checked again, as the file may be another one by now."""
    try:
        with _opened(path) as reader:
            dataset = reader.follow(name)
            reader.check(dataset)
            return np.asarray(dataset[rows], np.float32)
    except OSError as error:
        raise RunError(f"{path}: the file can no longer be read: {error.strerror or error}") from error
