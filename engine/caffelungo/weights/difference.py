"""What training changed: two files of weights compared, layer by layer, blob by blob and unit by unit. No torch.

    before, after            ->  Difference: one LayerChange a layer, in the order of the net
    start, snapshot, ...     ->  one Difference a snapshot, each against the start

Sums are taken in double precision, a few rows at a time, so that a blob is never held twice in it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caffelungo.definition import catalogue
from caffelungo.definition.filter import net_state
from caffelungo.definition.schema import TEST, TRAIN
from caffelungo.errors import Location, UserError
from caffelungo.layers.base import shape_text
from caffelungo.plan import states
from caffelungo.plan.plan import build_plan
from caffelungo.plan.read_net import read_net
from caffelungo.weights.copy import fits
from caffelungo.weights.load import load
from caffelungo.weights.weights import Array, Weights
from caffelungo.wording import listed

Doubles = NDArray[np.float64]

COMPARED, GROWN, OTHER, NEW, GONE = "compared", "shared part", "not comparable", "new", "gone"

BLOBS = {"BatchNorm": ("mean", "variance", "factor"), "Scale": ("scale", "bias"), "Normalize": ("scale",),
         "PReLU": ("slope",), "Bias": ("bias",), "Parameter": ("value",)}  # fmt: skip
"""Names of the blobs of types whose first is not a weight."""
ELEMENTS = 1 << 21
"""Values held in double precision at a time."""


@dataclass(frozen=True)
class Units:
    """One number a unit (a row of a weight, a channel of statistics) of the compared part, and of what was added.

    ``change`` is the norm of the difference of each old unit, ``before`` and ``after`` its norms, ``cosine`` that of
    the two (NaN for a unit of zeros). ``added`` are the norms of units that only the later file has.
    """

    change: Doubles
    before: Doubles
    after: Doubles
    cosine: Doubles
    added: Doubles

    @property
    def relative(self) -> Doubles:
        """Change over the norm before; infinite where that was 0, and 0 where nothing changed."""
        return _ratios(self.change, self.before)


@dataclass(frozen=True)
class BlobChange:
    """One blob. Numbers are those of the part that both files have; NaN where there is none, or no angle.

    ``relative`` ||W - W0|| / ||W0||; ``signs`` the share of values that passed from one side of zero to the other;
    ``largest`` the largest absolute change, at ``place``. ``added`` is the norm of the inputs (columns) that old units
    gained; ``notes`` say what is special. ``broken`` counts values that are no numbers, before and after.
    """

    index: int
    name: str
    status: str
    before: tuple[int, ...] | None
    after: tuple[int, ...] | None
    relative: float = math.nan
    cosine: float = math.nan
    signs: float = math.nan
    largest: float = math.nan
    place: tuple[int, ...] = ()
    change: float = math.nan
    norm: float = math.nan
    size: int = 0
    added: float | None = None
    broken: tuple[int, int] = (0, 0)
    notes: tuple[str, ...] = ()
    units: Units | None = None


@dataclass(frozen=True)
class LayerChange:
    """One layer: ``relative`` and ``cosine`` over its blobs together, from those that can be compared."""

    name: str
    type: str
    status: str
    blobs: tuple[BlobChange, ...]

    @property
    def relative(self) -> float:
        """||W - W0|| / ||W0|| of all compared blobs as one vector; NaN when there is none."""
        found = [blob for blob in self.blobs if blob.status in (COMPARED, GROWN)]
        if not found:
            return math.nan
        return _ratio(math.hypot(*(blob.change for blob in found)), math.hypot(*(blob.norm for blob in found)))

    @property
    def broken(self) -> bool:
        """Whether a value of either file is no number."""
        return any(any(blob.broken) for blob in self.blobs)

    @property
    def statistics(self) -> bool:
        """Whether these are BatchNorm's, which follow the data and no gradient."""
        return self.type == "BatchNorm"


