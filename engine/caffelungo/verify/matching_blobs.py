"""Pairs the blobs of two nets and judges each. NumPy; the nets have run elsewhere.

pairs(before, after)     values of both plans that are the same blob: by the layer that makes them, by name where
                         layers were renamed or folded, and by who reads them
judge(...)               each as identical, equal within float, changed or new, in the order of the later net
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from caffelungo.layers.base import Shape
from caffelungo.plan.plan import Plan, PlannedLayer

Array = NDArray[np.float32]
IDENTICAL, EQUAL, CHANGED, NEW, GONE = "identical", "equal", "changed", "new", "gone"


@dataclass(frozen=True)
class Blob:
    """One blob of the later net (of the earlier one where it is gone), in one version.

    ``layer`` makes it, ``was`` made it before. ``difference`` is the largest one as a share of the largest value; NaN
    where nothing is compared, infinite where shapes differ. ``why`` says what a change or a new blob comes from.
    """

    blob: str
    layer: str
    type: str
    shape: Shape | None
    status: str
    was: str = ""
    was_blob: str = ""
    difference: float = math.nan
    why: str = ""


def pairs(before: Plan, after: Plan, renamed: Mapping[str, str], moved: Mapping[str, str]) -> dict[int, int]:
    """Value of ``after`` -> value of ``before``.

    ``renamed`` are inputs: top of ``after`` -> top of ``before``; ``moved`` layers (by key) of ``after`` that hold the
    weights of one that is gone.
    """
    found: dict[int, int] = {}
    _by_layer(before, after, renamed, moved, found)
    _by_name(before, after, found)
    _by_reader(before, after, found)
    return found


def _by_layer(
    before: Plan, after: Plan, renamed: Mapping[str, str], moved: Mapping[str, str], found: dict[int, int]
) -> None:
    old = {one.key: one for one in before.layers}
    inputs = {top: value for one in before.sources for top, value in zip(one.tops, one.top_values, strict=True)}
    for one in after.layers:
        if one.layer.source:
            for top, value in zip(one.tops, one.top_values, strict=True):
                if renamed.get(top, top) in inputs:
                    found[value] = inputs[renamed.get(top, top)]
        elif (key := moved.get(one.key, one.key)) in old:
            found.update(zip(one.top_values, old[key].top_values, strict=False))


def _by_name(before: Plan, after: Plan, found: dict[int, int]) -> None:
    """Versions of a blob that neither net's layers pair: the last before each paired one, and the last of all."""
    taken = set(found.values())
    versions: dict[str, list[int]] = {}
    for index, value in enumerate(before.values):
        versions.setdefault(value.blob, []).append(index)
    mine: dict[str, list[int]] = {}
    for index, value in enumerate(after.values):
        mine.setdefault(value.blob, []).append(index)
    for blob, indices in mine.items():
        old = versions.get(blob, [])
        start = 0
        waiting: int | None = None
        ends: list[int | None] = [*indices, None]
        for version in ends:
            if version is not None and version not in found:
                waiting = version
                continue
            end = len(old) if version is None else old.index(found[version]) if found[version] in old else start
            free = [one for one in old[start:end] if one not in taken]
            if waiting is not None and free:
                found[waiting] = free[-1]
                taken.add(free[-1])
            waiting, start = None, max(start, end + 1)


def _by_reader(before: Plan, after: Plan, found: dict[int, int]) -> None:
    """What the same layer reads in the same place is the same blob under another name."""
    taken = set(found.values())
    old = {one.key: one for one in before.layers}
    for one in after.layers:
        if one.key in old:
            for value, there in zip(one.bottom_values, old[one.key].bottom_values, strict=False):
                if value not in found and there not in taken:
                    found[value] = there
                    taken.add(there)


