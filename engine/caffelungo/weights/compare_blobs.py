"""Two blobs compared: norms, angle, signs and the largest change, of the whole and of each unit. No torch.

Sums are taken in double precision, a few rows at a time, so that a blob is never held twice in it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from caffelungo.layers.base import shape_text
from caffelungo.layers.kinds import blob_names
from caffelungo.weights.shape_fit import fits
from caffelungo.weights.weight_changes import COMPARED, GONE, GROWN, NEW, OTHER, BlobChange, Doubles, UnitChanges, ratio
from caffelungo.weights.weights import Array
from caffelungo.wording import counted

ELEMENTS = 1 << 21
"""Values held in double precision at a time."""


@dataclass(frozen=True)
class KnownLayer:
    """What the net or the files say of a layer: its type, names of its blobs, and whether units are columns."""

    type: str = ""
    names: tuple[str, ...] = ()
    columns: bool = False


def real_blobs(blobs: Sequence[Array] | None, known: KnownLayer) -> list[tuple[int, Array]]:
    """The blobs to compare, with their numbers: BatchNorm's statistics divided by the factor, which is left out."""
    if blobs is None:
        return []
    if known.type == "BatchNorm" and len(blobs) == 3 and blobs[2].size == 1:
        factor = float(blobs[2].reshape(-1)[0])
        share = 0.0 if factor == 0 else 1.0 / factor
        return [(k, blob.astype(np.float64) * share) for k, blob in enumerate(blobs[:2])]  # type: ignore[misc]
    return [(k, _shaped(k, blob, known)) for k, blob in enumerate(blobs)]


def _shaped(index: int, blob: Array, known: KnownLayer) -> Array:
    """``blob`` in today's shape: old files have four axes, of which the first are 1."""
    vector = index > 0 or (blob_names(known.type)[0] not in ("weight", "value"))
    axes = 1 if vector else 2 if known.type == "InnerProduct" else 0
    ones = blob.ndim - axes
    if not axes or ones < 1 or blob.ndim != 4 or any(size != 1 for size in blob.shape[:ones]):
        return blob
    return blob.reshape(blob.shape[ones:])


def _name(index: int, known: KnownLayer) -> str:
    names = known.names or blob_names(known.type)
    return names[index] if index < len(names) else f"blob {index}"


def lone_blob(index: int, blob: Array, status: str, known: KnownLayer) -> BlobChange:
    broken = blob.size - int(np.isfinite(blob).sum())
    shape = tuple(blob.shape)
    nothing: Doubles = np.empty(0)
    norms = np.sqrt(np.concatenate([part[0] for part in _sums(_rows(blob, known, index))] or [nothing]))
    if status == GONE:
        faults = (_not_numbers(blob, "before"),) if broken else ()
        return BlobChange(
            index, _name(index, known), GONE, shape, None, size=blob.size, broken=(broken, 0), notes=faults
        )
    faults = (_not_numbers(blob, "after"),) if broken else ()
    units = UnitChanges(nothing, nothing, nothing, nothing, norms)
    return BlobChange(
        index, _name(index, known), NEW, None, shape, size=blob.size, broken=(0, broken), notes=faults, units=units
    )


def _second(blob: Array, known: KnownLayer, index: int) -> bool:
    """Whether units are the second axis: of a transposed InnerProduct and a Deconvolution."""
    return index == 0 and blob.ndim > 1 and (known.columns or known.type == "Deconvolution")


def _rows(blob: Array, known: KnownLayer, index: int) -> Array:
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


def compare_blob(index: int, old: Array, new: Array, known: KnownLayer) -> BlobChange:
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
                    f"{counted(gained.shape[1], 'input')} added, " + ("all zero" if not added else f"norm {added:.3g}")
                )
            old_rows, new_rows = old_rows[:, :inputs], new_rows[:, :inputs]
        if len(extra):
            notes.append(f"{counted(len(extra), 'unit')} added")
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
        relative=ratio(d, a),
        cosine=max(-1.0, min(1.0, float(products.sum()) / (a * b) if d else 1.0)) if a and b else math.nan,
        signs=sum(part[4] for part in parts) / old.size if old.size else math.nan,
        largest=largest,
        place=(place[1], place[0], *place[2:]) if swapped and place else place,
        change=d,
        norm=a,
        size=int(old.size),
        units=UnitChanges(change, before, after, cosines, extra),
    )


def in_deviations(mean: BlobChange, variance: Array) -> BlobChange:
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
