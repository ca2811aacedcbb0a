"""Features of a list of pictures, as all formats take them. No torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from google.protobuf import text_format
from numpy.typing import NDArray

PIECE = 16 << 20
"""Bytes that are copied at a time."""
RESERVED = ("label", "files", "classes", "extras")
"""What no blob may be called in a file."""


@dataclass(frozen=True)
class FeatureTable:
    """``arrays``: by blob, one float32 row for each of the ``files``. ``labels``: their numbers, None without.

    ``extras`` is a lungo.NetExtras: the preprocessing of the pictures, and the names of the classes.
    """

    arrays: Mapping[str, NDArray[np.float32]]
    labels: NDArray[np.int64] | None
    files: Sequence[str]
    extras: Any

    @property
    def classes(self) -> list[str]:
        """The names of the classes, where they are known."""
        return list(self.extras.label)

    @property
    def record(self) -> str:
        """``extras`` in protobuf's text format, to read and to parse."""
        return str(text_format.MessageToString(self.extras))


def pieces(array: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """``array`` in runs of rows that take little memory."""
    size = max(1, PIECE // max(1, array[:1].nbytes))
    for start in range(0, len(array), size):
        yield np.ascontiguousarray(array[start : start + size])


def written(text: str) -> str:
    """A file's name as UTF-8 can hold it."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