@dataclass
class _Judge:
    before: Plan
    after: Plan
    found: dict[int, int]
    old: Mapping[int, Array]
    new: Mapping[int, Array]
    fresh: frozenset[str]
    tolerance: float

    def run(self) -> list[Blob]:
        self.makers = {value: one for one in self.before.layers for value in one.top_values}
        self.names = {one.key for one in self.before.layers}
        gone = [one for one in self.before.layers if one.params and one.key not in {o.key for o in self.after.layers}]
        self.heads = {one.key for one in last_layers(self.before)}
        self.gone_sizes = {_size(one) for one in gone}
        self.reason: dict[int, str] = {}
        """Value -> what new layer it depends on, in words, for values that are not what they were."""
        self.states: dict[int, str] = {}
        result = []
        for one in self.after.layers:
            for top, value in zip(one.tops, one.top_values, strict=True):
                result.append(self.blob(one, top, value))
        kept = set(self.found.values())
        result += [
            Blob(top, one.name, one.layer.type, self.before.values[value].shape, GONE)
            for one in self.before.layers
            for top, value in zip(one.tops, one.top_values, strict=True)
            if value not in kept
        ]
        return result

    def blob(self, one: PlannedLayer, top: str, value: int) -> Blob:
        shape: Shape = tuple(self.new[value].shape)
        there = self.found.get(value)
        if there is None:
            if one.params or one.layer.source:
                self.reason[value] = f"`{one.name}` ({one.layer.type})"
                why = ""
            else:
                why = self.inherit(one, value)
            self.states[value] = NEW
            return Blob(top, one.name, one.layer.type, shape, NEW, why=why)
        maker = self.makers[there]
        mine, part = self.new[value], ""
        if more := _enlarged(self.old[there], mine):
            mine, part = mine[:, :more], f"the first {more} of {mine.shape[1]} channels"
        difference = apart(self.old[there], mine)
        was_blob = self.before.values[there].blob
        named = {"was": maker.name if maker.name != one.name else "", "was_blob": was_blob if was_blob != top else ""}
        measured = one.layer.loss or one.layer.chooses
        if measured and any(bottom in self.reason for bottom in one.bottom_values):
            self.states[value] = NEW  # a count may be the same by chance
            why = self.inherit(one, value)
            return Blob(top, one.name, one.layer.type, shape, NEW, difference=difference, why=why, **named)
        if difference <= self.tolerance:
            status = IDENTICAL if difference == 0 else EQUAL
            self.states[value] = status
            return Blob(top, one.name, one.layer.type, shape, status, difference=difference, why=part, **named)
        status, why = self.differs(one, maker, value)
        self.states[value] = status
        if self.old[there].size != self.new[value].size:
            why = f"{why}; its shape was {'x'.join(map(str, self.old[there].shape))}" if why else "another shape"
        return Blob(top, one.name, one.layer.type, shape, status, difference=difference, why=why, **named)

    def differs(self, one: PlannedLayer, maker: PlannedLayer, value: int) -> tuple[str, str]:
        """Whether a blob that is another than before is so because it is new, and why."""
        if one.params and one.key not in self.names:
            if one.key in self.fresh and maker.key not in self.heads and maker.params:
                return CHANGED, f"it replaces `{maker.name}` and no weights were given for it"
            if one.key in self.fresh or _size(one) not in self.gone_sizes:
                self.reason[value] = f"`{one.name}` ({one.layer.type})"
                how = "starts from its filler" if one.key in self.fresh else "has other weights"
                return NEW, f"replaces `{maker.name}`, {how}"
            return CHANGED, f"it replaces `{maker.name}` with other weights"
        news = [self.reason[bottom] for bottom in one.bottom_values if bottom in self.reason]
        changed = [bottom for bottom in one.bottom_values if self.states.get(bottom) == CHANGED]
        if changed:
            return CHANGED, f"it reads `{self.after.values[changed[0]].blob}`, which changed"
        if news and not one.params:
            return NEW, self.inherit(one, value)
        if news:
            return CHANGED, f"its weights are old, but it reads the output of {news[0]}, a new layer"
        if one.key in self.fresh:
            return CHANGED, "its weights are not in the file"
        if one.layer.source:
            return CHANGED, "another input"
        read = [self.found.get(bottom) for bottom in one.bottom_values]
        if tuple(read) != maker.bottom_values:
            return CHANGED, f"it reads {_list(one.bottoms)} instead of {_list(maker.bottoms)}"
        return CHANGED, "its weights or its options differ"

    def inherit(self, one: PlannedLayer, value: int) -> str:
        """What reads something new, without weights, is new by it; says so."""
        for bottom in one.bottom_values:
            if bottom in self.reason:
                self.reason[value] = self.reason[bottom]
                return f"after {self.reason[bottom]}, a new layer"
        return ""


def judge(
    before: Plan, after: Plan, found: dict[int, int], old: Mapping[int, Array], new: Mapping[int, Array],
    fresh: frozenset[str], tolerance: float,
) -> list[Blob]:  # fmt: skip
    """Every blob of both nets. ``old`` and ``new`` are the values, ``fresh`` the later net's layers (by key) whose
    weights no file gave; up to ``tolerance`` is equal.

    A blob is new when a new layer with weights makes it, or layers without weights make it of that; an old layer with
    weights that computes something else is changed.
    """
    return _Judge(before, after, found, old, new, fresh, tolerance).run()


def _enlarged(old: Array, new: Array) -> int:
    """How many channels there were, where others were added behind them; 0 where none were."""
    if old.ndim != new.ndim or old.ndim < 2 or old.shape[2:] != new.shape[2:] or old.shape[0] != new.shape[0]:
        return 0
    return old.shape[1] if new.shape[1] > old.shape[1] else 0


def apart(old: Array, new: Array) -> float:
    """The largest difference as a share of the largest value; 0 only where all bits agree, infinite for other shapes.

    Shapes of as many values per sample are the same (a vector, and the 1x1 map of a convolution).
    """
    if old.size != new.size or old.shape[:1] != new.shape[:1]:
        return math.inf
    a, b = old.reshape(-1), new.reshape(-1)
    if np.array_equal(a, b, equal_nan=True):
        return 0.0 if a.tobytes() == b.tobytes() else math.ulp(0.0)  # zeros of two signs
    if not (np.isfinite(a) == np.isfinite(b)).all() or (np.sign(a) != np.sign(b))[np.isinf(a)].any():
        return math.inf
    good = np.isfinite(a)
    difference = float(np.abs(a[good].astype(np.float64) - b[good]).max(initial=0.0))
    largest = float(np.abs(a[good]).max(initial=0.0))
    return difference / largest if largest else math.inf


def _size(one: PlannedLayer) -> int:
    """Values of the layer's first blob."""
    return math.prod(size or 0 for size in one.params[0].shape) if one.params else 0


def _list(blobs: Sequence[str]) -> str:
    return ", ".join(f"`{blob}`" for blob in blobs)


def last_layers(plan: Plan) -> list[PlannedLayer]:
    """Layers with weights behind which there are no others: classifiers, in most nets."""
    below: set[int] = set()
    result = []
    for one in reversed(plan.layers):
        if below.intersection(one.top_values):
            below.update(one.bottom_values)
        elif one.params:
            result.append(one)
            below.update(one.bottom_values)
    return result