@dataclass(frozen=True)
class Difference:
    """``after`` against ``before`` (their paths); ``notices`` are for people."""

    before: str
    after: str
    layers: tuple[LayerChange, ...]
    notices: tuple[str, ...] = field(default=())

    def named(self, *statuses: str) -> list[str]:
        """Names of the layers with one of ``statuses``."""
        return [layer.name for layer in self.layers if layer.status in statuses]


@dataclass(frozen=True)
class _Known:
    """What the net or the files say of a layer: its type, names of its blobs, and whether units are columns."""

    type: str = ""
    names: tuple[str, ...] = ()
    columns: bool = False


def iteration(path: str) -> int | None:
    """The iteration in the name of a snapshot (``..._iter_400.caffemodel``)."""
    found = re.search(r"_iter_(\d+)", path.rsplit("/", 1)[-1])
    return int(found[1]) if found else None


def in_time(paths: Sequence[str]) -> list[str]:
    """Snapshots in the order of their iterations where all names have one (a shell sorts 1000 before 200)."""
    times = [iteration(path) for path in paths]
    if None in times:
        return list(paths)
    return [path for _, path in sorted(zip(times, paths, strict=True), key=lambda pair: pair[0] or 0)]


def compare(before: Weights, after: Weights, model: Any = None) -> Difference:
    """What of ``before`` became what of ``after``; UserError when they have no layer in common.

    ``model`` is the NetParameter of either: it tells types, names and order where the files do not.
    """
    known = _known(before, after, model)
    if not set(before.layers) & set(after.layers):
        raise UserError(
            "the two files have no layer of the same name, so nothing can be compared",
            where=Location(after.path) if after.path else None,
            received=f"{_some(before.layers)} before, {_some(after.layers)} after",
            remedy="give weights of the same net, or of one that was grown from it",
        )
    layers = tuple(
        _layer(name, before.layers.get(name), after.layers.get(name), known[name])
        for name in _order(before, after, known)
    )
    notices = []
    guessed = [name for name in known if known[name].type == "BatchNorm" and not _typed(name, before, after, model)]
    if guessed:
        notices.append(
            f"{_some(guessed)}: taken for BatchNorm by the shapes of the blobs, as the files tell no types; "
            "--model net.prototxt tells them"
        )
    return Difference(before.path, after.path, layers, tuple(notices))


def _typed(name: str, before: Weights, after: Weights, model: Any) -> bool:
    return name in before.types or name in after.types or any(layer.name == name for layer in _layers(model))


def _layers(model: Any) -> Sequence[Any]:
    return () if model is None else model.layer


def _known(before: Weights, after: Weights, model: Any) -> dict[str, _Known]:
    found: dict[str, _Known] = {}
    if model is not None:
        in_any = [
            net_state(model, phase, stages=one) for one in ((), *states.stage_sets(model)) for phase in (TRAIN, TEST)
        ]
        for state in in_any:
            for planned in build_plan(model, state, problems=[]).layers:
                names = tuple(use.spec.name for use in planned.params)
                columns = planned.layer.type == "InnerProduct" and bool(planned.layer.options.transpose)
                found.setdefault(planned.name, _Known(planned.layer.type, names, columns))
        if not set(found) & (set(before.layers) | set(after.layers)):
            raise UserError(
                "the net has none of the layers in the weights",
                received=f"{_some(found)} in the net, {_some(after.layers)} in the weights",
                remedy="name the net that these weights are of, or leave --model out",
            )
    result = {name: one for name, one in found.items() if name in before.layers or name in after.layers}
    for weights in (after, before):
        for name, blobs in weights.layers.items():
            kind = after.types.get(name) or before.types.get(name) or _kind(blobs)
            result.setdefault(name, _Known(kind))
    return result


def _kind(blobs: Sequence[Array]) -> str:
    """BatchNorm is known by its blobs (one value a channel, twice, and one factor); other types are left open."""
    shapes = [blob.shape for blob in blobs]
    if len(shapes) == 3 and len(shapes[0]) == 1 and shapes[0] == shapes[1] and shapes[2] == (1,):
        return "BatchNorm"
    return ""


