"""Readers led to another blob: the edits by which layers behind what is rewritten read what took its place."""

from __future__ import annotations

from collections.abc import Sequence

from caffelungo.definition.edits import Edit, SetField
from caffelungo.passes.base import Refusal
from caffelungo.passes.view import Graph, View
from caffelungo.plan.plan import PlannedLayer


def lead(view: View, graph: Graph, value: int, blob: str) -> list[Edit]:
    """Edits by which all who read ``value`` read ``blob``; Refusal when one of them works in place."""
    read = graph.plan.values[value].blob
    return [
        edit
        for _, reader in view.readers(graph, value)
        for k, one in enumerate(reader.bottoms)
        if one == read
        for edit in _read_other(view, reader, k, blob)
    ]


def _read_other(view: View, reader: PlannedLayer, k: int, blob: str) -> list[Edit]:
    if not reader.in_place or not reader.in_place[0]:
        return [SetField(("layer", reader.index, "bottom", k), blob)]
    raise Refusal(
        f"`{reader.name}` overwrites `{reader.bottoms[k]}` in place after the rewritten layers",
        view.where(reader.index),
        remedy=f"give `{reader.name}` another top",
    )


def reconnect(after: Sequence[PlannedLayer], blob: str, edits: list[Edit]) -> str:
    """Let the Dropout layers ``after`` read ``blob``; returns the blob they end in."""
    for one in after:
        edits.append(SetField(("layer", one.index, "bottom", 0), blob))
        if all(one.in_place):
            edits.append(SetField(("layer", one.index, "top", 0), blob))
        else:
            blob = one.tops[0]
    return blob
