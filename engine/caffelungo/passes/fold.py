"""BatchNorm with stored statistics, and the Scale behind it, become part of the layer before them.

    before:  conv -> bn (BatchNorm) -> scale (Scale) -> relu        or: Eltwise -> bn -> scale
    after:   conv_folded (other kernels, a bias) -> relu                Eltwise -> bn_folded (Scale)
             the answers stay within rounding; training would go another way

The names change, so that weights from before are not loaded by mistake. What is foldable (``foldable``) and the
arithmetic (``gain_and_shift``, ``folded_weights``: double precision, rounded once) serve the export, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from caffelungo.definition.edits import ClearField, DeleteLayer, Edit, SetField
from caffelungo.definition.schema import TEST
from caffelungo.layers.plan import ParamKey, Plan, PlannedLayer
from caffelungo.passes.base import Note, Refusal, Rewrite
from caffelungo.passes.moves import Array, Blobs, Move
from caffelungo.passes.view import View

FOLDABLE = frozenset({"Convolution", "InnerProduct"})


@dataclass(frozen=True)
class Foldable:
    """A BatchNorm with fixed statistics, the Scale behind it and the layer before it, where they may become one."""

    norm: PlannedLayer
    scale: PlannedLayer | None
    before: PlannedLayer | None

    @property
    def last(self) -> PlannedLayer:
        return self.scale or self.norm


def foldable(plan: Plan, keep: Iterable[str] = ()) -> list[Foldable]:
    """What can be folded in ``plan``, in its order, but not across a blob of ``keep`` or an output."""
    seen = _Seen(plan, set(keep) | set(plan.outputs))
    result: list[Foldable] = []
    taken: set[str] = set()
    for norm in plan.layers:
        layer = norm.layer
        if layer.type != "BatchNorm" or not getattr(layer, "stored", False) or not seen.own(norm):
            continue
        before = seen.producer(norm)
        if before is not None and before.key in taken:
            before = None
        if before is not None:
            taken.add(before.key)
        result.append(Foldable(norm, seen.scale_after(norm), before))
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

    def scale_after(self, norm: PlannedLayer) -> PlannedLayer | None:
        if not self.private(norm.top_values[0]):
            return None
        scale = self.readers[norm.top_values[0]][0]
        if scale.layer.type != "Scale" or len(scale.bottoms) != 1 or not self.own(scale):
            return None
        options = scale.layer.options
        return scale if options.axis == 1 and options.num_axes == 1 else None

    def producer(self, norm: PlannedLayer) -> PlannedLayer | None:
        before = self.makers.get(norm.bottom_values[0])
        if before is None or not self.private(norm.bottom_values[0]) or not self.own(before):
            return None
        fits = before.layer.type in FOLDABLE and len(before.tops) == 1 and before.layer.options.axis == 1
        return before if fits else None


def gain_and_shift(norm: Sequence[Array], eps: float, scale: Sequence[Array] = ()) -> tuple[Array, Array]:
    """(gain, shift), one a channel in double precision, by which BatchNorm (and a Scale) multiply and add.

    ``norm`` is mean, variance and factor as Caffe stores them; ``scale`` the Scale's blobs, if there is one.
    """
    mean, variance, factor = (blob.astype(np.float64).reshape(-1) for blob in norm[:3])
    share = 1.0 / factor[0] if factor[0] != 0 else 0.0
    gain: Array = 1.0 / np.sqrt(variance * share + eps)
    shift: Array = -mean * share * gain
    if scale:
        gamma, *beta = (blob.astype(np.float64).reshape(-1) for blob in scale)
        gain, shift = gain * gamma, shift * gamma + (beta[0] if beta else 0.0)
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


def fold(view: View, options: FoldOptions) -> Rewrite:
    """The rewrite; Refusal when there is no BatchNorm whose statistics are fixed in every phase."""
    graph = view.graphs.get(TEST) or view.graph
    learning = view.graph is not graph and not view.deploy_only
    fixed = {one.norm.index for one in foldable(view.graph.plan)} if learning else None
    found = [one for one in foldable(graph.plan) if fixed is None or one.norm.index in fixed]
    if not found:
        norms = [one for one in graph.plan.layers if one.layer.type == "BatchNorm"]
        what = "BatchNorm takes its statistics from the batch in TRAIN" if norms else "the net has no BatchNorm layer"
        raise Refusal(
            what,
            view.where(norms[0].index) if norms else None,
            received="--fold",
            remedy="fold the deployed net: --deploy --fold" if norms else "leave it out: there is nothing to fold",
        )
    edits: list[Edit] = []
    moved: list[Move] = []
    notes: list[Note] = []
    for one in found:
        kept = one.before or one.norm
        new = view.free(f"{kept.name}_{options.suffix}")
        edits += _edits(view, one, kept, new)
        moved.append(_move(one, kept.name, new))
        gone = [layer.name for layer in (one.norm, one.scale) if layer is not None and layer is not kept]
        what = f"`{'`, `'.join(gone)}` folded into `{new}`" if gone else f"`{kept.name}` -> `{new}` (Scale)"
        notes.append(Note(what, view.where(one.norm.index), "its statistics are fixed"))
    return Rewrite(tuple(edits), tuple(moved), tuple(notes))


def _edits(view: View, one: Foldable, kept: PlannedLayer, new: str) -> list[Edit]:
    edits: list[Edit] = []
    for gone in (one.norm, one.scale):
        if gone is not None and gone is not kept:
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
    eps = float(one.norm.layer.options.eps)
    scale = one.scale.name if one.scale is not None else None

    def apply(blobs: Blobs) -> None:
        norm = blobs.pop(one.norm.name, None)
        gamma = blobs.pop(scale, []) if scale is not None else []
        if norm is None:
            return
        gain, shift = gain_and_shift(norm, eps, gamma)
        if one.before is None:
            blobs[new] = [gain.astype(np.float32), shift.astype(np.float32)]
        elif kept in blobs:
            blobs[new] = folded_weights(blobs.pop(kept), gain, shift, transposed)

    return Move(f"fold the statistics of `{one.norm.name}` into `{new}`", apply)


def is_transposed(one: Foldable) -> bool:
    """Whether the units of the layer before are the columns of its weight."""
    before = one.before
    return before is not None and before.layer.type == "InnerProduct" and bool(before.layer.options.transpose)