def _order(before: Weights, after: Weights, known: Mapping[str, _Known]) -> list[str]:
    """The net's order: the model's, else that of the later file, with what it lacks where it stood in the earlier."""
    ordered = [name for name in known if known[name].names]
    files = [list(after.layers), list(before.layers)]
    if files[0] == sorted(files[0]) and files[1] != sorted(files[1]):
        files.reverse()  # HDF5 and safetensors may keep the alphabet's order, not the net's
    for names in files:
        for position, name in enumerate(names):
            if name not in ordered:
                at = next((ordered.index(one) + 1 for one in reversed(names[:position]) if one in ordered), 0)
                ordered.insert(at, name)
    return ordered


def _layer(name: str, old: Sequence[Array] | None, new: Sequence[Array] | None, known: _Known) -> LayerChange:
    old_blobs, new_blobs = _real(old, known), _real(new, known)
    if not old_blobs or not new_blobs:
        status, blobs = (NEW, new_blobs) if not old_blobs else (GONE, old_blobs)
        return LayerChange(name, known.type, status, tuple(_alone(k, blob, status, known) for k, blob in blobs))
    changes = []
    for k in range(max(len(old_blobs), len(new_blobs))):
        if k >= len(old_blobs):
            changes.append(_alone(*new_blobs[k], NEW, known))
        elif k >= len(new_blobs):
            changes.append(_alone(*old_blobs[k], GONE, known))
        else:
            changes.append(_blob(k, old_blobs[k][1], new_blobs[k][1], known))
    if known.type == "BatchNorm" and len(changes) > 1:
        changes[0] = _in_deviations(changes[0], old_blobs[1][1])
    states = {change.status for change in changes}
    status = next((state for state in (OTHER, GROWN) if state in states), COMPARED)
    if states & {NEW, GONE}:
        status = GROWN
    return LayerChange(name, known.type, status, tuple(changes))


def _real(blobs: Sequence[Array] | None, known: _Known) -> list[tuple[int, Array]]:
    """The blobs to compare, with their numbers: BatchNorm's statistics divided by the factor, which is left out."""
    if blobs is None:
        return []
    if known.type == "BatchNorm" and len(blobs) == 3 and blobs[2].size == 1:
        factor = float(blobs[2].reshape(-1)[0])
        share = 0.0 if factor == 0 else 1.0 / factor
        return [(k, blob.astype(np.float64) * share) for k, blob in enumerate(blobs[:2])]  # type: ignore[misc]
    return [(k, _shaped(k, blob, known)) for k, blob in enumerate(blobs)]


def _shaped(index: int, blob: Array, known: _Known) -> Array:
    """``blob`` in today's shape: old files have four axes, of which the first are 1."""
    vector = index > 0 or (known.type in BLOBS and known.type != "Parameter")
    axes = 1 if vector else 2 if known.type == "InnerProduct" else 0
    ones = blob.ndim - axes
    if not axes or ones < 1 or blob.ndim != 4 or any(size != 1 for size in blob.shape[:ones]):
        return blob
    return blob.reshape(blob.shape[ones:])


def _name(index: int, known: _Known) -> str:
    names = known.names or BLOBS.get(known.type, ("weight", "bias"))
    return names[index] if index < len(names) else f"blob {index}"


def _alone(index: int, blob: Array, status: str, known: _Known) -> BlobChange:
    broken = blob.size - int(np.isfinite(blob).sum())
    shape = tuple(blob.shape)
    nothing: Doubles = np.empty(0)
    norms = np.sqrt(np.concatenate([part[0] for part in _sums(_rows(blob, known, index))] or [nothing]))
    if status == GONE:
        told = (_not_numbers(blob, "before"),) if broken else ()
        return BlobChange(index, _name(index, known), GONE, shape, None, size=blob.size, broken=(broken, 0), notes=told)
    told = (_not_numbers(blob, "after"),) if broken else ()
    units = Units(nothing, nothing, nothing, nothing, norms)
    return BlobChange(
        index, _name(index, known), NEW, None, shape, size=blob.size, broken=(0, broken), notes=told, units=units
    )


