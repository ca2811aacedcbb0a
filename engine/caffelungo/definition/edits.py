"""The changes a pass asks for. Indices and paths are those of the definition before the batch.

A path is field names and indices, as ``("layer", 3, "convolution_param", "kernel_size", 0)``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from caffelungo.definition.splices import Splice
from caffelungo.definition.tree import PathPart

Path = tuple[PathPart, ...]


@dataclass(frozen=True)
class InsertLayer:
    """Put ``layer`` (a LayerParameter) before layer ``at``; ``at`` = number of layers is the end.

    Several insertions and moves to one place keep their order. ``comment`` becomes comment lines above it.
    """

    at: int
    layer: Any
    comment: str | None = None


@dataclass(frozen=True)
class DeleteLayer:
    """Remove layer ``index``, with the comment lines directly above it."""

    index: int


@dataclass(frozen=True)
class MoveLayer:
    """Take layer ``index``, as the other edits of the batch change it, and put it before layer ``at``."""

    index: int
    at: int


@dataclass(frozen=True)
class SetField:
    """Give the field at ``path`` a value: scalar, string, enum's name, bool or message.

    Missing messages on the way are made; an index one past the last appends. A repeated field without an index takes a
    list, which replaces all its values.
    """

    path: Path
    value: Any


@dataclass(frozen=True)
class ClearField:
    """Remove the field at ``path``, if it is there. Elements of repeated fields go when the batch is done, so that
    indices do not shift within it."""

    path: Path


@dataclass(frozen=True)
class RenameBlob:
    """Rename blob ``old`` to ``new`` in the bottoms and tops of layer ``start`` and all after it."""

    old: str
    new: str
    start: int = 0


@dataclass(frozen=True)
class RenameField:
    """The sub-message at ``path`` becomes the sub-message ``name``, with comments and layout as they are.

    Its fields must exist there under the same names; those that do not are cleared before.
    """

    path: Path
    name: str


Edit = InsertLayer | DeleteLayer | MoveLayer | SetField | ClearField | RenameBlob | RenameField
AnyEdit = Edit | Splice
