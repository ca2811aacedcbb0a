"""The shapes of samples that a net's file leaves open and the data's own files tell: rows of HDF5. No torch."""

from __future__ import annotations

from caffelungo.data.sources import open_source, source_class
from caffelungo.definition.reader import Definition
from caffelungo.definition.schema import TEST, TRAIN
from caffelungo.errors import UserError
from caffelungo.plan import states
from caffelungo.plan.build_plan import build_plan
from caffelungo.plan.plan import PlannedLayer

Shapes = dict[str, tuple[int, ...]]
"""Shapes by blob, without the batch."""


def in_files(definition: Definition) -> Shapes:
    """The shapes of data layers' tops that ``definition`` does not tell and files that are there do; TEST's first.

    Files that are missing, or that cannot be read, tell nothing: what needs them says so.
    """
    found: Shapes = {}
    for phase in (TEST, TRAIN):
        state = states.state_of(definition, phase)
        plan = build_plan(definition.message, state, where=definition.where, problems=[])
        for one in plan.sources:
            if any(shape is None or None in shape[1:] for shape in one.top_shapes):
                found = {**_of(one, definition, phase), **found}
    return found


def rows(definition: Definition) -> list[str]:
    """The blobs that come from files of numbers as they are, not of pictures."""
    return [top for layer in definition.message.layer if _holds_rows(layer.type) for top in layer.top]


def _holds_rows(type_name: str) -> bool:
    try:
        return source_class(type_name).one_shape
    except UserError:
        return False


def _of(planned: PlannedLayer, definition: Definition, phase: int) -> Shapes:
    if not _holds_rows(planned.layer.type):
        return {}
    try:
        source = open_source(planned, phase, beside=definition.path, where=definition.where("layer", planned.index))
    except UserError:
        return {}
    return {top: shape[1:] for top, shape in zip(source.names, source.shapes, strict=True)}
