"""The pass that folds BatchNorm, Scale and Bias in a user's files; ``deploy.fold_batch_norm`` does in an export.

    before:  conv -> bn (BatchNorm) -> scale (Scale) -> relu        or: Eltwise -> bn -> scale
    after:   conv_folded (other kernels, a bias) -> relu                Eltwise -> bn_folded (Scale)
             the answers stay within rounding; training would go another way

BatchNorm has stored statistics. The names change, so that weights from before are not loaded by mistake. What is
foldable (``foldable``) and the arithmetic (``gain_and_shift``, ``folded_weights``: double precision, rounded once)
serve the export, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from caffelungo.definition.edits import ClearField, DeleteLayer, Edit, SetField
from caffelungo.definition.schema import TEST
from caffelungo.passes.base import Note, Refusal, Rewrite
from caffelungo.passes.moves import Array, Blobs, Move
from caffelungo.passes.registry import REWRITE, register
from caffelungo.passes.view import View
from caffelungo.plan.plan import ParamKey, Plan, PlannedLayer


@dataclass(frozen=True)
class Foldable:
    """A run of BatchNorm (with fixed statistics), Scale and Bias, and the layer before it, where they may become one.

    Without a layer ``before`` the run begins with a BatchNorm and becomes one Scale.
    """

    run: tuple[PlannedLayer, ...]
    before: PlannedLayer | None

    @property
    def kept(self) -> PlannedLayer:
        """The layer that replaces all."""
        return self.before or self.run[0]

    @property
    def gone(self) -> list[PlannedLayer]:
        """The layers that are no more."""
        return [one for one in self.run if one is not self.kept]

    @property
    def last(self) -> PlannedLayer:
        return self.run[-1]


def foldable(plan: Plan, keep: Iterable[str] = ()) -> list[Foldable]:
    """What can be folded in ``plan``, in its order, but not across a blob of ``keep`` or an output."""
    seen = _Seen(plan, set(keep) | set(plan.outputs))
    result: list[Foldable] = []
    taken: set[str] = set()
    for one in plan.layers:
        if one.key in taken or not seen.linear(one):
            continue
        before = seen.producer(one)
        if before is None and one.layer.type != "BatchNorm":
            continue
        run = [one]
        while (follower := seen.follower(run[-1])) is not None:
            run.append(follower)
        taken.update(part.key for part in run)
        result.append(Foldable(tuple(run), before))
    return result


class _Seen:
    """Who shares and who reads what, each looked up once."""

    def __init__(self, plan: Plan, keep: set[str]) -> None:
        self.plan, self.keep = plan, keep
        counts: dict[ParamKey, int] = {}
        self.makers: dict[int, PlannedLayer] = {}
        self.readers: dict[int, list[PlannedLayer]] = {}
        self.final: dict[str, int] = {value.blob: index for index, value in enumerate(plan.values)}
        for planned in plan.layers:
            self.makers.update(dict.fromkeys(planned.top_values, planned))
            for value in dict.fromkeys(planned.bottom_values):
                self.readers.setdefault(value, []).append(planned)
            for use in planned.params:
                counts[use.key] = counts.get(use.key, 0) + 1
        self.shared = {key for key, count in counts.items() if count > 1}

    def own(self, planned: PlannedLayer) -> bool:
        """Whether nobody shares this layer's blobs."""
        return all(use.owner and use.key not in self.shared for use in planned.params)

    def private(self, value: int) -> bool:
        """Whether ``value`` has one reader and nobody wants to see it."""
        blob = self.plan.values[value].blob
        shown = blob in self.keep and self.final[blob] == value
        return len(self.readers.get(value, [])) == 1 and not shown

    def linear(self, one: PlannedLayer) -> bool:
        """Whether ``one`` only multiplies and shifts each channel by its numbers."""
        if len(one.bottoms) != 1 or not self.own(one):
            return False
        if one.layer.type == "BatchNorm":
            return bool(getattr(one.layer, "stored", False))
        rank = len(one.bottom_shapes[0] or ())
        a_channel = one.layer.type in ("Scale", "Bias") and one.layer.options.axis in (1, 1 - rank)
        return a_channel and all(len(use.shape) <= 1 for use in one.params)

    def follower(self, one: PlannedLayer) -> PlannedLayer | None:
        if not self.private(one.top_values[0]):
            return None
        reader = self.readers[one.top_values[0]][0]
        return reader if self.linear(reader) else None

    def producer(self, norm: PlannedLayer) -> PlannedLayer | None:
        before = self.makers.get(norm.bottom_values[0])
        if before is None or not self.private(norm.bottom_values[0]) or not self.own(before):
            return None
        fits = before.layer.classifies and len(before.tops) == 1 and before.layer.options.axis == 1
        return before if fits else None


def gain_and_shift(one: Foldable, blobs: Sequence[Sequence[Array]]) -> tuple[Array, Array]:
    """(gain, shift), one a channel in double precision, by which the layers of ``one.run`` multiply and add.

    ``blobs`` are theirs, as Caffe stores them (BatchNorm: mean, variance and the factor both are divided by).
    """
    known = [array for arrays in blobs for array in arrays]
    channels = int(one.before.layer.options.num_output) if one.before is not None else known[0].size
    gain, shift = np.ones(channels), np.zeros(channels)
    for layer, arrays in zip(one.run, blobs, strict=True):
        values = [array.astype(np.float64).reshape(-1) for array in arrays]
        if layer.layer.type == "BatchNorm":
            mean, variance, factor = values[:3]
            share = 1.0 / factor[0] if factor[0] != 0 else 0.0
            times = 1.0 / np.sqrt(variance * share + float(layer.layer.options.eps))
            gain, shift = gain * times, (shift - mean * share) * times
        elif layer.layer.type == "Scale":
            gain, shift = gain * values[0], shift * values[0] + (values[1] if len(values) > 1 else 0.0)
        else:
            shift = shift + values[0]
    return gain, shift


