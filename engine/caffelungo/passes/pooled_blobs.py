"""Which blobs a classifier on pooled features reads: found by name, each with its shape, or said why it cannot be read.

    before:  "fire9/concat" -> fire9/concat (Concat) -> drop9 (Dropout, in place) -> conv10
    after:   the value behind the Concat, 512 channels, parts ("mean", "max"); drop9 works in place behind it

A blob is read behind its in-place neurons and before Dropout, which features of a frozen net are measured without.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from caffelungo.definition.edits import Edit, SetField
from caffelungo.errors import Location, Problem, UserError, did_you_mean
from caffelungo.layers.base import Shape, shape_text
from caffelungo.passes.base import Note
from caffelungo.passes.names import Names
from caffelungo.passes.view import View
from caffelungo.plan.plan import PlannedLayer

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


@dataclass
class PooledSource:
    """A blob that is read: ``top`` is its name where it is read, ``values`` its value by phase.

    ``dropout``: the layers in place between that and the blob's last value; ``at``: behind the last layer of them.
    """

    blob: str
    top: str = ""
    values: dict[int, int] = field(default_factory=dict)
    dropout: dict[int, PlannedLayer] = field(default_factory=dict)
    at: int = 0


@dataclass(frozen=True)
class Part:
    """Some columns of the classifier: one way of pooling one blob of ``axes`` axes. ``plain``: it is not pooled."""

    source: PooledSource
    pool: str
    channels: int
    axes: int
    plain: bool
    normalize: bool

    @property
    def blob(self) -> str:
        return self.source.blob


def parts_of(view: View, reads: Sequence[Read], heads: frozenset[int] = frozenset()) -> list[Part]:
    """The parts of ``reads`` in order; UserError with every blob that cannot be read.

    ``heads``: positions of classifiers that go, so that nothing behind them can be read.
    """
    problems: list[Problem] = []
    parts: list[Part] = []
    sources: dict[str, PooledSource] = {}
    if not reads:
        problems.append(Problem("the classifier would read nothing", remedy="name one blob or more"))
    for read in reads:
        if problem := _wrong_pools(read):
            problems.append(problem)
            continue
        blob = _blob(view, read.blob, problems)
        if blob is None:
            continue
        source = sources.setdefault(blob, _source(view, blob))
        shape = _shape(view, source)
        if problem := _unreadable(view, source, shape, heads):
            problems.append(problem)
            continue
        assert shape is not None
        plain = len(shape) == 2 or tuple(shape[2:]) == (1, 1)
        pools = POOLS[:1] if plain else [one for one in POOLS if one in read.pools]
        if any(part.source is source and part.pool in pools for part in parts):
            problems.append(Problem(f"`{blob}` is read twice", received=read.blob, remedy="name each blob once"))
        parts += [Part(source, pool, int(shape[1] or 0), len(shape), plain, read.normalize) for pool in pools]
    if problems:
        raise UserError(problems)
    return parts


def _wrong_pools(read: Read) -> Problem | None:
    if read.pools and set(read.pools) <= set(POOLS) and len(set(read.pools)) == len(read.pools):
        return None
    given = ", ".join(read.pools) or "nothing"
    return Problem(f"`{read.blob}` has no such pooling", None, given, f"give one or both of {', '.join(POOLS)}")


def _blob(view: View, word: str, problems: list[Problem]) -> str | None:
    """The blob that ``word`` names: by its own name, or by that of a layer that makes it."""
    plans = [graph.plan for graph in view.graphs.values()]
    layers = [one.tops[0] for plan in plans for one in plan.layers if one.name == word and one.tops]
    for blob in (word, *layers):
        if all(blob in plan.blobs for plan in plans):
            return blob
    place = Location(str(view.definition.path))
    known = list(dict.fromkeys(blob for plan in plans for blob in plan.blobs))
    if layers or word in known:
        remedy = "name a blob that training and testing share"
        problems.append(Problem(f"blob `{word}` exists in one phase only", place, word, remedy))
        return None
    near = did_you_mean(word, known)
    remedy = f"did you mean `{near}`?" if near else f"its last blobs are {', '.join(known[-6:])}"
    problems.append(Problem(f"the net has no blob called `{word}`", place, word, remedy))
    return None


def _source(view: View, blob: str) -> PooledSource:
    """``blob`` behind its neurons: the last value, or what the Dropout layers behind it read."""
    source = PooledSource(blob)
    for phase, graph in view.graphs.items():
        value = graph.plan.value_of(blob)
        source.at = max(source.at, graph.producer[value].index + 1)
        while (maker := graph.producer[value]).layer.type == "Dropout":
            if all(maker.in_place):
                source.dropout[maker.index] = maker
            elif graph.plan.value_of(maker.bottoms[0]) == maker.bottom_values[0]:
                source.dropout.clear()  # they work in place on another blob than the one that is read
            else:
                break
            value = maker.bottom_values[0]
        source.values[phase] = value
        source.top = graph.plan.values[value].blob
    return source


def _shape(view: View, source: PooledSource) -> Shape | None:
    """The shape of a blob, of the phase that knows most of it."""
    shapes = [graph.shape(source.values[phase]) for phase, graph in view.graphs.items()]
    known = [one for one in shapes if one is not None]
    return max(known, key=lambda shape: sum(size is not None for size in shape), default=None)


def _unreadable(view: View, source: PooledSource, shape: Shape | None, heads: frozenset[int]) -> Problem | None:
    """Why a blob cannot be read, None if it can."""
    phase, graph = next(iter(view.graphs.items()))
    maker = graph.producer[source.values[phase]]
    where, received = view.where(maker.index), f"blob `{source.blob}`"
    between = "name a blob between the data and the classifier"
    if maker.layer.source:
        what = f"`{source.blob}` is the output of `{maker.name}`, which has no features"
        return Problem(what, where, received, between)
    behind = [one.name for one in graph.upstream([maker]) if one.index in heads]
    if behind:
        what = f"`{source.blob}` depends on classifier `{behind[0]}`, which is replaced"
        return Problem(what, where, received, between)
    if shape is None or len(shape) not in (2, 4) or not shape[1]:
        what = f"the channels of `{source.blob}` are not known, or it has none"
        remedy = "name a blob of N x C or N x C x H x W; in a net on data, write crop_size into transform_param"
        return Problem(what, where, f"{received} of {shape_text(shape)}", remedy)
    return None


def before_dropout(
    view: View, sources: Sequence[PooledSource], gone: set[int], names: Names
) -> tuple[list[Edit], list[Note]]:
    """A Dropout in place that stays gets a new top, so that what it reads can be read by others, too."""
    edits: list[Edit] = []
    notes: list[Note] = []
    for source in sources:
        staying = [source.dropout[index] for index in sorted(source.dropout) if index not in gone]
        bottom = source.top
        for one in staying:
            top = names.take(f"{one.name}_out")
            edits += [
                SetField(("layer", one.index, "bottom", 0), bottom),
                SetField(("layer", one.index, "top", 0), top),
            ]
            why = f"the classifier reads `{source.top}` before it"
            notes.append(Note(f"`{one.name}` (Dropout) makes `{top}`", view.where(one.index), why))
            bottom = top
        led: dict[tuple[int, int], None] = {}
        for graph in view.every if staying else ():
            last = graph.plan.value_of(source.blob)
            for reader in (one for one in graph.consumers(last) if one.index not in gone):
                led.update({(reader.index, k): None for k, value in enumerate(reader.bottom_values) if value == last})
        edits += [SetField(("layer", index, "bottom", k), bottom) for index, k in led]
    return edits, notes
