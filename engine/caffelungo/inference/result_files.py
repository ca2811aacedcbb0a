"""Writes results to a file as they come: memory does not grow with their number; the file is complete or absent."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np
from numpy.typing import NDArray

from caffelungo import drafts, files, tabular
from caffelungo.errors import UserError
from caffelungo.inference.predictions import CSV_HEADER, Prediction, as_fields, csv_header, csv_rows

Arrays = Mapping[str, NDArray[Any]]


class Sink(Protocol):
    """What takes a batch of answers."""

    def add(self, names: Sequence[str], predictions: Sequence[Prediction], outputs: Arrays) -> None:
        """``outputs`` has a row for each of ``names``; ``predictions`` has one of each classifier for each of them."""


@contextmanager
def csv_file(path: Path) -> Iterator[Sink]:
    """Lines as ``predictions.as_csv`` has them."""
    with tabular.written(path, "\n") as writer:
        begun = False

        def add(names: Sequence[str], predictions: Sequence[Prediction], outputs: Arrays) -> None:
            nonlocal begun
            if not begun:
                writer.row(csv_header(predictions))
                begun = True
            for prediction in predictions:
                writer.rows(csv_rows(prediction))

        yield _Sink(add)
        if not begun:
            writer.row(CSV_HEADER)


@contextmanager
def json_file(path: Path) -> Iterator[Sink]:
    """A list, one entry a line: what ``predictions.as_fields`` gives, or ``{"picture", "outputs": {name: lists}}``."""
    with files.written_whole(path) as temporary, temporary.open("w", encoding="utf-8") as stream:
        before = "[\n"

        def add(names: Sequence[str], predictions: Sequence[Prediction], outputs: Arrays) -> None:
            nonlocal before
            numbers = [
                {"picture": name, "outputs": {one: _rounded(rows[place]) for one, rows in outputs.items()}}
                for place, name in enumerate(names if not predictions else ())
            ]
            for entry in (*map(as_fields, predictions), *numbers):
                stream.write(before + json.dumps(entry, ensure_ascii=False))
                before = ",\n"

        yield _Sink(add)
        stream.write("[]\n" if before == "[\n" else "\n]\n")


def _rounded(row: NDArray[Any]) -> Any:
    """Nested lists; numbers with the digits that single precision has."""
    shortest = np.vectorize(lambda value: float(f"{value:.9g}"), otypes=[object])
    return (shortest(row) if np.issubdtype(row.dtype, np.floating) else row).tolist()


@contextmanager
def npz_file(path: Path) -> Iterator[Sink]:
    """A NumPy archive: every output by its name, a row for each of the strings in ``pictures``."""
    with files.written_whole(path) as temporary, drafts.folder(path) as spare:
        parts: dict[str, _Rows] = {}
        seen: list[str] = []

        def add(names: Sequence[str], predictions: Sequence[Prediction], outputs: Arrays) -> None:
            seen.extend(names)
            for name, rows in outputs.items():
                if name not in parts:
                    parts[name] = _Rows((spare / str(len(parts))).open("w+b"), name)
                parts[name].add(rows)

        try:
            yield _Sink(add)
            with zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
                with archive.open("pictures.npy", "w") as entry:
                    np.lib.format.write_array(entry, np.array(seen, dtype=np.str_), allow_pickle=False)
                for name, part in parts.items():
                    with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                        part.write(entry)
        finally:
            for part in parts.values():
                part.stream.close()


class _Rows:
    """The rows of one output, on disk until their number is known."""

    def __init__(self, stream: BinaryIO, name: str) -> None:
        self.stream, self.name, self.count = stream, name, 0
        self.shape: tuple[int, ...] | None = None
        self.type: np.dtype[Any] = np.dtype(np.float32)

    def add(self, rows: NDArray[Any]) -> None:
        if self.shape is None:
            self.shape, self.type = rows.shape[1:], rows.dtype
        if rows.shape[1:] != self.shape:
            raise UserError(
                f"output `{self.name}` varies in size between pictures, and an .npz needs one size",
                received=f"{rows.shape[1:]} after {self.shape}", remedy="write a .json, or use pictures of one size",
            )  # fmt: skip
        self.stream.write(np.ascontiguousarray(rows).tobytes())
        self.count += len(rows)

    def write(self, entry: Any) -> None:
        header = {"descr": np.lib.format.dtype_to_descr(self.type), "fortran_order": False,
                  "shape": (self.count, *(self.shape or ()))}  # fmt: skip
        np.lib.format.write_array_header_1_0(entry, header)
        self.stream.seek(0)
        shutil.copyfileobj(self.stream, entry, 2**20)


class _Sink:
    def __init__(self, add: Callable[[Sequence[str], Sequence[Prediction], Arrays], None]) -> None:
        self.add = add
