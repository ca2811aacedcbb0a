"""Layers that Caffe itself does not have become layers that every Caffe has: the way back to BVLC's own types.

    before:  fc7 -> norm (Normalize: y = scale x / sqrt(sum of x^2 + eps))
    after:   fc7 -+-> norm/square -> norm/sum -> norm/root -> norm/scale
                  `-> norm (Eltwise PROD) <-'
             answers within rounding, for any batch

What takes a layer's place, its class says (``Layer.caffe_form``). What has no such form is refused, all of it.
"""

from __future__ import annotations

from dataclasses import dataclass

from caffelungo.definition.edits import DeleteLayer, Edit, InsertLayer, RenameBlob
from caffelungo.definition.schema import TEST
from caffelungo.errors import Problem, UserError
from caffelungo.layers.base import LayerError
from caffelungo.layers.kinds import NEURONS
from caffelungo.layers.traits import CaffeForm
from caffelungo.passes.base import Note, Rewrite
from caffelungo.passes.moves import Blobs, Move
from caffelungo.passes.names import Names
from caffelungo.passes.view import View
from caffelungo.plan.plan import PlannedLayer


@dataclass(frozen=True)
class BvlcOptions:
    """Nothing to choose."""


def bvlc(view: View, options: BvlcOptions) -> Rewrite:
    """The rewrite; UserError with every layer that has no form in Caffe's own types."""
    graph = view.graphs.get(TEST) or view.graph
    edits: list[Edit] = []
    moves: list[Move] = []
    notes: list[Note] = []
    problems: list[Problem] = []
    names = Names(view)
    for planned in graph.plan.layers:
        if planned.layer.bvlc:
            continue
        where = view.where(planned.index)
        try:
            form = _form(planned, names)
        except LayerError as error:
            problems.append(Problem(f"layer `{planned.name}` {error.what}", where, error.received, error.remedy))
            continue
        edits += [InsertLayer(planned.index, layer) for layer in form.layers]
        edits.append(DeleteLayer(planned.index))
        if planned.tops[0] != (top := form.layers[-1].top[0]):
            edits.append(RenameBlob(planned.tops[0], top, planned.index + 1))
        if planned.params:
            moves.append(_moved(planned.name, form))
        count = len(form.layers)
        notes.append(Note(f"`{planned.name}` ({planned.layer.type}) as {count} Caffe layers", where))
    if problems:
        raise UserError(problems)
    return Rewrite(tuple(edits), tuple(moves), tuple(notes))


def _form(planned: PlannedLayer, names: Names) -> CaffeForm:
    """The layers in the place of ``planned``. Of one in place a chain of neurons is in place, too, so that an output
    keeps its name; the top of others gets a new name."""
    form = planned.layer.caffe_form(planned.bottom_shapes, lambda part: names.take(f"{planned.name}/{part}"))
    last, blob = form.layers[-1], planned.bottoms[0]
    if not planned.tops[0] == blob == last.top[0]:
        return form
    made = [blob, *(layer.top[0] for layer in form.layers)]
    if all(layer.type in NEURONS and list(layer.bottom) == [made[k]] for k, layer in enumerate(form.layers)):
        for layer in form.layers:
            layer.bottom[0] = layer.top[0] = blob
    else:
        last.top[0] = names.take(f"{planned.name}/top")
    return form


def _moved(name: str, form: CaffeForm) -> Move:
    """The move that gives the layers of ``form`` their blobs, and takes those of the layer ``name`` away."""

    def apply(blobs: Blobs) -> None:
        if name in blobs:
            own = blobs.pop(name)
            if form.blobs is not None:
                blobs.update(form.blobs(own))

    return Move(form.moved or f"the blobs of `{name}` are part of the layers that replace it", apply)