def _second(blob: Array, known: _Known, index: int) -> bool:
    """Whether units are the second axis: of a transposed InnerProduct and a Deconvolution."""
    return index == 0 and blob.ndim > 1 and (known.columns or known.type == "Deconvolution")


def _rows(blob: Array, known: _Known, index: int) -> Array:
    """``blob`` with its units along the first axis."""
    if blob.ndim == 0:
        return blob.reshape(1)
    return np.moveaxis(blob, 1, 0) if _second(blob, known, index) else blob


def _sums(rows: Array, others: Array | None = None) -> Iterator[tuple[Any, ...]]:
    """For some units at a time: squares of ``rows``; with ``others`` also theirs, of the difference, products,
    passed zeros, and (largest difference, its flat place in these units). Values that are no numbers count as 0."""
    step = max(1, ELEMENTS // max(1, math.prod(rows.shape[1:])))
    for start in range(0, rows.shape[0], step):
        a = _finite(rows[start : start + step])
        if others is None:
            yield ((a * a).sum(1),)
            continue
        b = _finite(others[start : start + step])
        bad = ~(np.isfinite(rows[start : start + step]) & np.isfinite(others[start : start + step]))
        if bad.any():
            bad = bad.reshape(a.shape)
            a[bad] = b[bad] = 0
        d = b - a
        far = int(np.abs(d).argmax()) if d.size else 0
        largest = abs(float(d.reshape(-1)[far])) if d.size else 0.0
        yield (
            (a * a).sum(1), (b * b).sum(1), (d * d).sum(1), (a * b).sum(1), int((a * b < 0).sum()),
            (largest, start * max(1, a.shape[1]) + far),
        )  # fmt: skip


def _finite(rows: Array) -> Doubles:
    values = rows.astype(np.float64).reshape(rows.shape[0], -1)
    np.nan_to_num(values, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
    return values


def _blob(index: int, old: Array, new: Array, known: _Known) -> BlobChange:
    name = _name(index, known)
    first, then = tuple(old.shape), tuple(new.shape)
    broken = (old.size - int(np.isfinite(old).sum()), new.size - int(np.isfinite(new).sum()))
    notes = [_not_numbers(blob, when) for blob, count, when in ((old, broken[0], "before"), (new, broken[1], "after"))
             if count]  # fmt: skip
    if old.shape != new.shape and old.ndim != new.ndim and old.size == new.size and fits(old.shape, new.shape):
        notes.append(f"{shape_text(old.shape)} read as {shape_text(new.shape)}")
        old = old.reshape(new.shape)
    if old.ndim != new.ndim or old.shape[2:] != new.shape[2:]:
        why = "another number of axes" if old.ndim != new.ndim else "another kernel"
        return BlobChange(
            index, name, OTHER, first, then, size=new.size, broken=broken,
            notes=(*notes, f"{shape_text(first)} became {shape_text(then)}: {why}, not compared"),
        )  # fmt: skip
    status = COMPARED
    old_rows, new_rows = _rows(old, known, index), _rows(new, known, index)
    extra: Doubles = np.empty(0)
    added: float | None = None
    if old.shape != new.shape:
        status = GROWN
        units = min(len(old_rows), len(new_rows))
        if len(new_rows) > units:
            extra = np.sqrt(np.concatenate([part[0] for part in _sums(new_rows[units:])]))
        notes.append(f"{shape_text(old.shape)} became {shape_text(new.shape)}: the shared part is compared")
        old_rows, new_rows = old_rows[:units], new_rows[:units]
        if old_rows.ndim > 1 and old_rows.shape[1] != new_rows.shape[1]:
            inputs = min(old_rows.shape[1], new_rows.shape[1])
            if new_rows.shape[1] > inputs:
                gained = new_rows[:, inputs:]
                added = math.sqrt(sum(float(part[0].sum()) for part in _sums(gained)))
                notes.append(
                    f"{_counted(gained.shape[1], 'input')} added, " + ("all zero" if not added else f"norm {added:.3g}")
                )
            old_rows, new_rows = old_rows[:, :inputs], new_rows[:, :inputs]
        if len(extra):
            notes.append(f"{_counted(len(extra), 'unit')} added")
    blank = BlobChange(index, name, status, first, then, added=added, broken=broken, notes=tuple(notes))
    return _filled(blank, old_rows, new_rows, extra, _second(old, known, index))


def _filled(blank: BlobChange, old: Array, new: Array, extra: Doubles, swapped: bool) -> BlobChange:
    """``blank`` with its numbers from the units before and after; ``swapped``: they are the blob's second axis."""
    parts = list(_sums(old, new))
    squares = [np.concatenate([part[k] for part in parts]) if parts else np.empty(0) for k in range(4)]
    before, after, change = (np.sqrt(square) for square in squares[:3])
    products = squares[3]
    with np.errstate(divide="ignore", invalid="ignore"):
        cosines = np.where((change == 0) & (before > 0), 1, np.clip(products / (before * after), -1, 1))
    a, b, d = (math.sqrt(float(square.sum())) for square in squares[:3])
    largest, flat = max((part[5] for part in parts), default=(0.0, 0), key=lambda one: one[0])
    place = tuple(int(k) for k in np.unravel_index(flat, old.shape)) if old.size else ()
    return replace(
        blank,
        relative=_ratio(d, a),
        cosine=max(-1.0, min(1.0, float(products.sum()) / (a * b) if d else 1.0)) if a and b else math.nan,
        signs=sum(part[4] for part in parts) / old.size if old.size else math.nan,
        largest=largest,
        place=(place[1], place[0], *place[2:]) if swapped and place else place,
        change=d,
        norm=a,
        size=int(old.size),
        units=Units(change, before, after, cosines, extra),
    )


def _in_deviations(mean: BlobChange, variance: Array) -> BlobChange:
    """The mean of a BatchNorm, with a note of how far it moved in old standard deviations."""
    if mean.units is None or not len(mean.units.change):
        return mean
    deviations = np.sqrt(np.maximum(variance[: len(mean.units.change)].astype(np.float64), 1e-30))
    moved = float(np.mean(mean.units.change / deviations[: len(mean.units.change)]))
    return replace(mean, notes=(*mean.notes, f"moved by {moved:.2g} standard deviations"))


def _not_numbers(blob: Array, when: str) -> str:
    nan, inf = int(np.isnan(blob).sum()), int(np.isinf(blob).sum())
    first = np.unravel_index(int((~np.isfinite(blob)).argmax()), blob.shape) if blob.ndim else ()
    parts = [f"{count} {name}" for count, name in ((nan, "NaN"), (inf, "infinite")) if count]
    return f"{' and '.join(parts)} {when}, first at [{', '.join(str(int(k)) for k in first)}]"


def _ratio(change: float, norm: float) -> float:
    return change / norm if norm else (math.inf if change else 0.0)


def _ratios(change: Doubles, norm: Doubles) -> Doubles:
    with np.errstate(divide="ignore", invalid="ignore"):
        result: Doubles = np.where(norm > 0, change / norm, np.where(change > 0, np.inf, 0.0))
    return result


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _some(names: Mapping[str, Any] | Sequence[str]) -> str:
    return listed([f"`{name}`" for name in names], 3)


def compare_files(
    paths: Sequence[str], model: str | None = None, variables: Mapping[str, Any] | None = None
) -> list[Difference]:
    """Each later file against the first, in the order of their iterations; one file at a time is held beside it.

    ``paths`` are what `--weights` takes; ``model`` is a net's file or a name of the catalogue. UserError when one
    cannot be read or is of another net.
    """
    net = None
    if model is not None:
        path, given = catalogue.resolve(model, variables)
        net = read_net(path, given or None).message
    first = load(paths[0])
    return [compare(first, load(path), net) for path in in_time(paths[1:])]