def folded_weights(weights: Sequence[Array], gain: Array, shift: Array, transposed: bool = False) -> list[Array]:
    """Weight and bias of a Convolution or InnerProduct whose outputs are multiplied by ``gain`` and moved by ``shift``.

    ``weights`` may lack the bias; ``transposed``: units are the columns of the weight.
    """
    weight = weights[0]
    bias = weights[1].astype(np.float64).reshape(-1) if len(weights) > 1 else 0.0
    column = gain if transposed else gain.reshape(-1, *(1,) * (weight.ndim - 1))
    return [(weight.astype(np.float64) * column).astype(np.float32), (bias * gain + shift).astype(np.float32)]


@dataclass(frozen=True)
class FoldOptions:
    """``suffix`` of layers whose weights change."""

    suffix: str = "folded"


@register("fold", verb=REWRITE, flag="--fold", order=250,
          help="BatchNorm, Scale and Bias folded into the layers before them.")  # fmt: skip
def fold(view: View, options: FoldOptions) -> Rewrite:
    """The rewrite; Refusal when there is nothing that is fixed in every phase."""
    graph = view.graphs.get(TEST) or view.graph
    found = foldable(graph.plan)
    if view.graph is not graph and not view.deploy_only:
        answering = {(one.before.name if one.before else "", name) for one in found for name in _names(one)}
        found = [
            one
            for one in foldable(view.graph.plan)
            if all((one.before.name if one.before else "", name) in answering for name in _names(one))
        ]
    if not found:
        norms = [one for one in graph.plan.layers if one.layer.type == "BatchNorm"]
        what = (
            "BatchNorm takes its statistics from the batch in TRAIN"
            if norms
            else "the net has no BatchNorm layer, and no Scale or Bias after a Convolution or an InnerProduct"
        )
        raise Refusal(
            what,
            view.where(norms[0].index) if norms else None,
            received="--fold",
            remedy="fold the deployed net: --deploy --fold" if norms else "omit the fold: there is nothing to fold",
        )
    edits: list[Edit] = []
    moved: list[Move] = []
    notes: list[Note] = []
    for one in found:
        new = view.free(f"{one.kept.name}_{options.suffix}")
        edits += _edits(view, one, one.kept, new)
        moved.append(_move(one, one.kept.name, new))
        gone = [layer.name for layer in one.gone]
        what = f"`{'`, `'.join(gone)}` folded into `{new}`" if gone else f"`{one.kept.name}` -> `{new}` (Scale)"
        fixed = any(layer.layer.type == "BatchNorm" for layer in one.run)
        why = "its statistics are fixed" if fixed else "the factor and offset of each unit are part of its weights"
        notes.append(Note(what, view.where(one.run[0].index), why))
    return Rewrite(tuple(edits), tuple(moved), tuple(notes))


def _names(one: Foldable) -> list[str]:
    return [layer.name for layer in one.run]


def _edits(view: View, one: Foldable, kept: PlannedLayer, new: str) -> list[Edit]:
    edits: list[Edit] = []
    for gone in one.gone:
        edits += [DeleteLayer(index) for index in view.named(gone.name)]
    for index in view.named(kept.name):
        path, layer = ("layer", index), view.net.layer[index]
        edits.append(SetField((*path, "name"), new))
        if one.before is None:
            edits.append(SetField((*path, "type"), "Scale"))
            edits += [ClearField((*path, "batch_norm_param"))] if layer.HasField("batch_norm_param") else []
            edits += [ClearField((*path, "param"))] if layer.param else []
            edits.append(SetField((*path, "scale_param", "bias_term"), True))
        else:
            options = str(kept.layer.options_field)
            if not getattr(layer, options).bias_term:
                edits.append(ClearField((*path, options, "bias_term")))
        if layer.top[0] != one.last.tops[0]:
            edits.append(SetField((*path, "top", 0), one.last.tops[0]))
    return edits


def _move(one: Foldable, kept: str, new: str) -> Move:
    transposed = is_transposed(one)
    names = _names(one)

    def apply(blobs: Blobs) -> None:
        given = [blobs.pop(name, None) for name in names]
        known = [arrays for arrays in given if arrays is not None]
        if len(known) < len(given):
            return
        gain, shift = gain_and_shift(one, known)
        if one.before is None:
            blobs[new] = [gain.astype(np.float32), shift.astype(np.float32)]
        elif kept in blobs:
            blobs[new] = folded_weights(blobs.pop(kept), gain, shift, transposed)

    return Move(f"fold `{'`, `'.join(names)}` into `{new}`", apply)


def is_transposed(one: Foldable) -> bool:
    """Whether the units of the layer before are the columns of its weight."""
    before = one.before
    return before is not None and before.layer.type == "InnerProduct" and bool(before.layer.options.transpose)
