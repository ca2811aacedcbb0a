"""What can be done to a net's definition: the words that passes speak and the editor carries out.

Indices and paths are those of the definition *before* the batch they stand in, whatever else the batch inserts,
deletes or moves, so that a pass never has to renumber. A path is field names and indices:
``("layer", 3, "convolution_param", "kernel_size", 0)``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class InsertLayer:
    """Put ``layer`` (a LayerParameter) before the layer ``at``; ``at == len(layer)`` puts it at the end.

    Several at one place keep the order of the batch. ``comment`` is written above the layer in the text.
    """

    at: int
    layer: Any
    comment: str | None = None


@dataclass(frozen=True)
class DeleteLayer:
    """Take the layer ``index`` out."""

    index: int


@dataclass(frozen=True)
class MoveLayer:
    """Put the layer ``index`` before the layer ``at`` (``len(layer)``: at the end)."""

    index: int
    at: int


@dataclass(frozen=True)
class SetField:
    """Give the field at ``path`` the ``value``: a scalar, a string, an enum's name, a bool, or a message.

    Missing sub-messages on the way are made. One past the last index of a repeated field appends, and counts what
    earlier edits of the batch have appended, so that two appends to an empty field have the indices 0 and 1.
    """

    path: Path
    value: Any


@dataclass(frozen=True)
class ClearField:
    """Take out the field at ``path``: all of a repeated field, or the one element that the last index names."""

    path: Path


@dataclass(frozen=True)
class RenameBlob:
    """Call the blob ``old`` ``new`` in every bottom and top of the layers from ``start`` on."""

    old: str
    new: str
    start: int


Edit = InsertLayer | DeleteLayer | MoveLayer | SetField | ClearField | RenameBlob
