"""A linear classifier on features of several layers, each averaged and maximised over its plane: ordinary layers.

    before:  data -> conv1 ... fire5/concat -> ... fire9/concat -> drop9 -> conv10 -> relu_conv10 -> pool10 -> loss
    after:   fire5/concat -+-> fire5/concat_mean (Pooling) -> fire5/concat_mean_norm (Normalize) -.
                           `-> fire5/concat_max (Pooling)  -> fire5/concat_max_norm (Normalize) --+-> conv10_probe_in
             fire9/concat --> ... the same ...                                        (Concat) ---'   -> conv10_probe
             drop9, conv10, relu_conv10 and pool10 are gone, with every layer that nothing reads any more  -> loss

What a probe fits to pooled features of the frozen net is put here as weights, so that the net answers as the probe
did and trains on from there. ``columns`` tells the order of the features, ``weights_for`` places the weights.
Blobs are read behind their in-place neurons, and before Dropout, which a probe never saw.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from caffelungo.definition.edits import DeleteLayer, Edit, InsertLayer, MoveLayer, SetField
from caffelungo.definition.schema import FillerParameter, LayerParameter
from caffelungo.errors import Location, Problem, UserError, did_you_mean
from caffelungo.layers.base import Shape, shape_text
from caffelungo.layers.plan import PlannedLayer
from caffelungo.passes import swap
from caffelungo.passes.base import Note, Refusal, Rewrite
from caffelungo.passes.branch import Built
from caffelungo.passes.moves import Array, Blobs
from caffelungo.passes.names import Names, norm_name, numbered, root
from caffelungo.passes.rates import FROZEN, NEW, Rate, give_rates, head_filler
from caffelungo.passes.swap import Swap
from caffelungo.passes.view import Classifier, View

POOLS = ("mean", "max")
"""How a plane becomes one number a channel, in the order of the features."""


@dataclass(frozen=True)
class Read:
    """One blob that the classifier reads: how its plane is pooled, and whether each part is brought to unit length.

    Blobs of two axes, and planes of one place, are taken as they are: one part, called "mean".
    """

    blob: str
    pools: tuple[str, ...] = POOLS
    normalize: bool = True


@dataclass(frozen=True)
class JoinedOptions:
    """``reads`` in the order of the features; ``head``: whose place the new classifier takes (None: the last one's).

    ``classes``: how many (None: as many as before). The new one is called ``name``, or as the old one with ``suffix``.
    """

    reads: tuple[Read, ...]
    head: str | None = None
    classes: int | None = None
    suffix: str = "probe"
    rates: tuple[Rate, Rate] = NEW
    name: str | None = None


@dataclass(frozen=True)
class Part:
    """Some columns of the classifier: one way of pooling one blob. ``axes`` of the blob; ``plain``: not pooled."""

    blob: str
    pool: str
    channels: int
    axes: int
    plain: bool
    normalize: bool


@dataclass
class _Source:
    """A blob that is read: its value by phase, and the Dropout layers in place between that and the blob's last value.

    ``at``: the position behind the last layer that writes it.
    """

    blob: str
    values: dict[int, int] = field(default_factory=dict)
    dropout: dict[int, PlannedLayer] = field(default_factory=dict)
    at: int = 0


@dataclass
class _Design:
    """The new layers, and all that is known of the old ones."""

    main: list[Classifier]
    swap: Swap
    gone: set[int]
    sources: list[_Source]
    parts: list[Part]
    classes: int
    name: str
    groups: list[Built]
    tail: list[LayerParameter]


def joined(view: View, options: JoinedOptions) -> Rewrite:
    """The rewrite; UserError with every blob that cannot be read, Refusal when something else reads the classifier."""
    design = _design(view, options)
    edits: list[Edit] = [DeleteLayer(index) for index in sorted(design.gone)]
    edits += _fork_dropout(view, design)
    at = max([min(one.head.index for one in design.main), *(source.at for source in design.sources)])
    made = [layer for group in design.groups for layer in group.layers] + design.tail
    edits += [InsertLayer(at, layer, comment) for layer, comment in zip(made, _comments(design, options), strict=True)]
    edits += [SetField(("layer", index, "bottom", k), design.name) for index, k in design.swap.rewired]
    edits += [MoveLayer(index, at) for index in design.swap.behind if index < at]
    notes = list(_notes(view, design, options))
    for edit, note in _accuracies(view, design, options):
        edits = [one for one in edits if not _of_layer(one, edit.index)]
        edits.append(edit)
        notes.append(note)
    return Rewrite(tuple(edits), (), tuple(notes))


def columns(view: View, options: JoinedOptions) -> list[tuple[str, str, int]]:
    """(blob, pool, channels) of each part in the order of the classifier's columns; ``view`` is the net before."""
    return [(part.blob, part.pool, part.channels) for part in _parts(view, options.reads, [])]


def head_name(view: View, options: JoinedOptions) -> str:
    """What the new classifier is called; ``view`` is the net before."""
    main, _ = swap.chosen(view, options.head)
    return _name(view, options, main[-1])


def weights_for(view: View, options: JoinedOptions, weight: Array, bias: Array) -> Blobs:
    """Blobs of the new layers for ``weight`` (classes x all channels of ``columns``) and ``bias`` (classes).

    The caller puts them beside the old weights: ``weights.layers | weights_for(...)``. ``view`` is the net before.
    Raises UserError when the sizes are not those of the classifier.
    """
    design = _design(view, options)
    wanted = (design.classes, sum(part.channels for part in design.parts))
    if weight.shape != wanted or bias.shape != wanted[:1]:
        raise UserError(
            f"these are not the weights of `{design.name}`",
            received=f"weights {shape_text(weight.shape)}, bias {shape_text(bias.shape)}",
            remedy=f"give {shape_text(wanted)} weights, as the columns of passes.joined.columns, and a bias a class",
        )
    result = {design.name: [np.ascontiguousarray(one, np.float32) for one in (weight, bias)]}
    for layer in (layer for group in design.groups for layer in group.layers if layer.type == "Normalize"):
        result[layer.name] = [np.ones((), np.float32)]
    return result


# --- what is read ------------------------------------------------------------------------------------------------


def _design(view: View, options: JoinedOptions) -> _Design:
    main, heads = swap.chosen(view, options.head)
    classes = main[-1].classes if options.classes is None else options.classes
    if classes < 2:
        raise Refusal(
            "one class leaves nothing to tell apart",
            received=f"{classes} class(es)",
            remedy="name two classes or more; what is neither makes a class too",
        )
    taken = swap.take_out(view, main, heads)
    sources: list[_Source] = []
    parts = _parts(view, options.reads, sources, {one.head.index for one in heads})
    read = {phase: [source.values[phase] for source in sources] for phase in view.graphs}
    names, name = Names(view), _name(view, options, main[-1])
    names.given.add(name)
    flat = len(parts) > 1 and any(part.axes == 2 for part in parts)
    places = {source.blob: source for source in sources}
    groups = [_group(view, part, places, flat, names) for part in parts]
    tail = _tail([group.top for group in groups], name, classes, names, options)
    return _Design(main, taken, swap.unread(view, taken.gone, read), sources, parts, classes, name, groups, tail)


def _name(view: View, options: JoinedOptions, main: Classifier) -> str:
    return view.free(options.name or numbered(root(main.name, "new"), options.suffix))


def _parts(
    view: View, reads: Sequence[Read], sources: list[_Source], heads: set[int] | frozenset[int] = frozenset()
) -> list[Part]:
    """The parts of ``reads``; their blobs are added to ``sources``. UserError with all mistakes."""
    problems: list[Problem] = []
    parts: list[Part] = []
    if not reads:
        problems.append(Problem("the classifier would read nothing", remedy="name a blob at least"))
    for read in reads:
        blob = _blob(view, read.blob, problems)
        if blob is None or not _check_pools(view, read, problems):
            continue
        source = next((one for one in sources if one.blob == blob), None) or _source(view, blob)
        shape = _shape(view, source)
        if problem := _unreadable(view, source, shape, heads):
            problems.append(problem)
            continue
        assert shape is not None
        plain = len(shape) == 2 or tuple(shape[2:]) == (1, 1)
        for pool in POOLS[:1] if plain else [one for one in POOLS if one in read.pools]:
            if any((one.blob, one.pool) == (blob, pool) for one in parts):
                problems.append(Problem(f"`{blob}` is read twice", received=pool, remedy="name each blob once"))
                break
            parts.append(Part(blob, pool, int(shape[1] or 0), len(shape), plain, read.normalize))
        if source not in sources:
            sources.append(source)
    if problems:
        raise UserError(problems)
    return parts


def _blob(view: View, word: str, problems: list[Problem]) -> str | None:
    """The blob that ``word`` names: by its own name, or by that of a layer that makes it."""
    graphs = list(view.graphs.values())
    if all(word in graph.plan.blobs for graph in graphs):
        return word
    for graph in graphs:
        for one in graph.plan.layers:
            if one.name == word and one.tops and all(one.tops[0] in other.plan.blobs for other in graphs):
                return one.tops[0]
    known = list(dict.fromkeys(blob for graph in graphs for blob in graph.plan.blobs))
    if word in known:
        problems.append(
            Problem(f"blob `{word}` is there in one phase only", Location(str(view.definition.path)), word,
                    "name a blob that training and testing share")
        )  # fmt: skip
        return None
    near = did_you_mean(word, known)
    remedy = f"did you mean `{near}`?" if near else f"its last blobs are {', '.join(known[-6:])}"
    problems.append(Problem(f"the net has no blob called `{word}`", Location(str(view.definition.path)), word, remedy))
    return None


def _check_pools(view: View, read: Read, problems: list[Problem]) -> bool:
    wrong = [one for one in read.pools if one not in POOLS]
    if wrong or not read.pools or len(set(read.pools)) < len(read.pools):
        problems.append(
            Problem(f"`{read.blob}` cannot be pooled so", None, ", ".join(read.pools) or "nothing",
                    f"give one or both of {', '.join(POOLS)}")
        )  # fmt: skip
        return False
    return True


def _source(view: View, blob: str) -> _Source:
    """``blob`` behind its neurons: the last value, or what the Dropout layers behind it read."""
    source = _Source(blob)
    for phase, graph in view.graphs.items():
        value = graph.plan.value_of(blob)
        source.at = max(source.at, graph.producer[value].index + 1)
        while (maker := graph.producer[value]).layer.type == "Dropout":
            if all(maker.in_place):
                source.dropout[maker.index] = maker
            elif graph.plan.value_of(maker.bottoms[0]) != maker.bottom_values[0]:
                break
            value = maker.bottom_values[0]
        source.values[phase] = value
    return source


def _shape(view: View, source: _Source) -> Shape | None:
    """The shape of a blob, of the phase that knows most of it."""
    shapes = [graph.shape(source.values[phase]) for phase, graph in view.graphs.items()]
    known = [one for one in shapes if one is not None]
    return max(known, key=lambda shape: sum(size is not None for size in shape), default=None)


def _unreadable(view: View, source: _Source, shape: Shape | None, heads: set[int] | frozenset[int]) -> Problem | None:
    """Why a blob cannot be read, None if it can."""
    graph = view.graph
    phase = next(phase for phase, one in view.graphs.items() if one is graph)
    maker = graph.producer[source.values[phase]]
    where, received = view.where(maker.index), f"blob `{source.blob}`"
    if maker.layer.source:
        return Problem(
            f"`{source.blob}` is what `{maker.name}` gives, which has no features", where, received,
            "name a blob between the data and the classifier",
        )  # fmt: skip
    above = {one.index for one in graph.upstream([maker])}
    if behind := above & heads:
        name = next(one.name for one in graph.plan.layers if one.index in behind)
        return Problem(
            f"`{source.blob}` comes from classifier `{name}`, whose place is taken", where, received,
            "name a blob between the data and the classifier",
        )  # fmt: skip
    if shape is None or len(shape) not in (2, 4) or not shape[1]:
        return Problem(
            f"`{source.blob}` has no channels that are known", where, f"{received} of {shape_text(shape)}",
            "name a blob of N x C or N x C x H x W, and write crop_size into the data layers' transform_param",
        )  # fmt: skip
    return None


# --- the new layers ----------------------------------------------------------------------------------------------


def _group(view: View, part: Part, places: dict[str, _Source], flat: bool, names: Names) -> Built:
    """Pooling, Flatten and Normalize of one part, as needed."""
    blob = _read_as(view, places[part.blob])
    built = Built([], blob)
    stem = blob if part.plain else f"{part.blob}_{part.pool}"
    if not part.plain:
        layer = LayerParameter(name=names.take(stem), type="Pooling", bottom=[blob])
        options = layer.pooling_param
        options.pool = options.AVE if part.pool == "mean" else options.MAX
        options.global_pooling = True
        _add(built, layer)
    if flat and part.axes == 4:
        _add(built, LayerParameter(name=names.take(f"{stem}_flat"), type="Flatten", bottom=[built.top]))
    if part.normalize:
        _add(built, unit_length(names.take(norm_name(stem)), built.top))
    return built


def unit_length(name: str, bottom: str) -> LayerParameter:
    """A Normalize over the channels whose one factor is 1 and stays so."""
    layer = LayerParameter(name=name, type="Normalize", bottom=[bottom])
    layer.norm_param.across_spatial = False
    layer.norm_param.channel_shared = True
    layer.norm_param.scale_filler.CopyFrom(FillerParameter(type="constant", value=1))
    give_rates(layer, [FROZEN])
    return layer


def _add(built: Built, layer: LayerParameter) -> None:
    layer.top.append(layer.name)
    built.layers.append(layer)
    built.top = layer.name


def _read_as(view: View, source: _Source) -> str:
    """The name of the blob that holds what is read: another one where the user named a Dropout's top."""
    graph = view.graph
    phase = next(phase for phase, one in view.graphs.items() if one is graph)
    return graph.plan.values[source.values[phase]].blob


def _tail(tops: Sequence[str], name: str, classes: int, names: Names, options: JoinedOptions) -> list[LayerParameter]:
    """The Concat, where there is more than one part, and the classifier."""
    result: list[LayerParameter] = []
    bottom = tops[0]
    if len(tops) > 1:
        bottom = names.take(f"{name}_in")
        result.append(LayerParameter(name=bottom, type="Concat", bottom=list(tops), top=[bottom]))
    head = LayerParameter(name=name, type="InnerProduct", bottom=[bottom], top=[name])
    given = head.inner_product_param
    given.num_output = classes
    given.weight_filler.CopyFrom(head_filler())
    given.bias_filler.CopyFrom(FillerParameter(type="constant", value=0))
    give_rates(head, options.rates)
    return [*result, head]


def _fork_dropout(view: View, design: _Design) -> Iterator[Edit]:
    """A Dropout in place that stays gets a top of its own, so that the classifier reads what it reads."""
    names = Names(view)
    names.given.add(design.name)
    for source in design.sources:
        staying = [source.dropout[index] for index in sorted(source.dropout) if index not in design.gone]
        bottom = source.blob
        led: dict[tuple[int, int], str] = {}
        for one in staying:
            top = names.take(f"{one.name}_out")
            yield SetField(("layer", one.index, "bottom", 0), bottom)
            yield SetField(("layer", one.index, "top", 0), top)
            bottom = top
        for graph in view.graphs.values() if staying else ():
            value = graph.plan.value_of(source.blob)
            for reader in graph.consumers(value):
                if reader.index not in design.gone:
                    led |= {(reader.index, k): bottom for k, v in enumerate(reader.bottom_values) if v == value}
        for (index, k), blob in led.items():
            yield SetField(("layer", index, "bottom", k), blob)


# --- what is said ------------------------------------------------------------------------------------------------


def _comments(design: _Design, options: JoinedOptions) -> list[str | None]:
    """The comment above each new layer: what is read above the first, and what learns above the classifier."""
    layers = sum(len(group.layers) for group in design.groups)
    count = sum(part.channels for part in design.parts)
    heading = f"The classifier reads {_listed(design)}{_how(design.parts)}."
    rest: list[str | None] = [None] * (layers + len(design.tail) - 1)
    if rest:
        rest[-1] = f"{count} features, {design.classes} classes."
    return [heading, *rest]


def _listed(design: _Design) -> str:
    blobs = list(dict.fromkeys(part.blob for part in design.parts))
    return " and ".join(blobs) if len(blobs) < 3 else f"{len(blobs)} blobs, {blobs[0]} to {blobs[-1]}"


def _how(parts: Sequence[Part]) -> str:
    words = {"mean": "averaged", "max": "maximised"}
    pooled = [words[pool] for pool in POOLS if any(part.pool == pool and not part.plain for part in parts)]
    how = f", {' and '.join(pooled)} over the plane" if pooled else ""
    return how + (", each part at unit length" if any(part.normalize for part in parts) else "")


def _notes(view: View, design: _Design, options: JoinedOptions) -> Iterator[Note]:
    old, rates = design.main[-1], options.rates
    count = sum(part.channels for part in design.parts)
    yield Note(
        f"classifier `{old.name}` -> `{design.name}`, {count} features, {old.classes} -> {design.classes} outputs, "
        f"lr_mult {rates[0][0]:g}/{rates[1][0]:g}",
        view.where(old.head.index),
        f"it reads {_listed(design)}{_how(design.parts)}",
    )
    for index in sorted(design.gone):
        layer = view.net.layer[index]
        yield Note(f"`{layer.name}` ({layer.type}) taken out", view.where(index), "nothing needs it any more")
    for source in design.sources:
        for index in sorted(source.dropout.keys() - design.gone):
            yield Note(
                f"`{source.dropout[index].name}` (Dropout) makes a blob of its own", view.where(index),
                f"the classifier reads `{source.blob}` before it",
            )  # fmt: skip


def _accuracies(view: View, design: _Design, options: JoinedOptions) -> Iterator[tuple[DeleteLayer, Note]]:
    """The Accuracy layers that would always be right; Refusal for a loss that weighs the old classes."""
    for end in {end.index: end for one in design.main for end in one.ends}.values():
        if end.layer.type == "InfogainLoss" and design.classes != design.main[-1].classes:
            raise Refusal(
                f"`{end.name}` weighs the old classes against each other (InfogainLoss)",
                view.where(end.index),
                remedy='use type: "SoftmaxWithLoss"',
            )
        top_k = int(end.layer.param.accuracy_param.top_k) if end.layer.type == "Accuracy" else 1
        if options.classes is not None and top_k > 1 and top_k >= design.classes:
            why = f"top {top_k} of {design.classes} is always right"
            yield DeleteLayer(end.index), Note(f"`{end.name}` taken out", view.where(end.index), why)


def _of_layer(edit: Edit, index: int) -> bool:
    return (isinstance(edit, MoveLayer) and edit.index == index) or (
        isinstance(edit, SetField) and edit.path[:2] == ("layer", index)
    )
