"""The folder of an inspection: the page, and its numbers as CSV and JSON beside it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from caffelungo import tabular
from caffelungo.files import write_text
from caffelungo.report import confusion
from caffelungo.study.inspect import page, single_units
from caffelungo.study.inspect.inspect_findings import InspectFindings
from caffelungo.study.inspect.options import InspectOptions
from caffelungo.study.inspect.samples import Samples

PAGE = "index.html"


def write(found: InspectFindings, samples: Samples, options: InspectOptions) -> Path:
    """Write everything into ``options.out``; the page last, its path."""
    folder = Path(options.out)
    folder.mkdir(parents=True, exist_ok=True)
    written = [
        _csv(folder / "cka.csv", ["layer", "cka", "cka_biased"], [[r.name, r.cka, r.cka_biased] for r in found.layers]),
        _csv(
            folder / "layers.csv",
            ["layer", "units", "old", "weight_change", "dead_before", "dead", "norm_before", "norm"],
            [
                [r.name, r.units, int(r.old), r.change, r.dead_before, r.dead, r.norm_before, r.norm]
                for r in found.layers
            ],
        ),
        _csv(
            folder / "groups.csv",
            ["iteration", "units", "right", "samples", "accuracy", "low", "high"],
            [[r.iteration, r.units, r.right, r.samples, r.share, *r.interval] for r in (*found.curves, *found.now)],
        ),
        _csv(
            folder / "activations.csv",
            ["group", "layers", "units", "norm_before", "norm", "norm_as_read"],
            [[r.name, " ".join(r.layers), r.units, r.raw_before, r.raw, r.read] for r in found.groups],
        ),
        _csv(
            folder / "units.csv",
            ["layer", "unit", "new", "weight_change", "correlation", "mean", "phase", "rank", "picture", "class"],
            _unit_rows(found, samples),
        ),
        _csv(
            folder / "hardest.csv",
            ["picture", "class", "predicted", "loss", "probability_of_class", "probability_of_predicted"],
            [
                [samples.name(h.number), found.names[h.truth], found.names[h.predicted], h.loss, h.true_probability,
                 h.probability]
                for h in found.hardest
            ],
        ),
        _csv(folder / "map.csv", ["map", "picture", "class", "x", "y"], _map_rows(found, samples)),
        *confusion.write(found.classified, folder),
    ]  # fmt: skip
    numbers = folder / "inspect.json"
    write_text(numbers, json.dumps(summary(found, options), indent=2, ensure_ascii=False) + "\n")
    return page.build(found, samples, options, [*written, numbers]).write(folder / PAGE)


def _unit_rows(found: InspectFindings, samples: Samples) -> Iterable[list[Any]]:
    labels, numbers = found.readings.labels, found.readings.numbers
    for unit in found.units:
        start = [unit.layer, unit.index, int(unit.new), unit.weight_change, unit.correlation, unit.mean]
        for phase, positions in (("before", unit.before), ("after", unit.after)):
            for rank, position in enumerate(() if positions is None else positions, 1):
                picture = samples.name(numbers[position])
                yield [*start, phase, rank, picture, found.names[labels[position]]]


def _map_rows(found: InspectFindings, samples: Samples) -> Iterable[list[Any]]:
    mapped = found.readings.mapped
    for one in found.maps:
        for position, (x, y) in zip(mapped, one.points.tolist(), strict=True):
            number, label = found.readings.numbers[position], found.readings.labels[position]
            yield [one.title, samples.name(number), found.names[label], x, y]


def summary(found: InspectFindings, options: InspectOptions) -> dict[str, Any]:
    """The numbers of inspect.json."""
    counts = found.classified
    return {
        "model": str(options.model),
        "weights": list(options.weights),
        "before": found.before.path if found.before is not None else None,
        "samples": counts.samples,
        "accuracy": counts.accuracy,
        "interval": list(counts.interval),
        "groups": {
            row.name: {"layers": row.layers, "units": row.units, "accuracy": right.share}
            for row, right in zip(found.groups, found.now, strict=False)
        },
        "nearest_neighbour_of_the_same_class": {one.title: one.agree for one in found.maps},
        "map": found.method,
        "units": [unit.name for unit in found.units],
        "dead": {row.name: row.dead for row in found.layers if row.dead},
        "notices": found.notices,
        "pictures_a_unit": single_units.BEST,
    }


def _csv(path: Path, head: Sequence[str], rows: Iterable[Sequence[Any]]) -> Path:
    with tabular.written(path) as writer:
        writer.row(head)
        writer.rows([_value(one) for one in row] for row in rows)
    return path


def _value(value: Any) -> Any:
    """Floats in full; nothing for None and NaN."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return repr(float(value)) if isinstance(value, float) else value
