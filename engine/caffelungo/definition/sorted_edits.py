"""A list of edits sorted by what they touch: one layer's inside, the order of the layers, the rest.

The text and the message are edited from the same ``SortedEdits``, so that both mean the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from caffelungo.definition.edits import (
    ClearField,
    DeleteLayer,
    Edit,
    InsertLayer,
    MoveLayer,
    Path,
    RenameBlob,
    RenameField,
    SetField,
)

InnerEdit = SetField | ClearField | RenameBlob | RenameField


@dataclass
class SortedEdits:
    """Edits sorted. Paths in ``inner`` begin below the layer; the empty path is the layer itself.

    ``arrivals`` are, for each place, the new layers and the indices of the moved ones, in order.
    """

    inner: dict[int, list[InnerEdit]] = field(default_factory=dict)
    outer: list[InnerEdit] = field(default_factory=list)
    deleted: set[int] = field(default_factory=set)
    moved: set[int] = field(default_factory=set)
    arrivals: dict[int, list[InsertLayer | int]] = field(default_factory=dict)

    @property
    def gone(self) -> set[int]:
        """Layers that do not stay at their place."""
        return self.deleted | self.moved


def sort_batch(message: Any, edits: Iterable[Edit]) -> SortedEdits:
    """Sort ``edits`` of ``message``; raises IndexError for a layer it does not have."""
    count = len(message.layer) if "layer" in message.DESCRIPTOR.fields_by_name else 0
    batch = SortedEdits()
    for edit in edits:
        match edit:
            case InsertLayer():
                _check(edit.at, count + 1, edit)
                batch.arrivals.setdefault(edit.at, []).append(edit)
            case DeleteLayer():
                _check(edit.index, count, edit)
                batch.deleted.add(edit.index)
            case MoveLayer():
                _check(edit.index, count, edit)
                _check(edit.at, count + 1, edit)
                if edit.index in batch.moved:
                    raise IndexError(f"layer {edit.index} is moved twice")
                batch.moved.add(edit.index)
                batch.arrivals.setdefault(edit.at, []).append(edit.index)
            case RenameBlob():
                _check(edit.start, count + 1, edit)
                _blob_edit(batch, edit, message)
            case SetField() | ClearField() | RenameField():
                _field_edit(batch, edit, count)
    for index in batch.deleted & batch.moved:
        for place in batch.arrivals.values():
            if index in place:
                place.remove(index)
    for sorted_edits in (*batch.inner.values(), batch.outer):
        sorted_edits[:] = _elements_last(sorted_edits)
    return batch


def _blob_edit(batch: SortedEdits, edit: RenameBlob, message: Any) -> None:
    for index, layer in enumerate(message.layer[edit.start :], edit.start):
        if index in batch.inner or edit.old in layer.bottom or edit.old in layer.top:
            batch.inner.setdefault(index, []).append(edit)


def _field_edit(batch: SortedEdits, edit: SetField | ClearField | RenameField, count: int) -> None:
    if edit.path[:1] != ("layer",) or (not count and isinstance(edit, ClearField)):
        batch.outer.append(edit)
        return
    if len(edit.path) == 1:
        batch.deleted |= set(range(count))
        for layer in edit.value if isinstance(edit, SetField) else ():
            batch.arrivals.setdefault(count, []).append(InsertLayer(count, layer))
        return
    index = edit.path[1]
    assert isinstance(index, int)
    if len(edit.path) == 2 and isinstance(edit, ClearField):
        _check(index, count, edit)
        batch.deleted.add(index)
    elif len(edit.path) == 2 and index == count and isinstance(edit, SetField):
        batch.arrivals.setdefault(count, []).append(InsertLayer(count, edit.value))
    else:
        _check(index, count, edit)
        batch.inner.setdefault(index, []).append(replace(edit, path=edit.path[2:]))


def _elements_last(edits: list[InnerEdit]) -> list[InnerEdit]:
    """The same edits, those that remove one element of a repeated field moved to the end, later elements first."""
    elements = {edit.path: edit for edit in edits if isinstance(edit, ClearField) and _is_element(edit.path)}
    rest = [edit for edit in edits if not (isinstance(edit, ClearField) and _is_element(edit.path))]
    return [*rest, *sorted(elements.values(), key=lambda edit: _key(edit.path), reverse=True)]


def _is_element(path: Path) -> bool:
    return bool(path) and isinstance(path[-1], int)


def _key(path: Path) -> list[tuple[int, str]]:
    return [(part, "") if isinstance(part, int) else (-1, part) for part in path]


def _check(index: int, limit: int, edit: Edit) -> None:
    if not 0 <= index < limit:
        raise IndexError(f"{edit}: the definition has no such place (0 to {limit - 1})")
