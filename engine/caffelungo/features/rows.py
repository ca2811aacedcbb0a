"""Rows of several arrays that grow on disk, batch by batch, and survive a killed process. No torch.

    <folder>/0.rows, 1.rows ...    float32 rows of each array, appended
    <folder>/progress.json         {"identity": ..., "rows": n}: so many rows are on disk, of these arrays

A row counts once the record says so, and the record is written whole after the rows are on disk. Whoever opens the
folder of a killed process goes on behind the last row that counts.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import numpy as np
from numpy.typing import NDArray

from caffelungo.files import named, write_text

RECORD, ROWS = "progress.json", ".rows"


class Rows:
    """``shapes`` are those of one row of each array. ``identity`` identifies all that the rows follow from.
    Other files in the folder are left alone.

    ``done`` counts the rows that are there. Rows of another identity are thrown away.
    """

    def __init__(self, folder: Path, shapes: Sequence[tuple[int, ...]], identity: str) -> None:
        self.folder, self.shapes, self.identity = folder, [tuple(shape) for shape in shapes], identity
        self.done = self._known()
        if not self.done and folder.exists():
            self._clear()
        folder.mkdir(parents=True, exist_ok=True)
        self._stack = ExitStack()
        self._files: list[IO[bytes]] = []

    def __enter__(self) -> Self:
        for number, size in enumerate(self._sizes()):
            stream = self._stack.enter_context(self._path(number).open("ab"))
            stream.truncate(self.done * size)  # what was written and never counted
            self._files.append(stream)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()
        self._files.clear()

    def append(self, arrays: Sequence[NDArray[np.float32]]) -> None:
        """Add as many rows to each array; they count after the next ``commit``."""
        for stream, array, shape in zip(self._files, arrays, self.shapes, strict=True):
            if array.shape[1:] != shape or array.dtype != np.float32 or len(array) != len(arrays[0]):
                raise ValueError(f"{array.dtype} {array.shape} does not fit rows of float32 {shape}")
            with named(stream.name):
                stream.write(np.ascontiguousarray(array).data)
        self.done += len(arrays[0])

    def commit(self) -> None:
        """Put what was appended on disk and count it."""
        for stream in self._files:
            with named(stream.name):
                stream.flush()
                os.fsync(stream.fileno())
        write_text(self.folder / RECORD, json.dumps({"identity": self.identity, "rows": self.done}) + "\n")

    def array(self, number: int) -> NDArray[np.float32]:
        """Array ``number`` with the rows that are there, read from disk as it is looked at."""
        shape = (self.done, *self.shapes[number])
        if 0 in shape:
            return np.empty(shape, np.float32)
        return np.memmap(self._path(number), np.float32, "r", shape=shape)

    def remove(self) -> None:
        """Take the rows away, and the folder when nothing else is in it."""
        self._stack.close()
        self._clear()
        with suppress(OSError):
            self.folder.rmdir()

    def _clear(self) -> None:
        """Remove what rows of any identity leave here: the record, and files that are called as those of rows are."""
        (self.folder / RECORD).unlink(missing_ok=True)
        for path in list(self.folder.iterdir()) if self.folder.is_dir() else []:
            if path.suffix == ROWS and path.stem.isdecimal():
                path.unlink(missing_ok=True)

    def _path(self, number: int) -> Path:
        return self.folder / f"{number}{ROWS}"

    def _sizes(self) -> list[int]:
        return [4 * int(np.prod(shape, dtype=np.int64)) for shape in self.shapes]

    def _known(self) -> int:
        """Rows that the record counts and that are there; 0 where there is no record of this identity."""
        try:
            record = json.loads((self.folder / RECORD).read_text())
            rows = int(record["rows"]) if record["identity"] == self.identity else 0
            sizes = [self._path(number).stat().st_size for number in range(len(self.shapes))]
        except (OSError, ValueError, KeyError, TypeError):
            return 0
        return rows if all(have >= rows * size for have, size in zip(sizes, self._sizes(), strict=True)) else 0
