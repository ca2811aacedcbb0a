"""What training changed, as CSV files and JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from caffelungo import tabular
from caffelungo.layers.base import shape_text
from caffelungo.weights.weight_changes import BlobChange, LayerChange, WeightChanges

COLUMNS = ("layer", "type", "blob", "status", "before", "after", "relative", "cosine", "signs", "largest", "place",
           "unit_median", "unit_p10", "unit_p90", "unit_most", "units", "units_added", "added_norm",
           "not_finite_before", "not_finite_after", "notes")  # fmt: skip


def write_layers(differences: Sequence[WeightChanges], path: str | Path) -> None:
    """A row per blob (and, of several snapshots, a file): the columns of ``COLUMNS`` after the file's name."""
    rows = [
        [found.after, *_row(layer, blob)] for found in differences for layer in found.layers for blob in layer.blobs
    ]
    _csv(path, ["file", *COLUMNS], rows)


def write_units(differences: Sequence[WeightChanges], path: str | Path) -> None:
    """A row per unit of every blob: its norms, change and cosine; ``old`` is 0 for units that were added."""
    rows: list[list[Any]] = []
    for found in differences:
        for layer in found.layers:
            for blob in layer.blobs:
                rows += [[found.after, layer.name, blob.name, *one] for one in _unit_rows(blob)]
    _csv(path, ["file", "layer", "blob", "unit", "old", "relative", "cosine", "before", "after", "change"], rows)


def _unit_rows(blob: BlobChange) -> Iterable[list[Any]]:
    units = blob.units
    if units is None:
        return
    columns = (units.relative, units.cosine, units.before, units.after, units.change)
    for k, values in enumerate(zip(*columns, strict=True)):
        yield [k, 1, *(_plain(float(value)) for value in values)]
    for k, norm in enumerate(units.added):
        yield [len(units.change) + k, 0, "", "", "", _plain(float(norm)), ""]


def _row(layer: LayerChange, blob: BlobChange) -> list[Any]:
    relative = blob.finite
    spread = np.percentile(relative, [50, 10, 90, 100]).tolist() if len(relative) else [math.nan] * 4
    return [
        layer.name, layer.type, blob.name, blob.status, *(_shape(one) for one in (blob.before, blob.after)),
        *(_plain(value) for value in (blob.relative, blob.cosine, blob.signs, blob.largest)),
        " ".join(map(str, blob.place)), *(_plain(value) for value in spread),
        0 if blob.units is None else len(blob.units.change), 0 if blob.units is None else len(blob.units.added),
        "" if blob.added is None else _plain(blob.added), *blob.broken, "; ".join(blob.notes),
    ]  # fmt: skip


def _shape(shape: tuple[int, ...] | None) -> str:
    return "" if shape is None else shape_text(shape)


def _plain(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.9g}"


def _csv(path: str | Path, head: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    with tabular.written(path) as writer:
        writer.rows([head, *rows])


def as_json(differences: Sequence[WeightChanges]) -> str:
    """``as_fields`` as a JSON document: of two files an object, of more a list with one for each later file."""
    found = as_fields(differences)
    return json.dumps(found[0] if len(found) == 1 else found, indent=1)


def as_fields(differences: Sequence[WeightChanges]) -> list[dict[str, Any]]:
    """Everything but the units, for JSON; None where there is no number, the word "inf" for a change of zeros."""
    return [
        {
            "before": one.before,
            "after": one.after,
            "notices": list(one.notices),
            "layers": [
                {
                    "name": layer.name,
                    "type": layer.type,
                    "status": layer.status,
                    "relative": _json(layer.relative),
                    "blobs": [_blob(blob) for blob in layer.blobs],
                }
                for layer in one.layers
            ],
        }
        for one in differences
    ]


def _blob(blob: BlobChange) -> dict[str, Any]:
    relative = blob.finite
    low, middle, high = np.percentile(relative, [10, 50, 90]).tolist() if len(relative) else [math.nan] * 3
    return {
        "name": blob.name, "status": blob.status, "before": blob.before, "after": blob.after,
        "relative": _json(blob.relative), "cosine": _json(blob.cosine), "signs": _json(blob.signs),
        "largest": _json(blob.largest), "place": list(blob.place),
        "unit_p10": _json(low), "unit_median": _json(middle), "unit_p90": _json(high),
        "units": 0 if blob.units is None else len(blob.units.change),
        "units_added": 0 if blob.units is None else len(blob.units.added),
        "added_norm": None if blob.added is None else _json(blob.added),
        "not_finite": list(blob.broken), "notes": list(blob.notes),
    }  # fmt: skip


def _json(value: float) -> float | str | None:
    if math.isnan(value):
        return None
    return value if math.isfinite(value) else "inf"
