"""A linear classifier on features of several layers, each averaged and maximised over its plane: ordinary layers.

    before:  data -> conv1 ... fire5/concat -> ... fire9/concat -> drop9 -> conv10 -> relu_conv10 -> pool10 -> loss
    after:   fire5/concat -+-> fire5/concat_mean (Pooling) -> fire5/concat_mean_norm (Normalize) -.
                           `-> fire5/concat_max (Pooling)  -> fire5/concat_max_norm (Normalize) --+-> conv10_probe_in
             fire9/concat --> ... the same ...                                        (Concat) ---'   -> conv10_probe
             drop9, conv10, relu_conv10 and pool10 are gone, with every layer that nothing reads any more  -> loss

What a probe fits to pooled features of the frozen net is put here as weights, so that the net answers as the probe
did and trains on from there: ``columns`` tells the order of the features, ``weights_for`` places the weights.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from caffelungo.bounds import WHOLE
from caffelungo.definition.edits import ClearField, DeleteLayer, Edit, InsertLayer, MoveLayer, SetField
from caffelungo.definition.schema import FillerParameter, LayerParameter
from caffelungo.errors import UserError
from caffelungo.layers.base import shape_text
from caffelungo.layers.kinds import LABEL_LOSSES, NUMBER_LOSSES
from caffelungo.passes import class_lists, pooled_blobs, replace_classifier
from caffelungo.passes.base import Note, Refusal, Rewrite
from caffelungo.passes.moves import Array, Blobs
from caffelungo.passes.names import Names, norm_name, numbered, root
from caffelungo.passes.new_units import Built
from caffelungo.passes.option_fields import option
from caffelungo.passes.param_blocks import FROZEN, NEW, Rate, give_rates, head_filler
from caffelungo.passes.pooled_blobs import POOLS, Part, PooledSource, Read
from caffelungo.passes.registry import REWRITE, register
from caffelungo.passes.replace_classifier import Swap
from caffelungo.passes.stage_ends import stage_ends
from caffelungo.passes.view import ClassifierLayer, View
from caffelungo.wording import counted

__all__ = ["JoinedOptions", "Read", "columns", "head_name", "joined", "weights_for"]


@dataclass(frozen=True)
class JoinedOptions:
    """``reads`` in the order of the features; ``head``: whose place the new classifier takes (None: the last one's).

    ``classes``: how many (None: as many as before). The new one is called ``name``, or as the old one with ``suffix``.
    ``scale``: the fixed length that each part is brought to. Answers do not depend on it, as the classifier's weights
    are divided by it, but steps of training do.
    """

    reads: tuple[Read, ...]
    head: str | None = None
    classes: int | None = None
    suffix: str = "probe"
    rates: tuple[Rate, Rate] = NEW
    name: str | None = None
    scale: float = 1.0


@dataclass(frozen=True)
class JoinOptions:
    """``joined`` as people ask for it: all blobs are read in one way.

    ``blobs``: none: the end of every stage of the net. ``classes`` as in ``JoinedOptions``.
    """

    blobs: tuple[str, ...] = option(
        "The blobs, in the order of the classifier's columns (default: the end of every stage).",
        default=(), recipe="blob", flag="--join", asks=True, metavar="BLOBS", every=(),
    )  # fmt: skip
    pools: tuple[str, ...] = option(
        "How each channel is pooled over its plane (default: both ways).", default=(), choices=POOLS, recipe="pool"
    )
    normalize: bool = option("Normalize each part of the features to unit length.", default=True)
    suffix: str = option("Suffix for the new classifier's name.", default="probe", flag="--suffix")
    classes: int | None = option("Number of classes (default: as many as before).", default=None, bounds=WHOLE,
                                 recipe=None, flag="--classes")  # fmt: skip


def join(view: View, options: JoinOptions) -> Rewrite:
    """The rewrite, as ``joined`` makes it."""
    blobs = options.blobs or stage_ends(view)
    reads = tuple(Read(blob, options.pools or POOLS, options.normalize) for blob in blobs)
    return joined(view, JoinedOptions(reads, classes=options.classes, suffix=options.suffix))


register("join", verb=REWRITE, order=120, help="A linear classifier on pooled features of several layers.")(join)


@dataclass
class _Design:
    """The new layers, and all that is known of the old ones: ``gone`` are positions of those that go."""

    main: list[ClassifierLayer]
    swap: Swap
    gone: set[int]
    parts: list[Part]
    classes: int
    name: str
    groups: list[Built]
    tail: list[Any]
    names: Names

    @property
    def sources(self) -> list[PooledSource]:
        return list({part.blob: part.source for part in self.parts}.values())

    @property
    def features(self) -> int:
        """How many numbers the classifier reads."""
        return sum(part.channels for part in self.parts)


def joined(view: View, options: JoinedOptions) -> Rewrite:
    """The rewrite; UserError with every blob that cannot be read, Refusal when something else reads the classifier."""
    design = _design(view, options)
    useless = _useless(view, design)
    gone = design.gone | useless.keys()
    at = max([min(one.head.index for one in design.main), *(source.at for source in design.sources)])
    made = [layer for group in design.groups for layer in group.layers] + design.tail
    dropout, forked = pooled_blobs.before_dropout(view, design.sources, gone, design.names)
    edits: list[Edit] = [DeleteLayer(index) for index in sorted(gone)]
    edits += dropout
    edits += replace_classifier.keep_rates(view, gone)
    edits += [InsertLayer(at, layer, comment) for layer, comment in zip(made, _comments(design), strict=True)]
    led = [(index, k) for index, k in design.swap.rewired if index not in gone]
    edits += [SetField(("layer", index, "bottom", k), design.name) for index, k in led]
    edits += [MoveLayer(index, at) for index in design.swap.behind if index < at and index not in gone]
    edits += _named_answer(view, design)
    notes = [*_notes(view, design, options, useless), *forked]
    others = [end for one in design.main for end in one.ends if design.classes != one.classes]
    for end in others:
        if end.index not in gone:
            taken, said = class_lists.cleared(view, end)
            edits += taken
            notes += said
    return Rewrite(tuple(edits), (), tuple(notes))


def columns(view: View, options: JoinedOptions) -> list[tuple[str, str, int]]:
    """(blob, pool, channels) of each part in the order of the classifier's columns; ``view`` is the net before."""
    return [(part.blob, part.pool, part.channels) for part in pooled_blobs.parts_of(view, options.reads)]


def head_name(view: View, options: JoinedOptions) -> str:
    """What the new classifier is called; ``view`` is the net before."""
    main, _ = replace_classifier.chosen(view, options.head)
    return _name(view, options, main[-1])


def weights_for(view: View, options: JoinedOptions, weight: Array, bias: Array) -> Blobs:
    """Blobs of the new layers for ``weight`` (classes x all channels of ``columns``) and ``bias`` (classes).

    The weights are for parts at unit length; those of the layer are divided by ``options.scale``.

    The caller puts them beside the old weights: ``{**weights.layers, **weights_for(...)}``. ``view`` is the net before.
    Raises UserError when the sizes are not those of the classifier.
    """
    design = _design(view, options)
    wanted = (design.classes, design.features)
    if weight.shape != wanted or bias.shape != wanted[:1]:
        raise UserError(
            f"the weights do not have the shapes of `{design.name}`",
            received=f"weights {shape_text(weight.shape)}, bias {shape_text(bias.shape)}",
            remedy=f"give {shape_text(wanted)} weights, columns as passes.join.columns says, and a bias per class",
        )
    if any(not part.normalize for part in design.parts) and options.scale != 1:
        raise UserError(
            "only parts of unit length have a scale", received=f"scale {options.scale:g}", remedy="use scale 1"
        )
    scaled = weight / np.float32(options.scale)
    result: Blobs = {design.name: [np.ascontiguousarray(one, np.float32) for one in (scaled, bias)]}
    for layer in (layer for group in design.groups for layer in group.layers):
        if layer.type == "Normalize":
            result[layer.name] = [np.full((), options.scale, np.float32)]
    return result


def _design(view: View, options: JoinedOptions) -> _Design:
    main, heads = replace_classifier.chosen(view, options.head)
    classes = main[-1].classes if options.classes is None else options.classes
    if classes < 2 and not any(end.layer.type in NUMBER_LOSSES | LABEL_LOSSES for one in main for end in one.ends):
        raise Refusal(
            "a classifier needs at least two classes",
            received=counted(classes, "class"),
            remedy="write 2 or more; pictures of neither can be a class, too",
        )
    parts = pooled_blobs.parts_of(view, options.reads, frozenset(one.head.index for one in heads))
    taken = replace_classifier.take_out(view, main, heads)
    read = {phase: [part.source.values[phase] for part in parts] for phase in view.graphs}
    names, name = Names(view), _name(view, options, main[-1])
    names.given.add(name)
    flat = len(parts) > 1 and any(part.axes == 2 for part in parts)
    groups = [_group(part, flat, names, options.scale) for part in parts]
    tail = _tail([group.top for group in groups], name, classes, names, options)
    return _Design(
        main, taken, replace_classifier.unread(view, taken.gone, read), parts, classes, name, groups, tail, names
    )


def _name(view: View, options: JoinedOptions, main: ClassifierLayer) -> str:
    return view.free(options.name or numbered(root(main.name, "new"), options.suffix))


# --- the new layers ----------------------------------------------------------------------------------------------


def _group(part: Part, flat: bool, names: Names, scale: float) -> Built:
    """Pooling, Flatten and Normalize of one part, as needed."""
    built = Built([], part.source.top)
    stem = built.top if part.plain else f"{part.blob}_{part.pool}"
    if not part.plain:
        layer = LayerParameter(name=names.take(stem), type="Pooling")
        options = layer.pooling_param
        options.pool = options.AVE if part.pool == "mean" else options.MAX
        options.global_pooling = True
        _add(built, layer)
    if flat and part.axes == 4:
        _add(built, LayerParameter(name=names.take(f"{stem}_flat"), type="Flatten"))
    if part.normalize:
        layer = LayerParameter(name=names.take(norm_name(stem)), type="Normalize")
        layer.norm_param.across_spatial, layer.norm_param.channel_shared = False, True
        layer.norm_param.scale_filler.CopyFrom(FillerParameter(type="constant", value=scale))
        give_rates(layer, [FROZEN])
        _add(built, layer)
    return built


def _add(built: Built, layer: Any) -> None:
    layer.bottom[:], layer.top[:] = [built.top], [layer.name]
    built.layers.append(layer)
    built.top = layer.name


def _tail(tops: Sequence[str], name: str, classes: int, names: Names, options: JoinedOptions) -> list[Any]:
    """The Concat, where there is more than one part, and the classifier."""
    result: list[Any] = []
    bottom = tops[0]
    if len(tops) > 1:
        bottom = names.take(f"{name}_in")
        result.append(LayerParameter(name=bottom, type="Concat", bottom=list(tops), top=[bottom]))
    head = LayerParameter(name=name, type="InnerProduct", bottom=[bottom], top=[name])
    head.inner_product_param.num_output = classes
    head.inner_product_param.weight_filler.CopyFrom(head_filler())
    head.inner_product_param.bias_filler.CopyFrom(FillerParameter(type="constant", value=0))
    give_rates(head, options.rates)
    return [*result, head]


def _named_answer(view: View, design: _Design) -> Iterator[Edit]:
    """``lungo.head``, where it names the old classifier, names the new one; other classes have no names yet."""
    old = design.main[-1]
    for k, head in enumerate(view.net.lungo.head):
        if head.name == old.name:
            yield SetField(("lungo", "head", k, "name"), design.name)
            if head.label and design.classes != old.classes:
                yield ClearField(("lungo", "head", k, "label"))


# --- what is said ------------------------------------------------------------------------------------------------


def _comments(design: _Design) -> list[str | None]:
    """The comment above each new layer: what is read above the first, and how much above the classifier."""
    count = sum(len(group.layers) for group in design.groups) + len(design.tail)
    above_head = f"{counted(design.features, 'feature')}, {counted(design.classes, 'class')}." if count > 1 else None
    heading = f"The classifier reads {_listed(design)}{_how(design.parts)}."
    return [heading, *[None] * (count - 2), above_head][:count]


def _listed(design: _Design) -> str:
    blobs = [source.blob for source in design.sources]
    return " and ".join(blobs) if len(blobs) < 3 else f"{counted(len(blobs), 'blob')}, {blobs[0]} to {blobs[-1]}"


def _how(parts: Sequence[Part]) -> str:
    words = {"mean": "averaged", "max": "maximised"}
    pooled = [words[pool] for pool in POOLS if any(part.pool == pool and not part.plain for part in parts)]
    how = f", {' and '.join(pooled)} over the plane" if pooled else ""
    return how + (", each at unit length" if any(part.normalize for part in parts) else "")


def _notes(view: View, design: _Design, options: JoinedOptions, useless: dict[int, str]) -> Iterator[Note]:
    old, rates = design.main[-1], options.rates
    yield Note(
        f"classifier `{old.name}` -> `{design.name}`, {design.features} features, {old.classes} -> {design.classes} "
        f"outputs, lr_mult {rates[0][0]:g}/{rates[1][0]:g}",
        view.where(old.head.index),
        f"it reads {_listed(design)}{_how(design.parts)}",
    )
    for index in sorted(design.gone | useless.keys()):
        layer = view.net.layer[index]
        why = useless.get(index, "no other layer needs it")
        yield Note(f"`{layer.name}` ({layer.type}) removed", view.where(index), why)


def _useless(view: View, design: _Design) -> dict[int, str]:
    """The Accuracy layers that would always be right, and why; Refusal for a loss that weighs the old classes."""
    result: dict[int, str] = {}
    for end in (end for one in design.main for end in one.ends if design.classes != one.classes):
        if end.layer.type == "InfogainLoss":
            raise Refusal(
                f"`{end.name}` (InfogainLoss) has a matrix for the old classes",
                view.where(end.index),
                remedy='use type: "SoftmaxWithLoss"',
            )
        top_k = int(end.layer.param.accuracy_param.top_k) if end.layer.type == "Accuracy" else 1
        if top_k > 1 and top_k >= design.classes:
            result[end.index] = f"top {top_k} of {design.classes} is always right"
    return result
