"""HDF5Data: rows of datasets named like the tops, from the files of a list (Caffe: HDF5DataLayer)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caffelungo.data.order import Order
from caffelungo.data.source import Batch, Opening, Source
from caffelungo.errors import Location, Problem, UserError
from caffelungo.files import find

Arrays = dict[str, NDArray[np.float32]]

IN_MEMORY = 1 << 30
"""Files are kept in memory up to this many bytes together; beyond it the oldest goes (one at least stays)."""


class Hdf5Source(Source):
    """Rows come in order, file after file, and batches run on over the end. A shuffle draws files, then rows."""

    def __init__(self, param: Any, opening: Opening) -> None:
        super().__init__(param, opening)
        options = param.hdf5_data_param
        where = opening.where
        if param.HasField("transform_param"):
            raise UserError(
                f"layer `{self.name}`: HDF5Data takes no transform_param",
                where=where,
                received="transform_param { ... }",
                remedy="write transformed values into the HDF5 file, and remove the transform_param",
            )
        self.list = find(options.source, opening.beside, what="list of HDF5 files", where=opening.at("source"))
        self.files = read_file_list(self.list, opening.beside)
        self.rows, row_shapes = _survey(self.files, self.names)
        self.starts = np.concatenate([[0], np.cumsum(self.rows)])
        self.size = int(self.starts[-1])
        shuffle = options.shuffle if opening.shuffle is None else opening.shuffle
        self.order = Order(
            self.size, options.batch_size or 1, seed=opening.seed, shuffle=shuffle and not opening.once,
            once=opening.once, parts=self.rows,
        )  # fmt: skip
        self.shapes = [(self.order.batch_size, *row_shapes[name]) for name in self.names]
        self._loaded: dict[int, Arrays] = {}

    def batch(self, k: int) -> Batch:
        assert self.order is not None
        _, index = self.order.samples(k)
        part = np.searchsorted(self.starts, index, side="right") - 1
        if part[0] == part[-1] and (part == part[0]).all():
            file, rows = self._file(int(part[0])), index - self.starts[part[0]]
            return Batch(tuple(file[name][rows] for name in self.names))
        pieces = {int(number): self._file(int(number)) for number in dict.fromkeys(part.tolist())}
        arrays = []
        for name in self.names:
            values = [pieces[int(number)][name][i - self.starts[number]] for number, i in zip(part, index, strict=True)]
            arrays.append(np.stack(values))
        return Batch(tuple(arrays))

    def _file(self, number: int) -> Arrays:
        if number not in self._loaded:
            arrays = _load(self.files[number], self.names)
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
        columns = [_read(path, name) for path in self.files]
        values = np.concatenate([column.ravel() for column in columns])
        return values.astype(np.int64) if (values == np.floor(values)).all() else None


def read_file_list(path: Path, beside: str | None = None) -> list[Path]:
    """The HDF5 files that a list names, one a line; relative to the working directory, the list or the net."""
    lines = path.read_text(encoding="utf-8-sig").splitlines()
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
    """Rows of each file and the row shape of each dataset, with every mistake found."""
    import h5py

    problems: list[Problem] = []
    rows: list[int] = []
    shapes: dict[str, tuple[int, ...]] = {}
    for path in files:
        place = Location(str(path))
        try:
            with h5py.File(path, "r") as file:
                counts = []
                for name in names:
                    found = file.get(name)
                    if not isinstance(found, h5py.Dataset) or not found.ndim or found.dtype.kind not in "fiu":
                        problems.append(
                            Problem(
                                f"the file has no dataset of numbers called `{name}`",
                                place,
                                f"datasets {', '.join(file)}" if len(file) else "no datasets",
                                "name the layer's tops like the file's datasets",
                            )
                        )
                        continue
                    counts.append(int(found.shape[0]))
                    shape = tuple(int(size) for size in found.shape[1:])
                    if shapes.setdefault(name, shape) != shape:
                        problems.append(
                            Problem(
                                f"dataset `{name}` has another shape than in {files[0]}",
                                place,
                                f"rows of {shape} instead of {shapes[name]}",
                                "write files of one shape",
                            )
                        )
                if len(set(counts)) > 1:
                    problems.append(
                        Problem(
                            "the datasets have different numbers of rows",
                            place,
                            ", ".join(f"{name} {count}" for name, count in zip(names, counts, strict=False)),
                            "write one row a sample to each dataset",
                        )
                    )
                rows.append(counts[0] if counts else 0)
        except OSError as error:
            problems.append(Problem("the file is no HDF5 file", place, str(error), "write it again, whole"))
    if not problems and not sum(rows):
        problems.append(
            Problem("the HDF5 files hold no rows", Location(str(files[0])), "0 rows", "write at least one sample")
        )
    if problems:
        raise UserError(problems)
    return rows, shapes


def _load(path: Path, names: tuple[str, ...]) -> Arrays:
    return {name: _read(path, name) for name in names}


def _read(path: Path, name: str) -> NDArray[np.float32]:
    import h5py

    try:
        with h5py.File(path, "r") as file:
            return np.asarray(file[name][()], np.float32)
    except OSError as error:
        raise UserError(
            f"dataset `{name}` cannot be read",
            where=Location(str(path)),
            received=str(error),
            remedy="write the file again, whole",
        ) from error
