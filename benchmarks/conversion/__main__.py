"""`make conversions`: every model, every net that ships and every real file through `lungo convert`, as a table.

python -m benchmarks.conversion [--folder runs/conversion] [--corpus FOLDER] [--models FOLDER] [--workers 1]
                                [--only TEXT ...] [--retry] [--survey] [-o FILE]

Ended cells are kept in the folder, so a run that was stopped goes on where it was; `--survey` asks only what refuses.
"""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks import cells
from benchmarks.conversion.subjects import Subject, subjects
from benchmarks.conversion.table import Entry, page
from caffelungo.definition.catalogue import TEMPLATE
from caffelungo.study.cells import Cell, CellRunner

KIND = "benchmarks.conversion.cell:convert"


def main() -> int:
    models = cells.SHARED / "models"
    parser = cells.arguments("benchmarks.conversion", __doc__, "runs/conversion")
    parser.add_argument("--models", type=Path, default=models if models.is_dir() else None)
    given = parser.parse_args()
    runner = cells.runner(given)
    entries = [_entry(one, runner) for one in subjects(given.models, given.corpus, given.only)]
    wanted = {entry.cell.key: entry.cell for entry in entries if entry.cell is not None}
    print(f"{len(entries)} nets, {len(wanted)} different conversions", file=sys.stderr, flush=True)
    results = cells.results(given, runner, wanted)
    cells.show(given, page(entries, results))
    return int(any(entry.word(results) == "FAILED" for entry in entries))


def _entry(subject: Subject, runner: CellRunner) -> Entry:
    if subject.refused:
        return Entry(subject)
    fields = {
        "net": runner.inputs.add(
            subject.path.read_bytes(), TEMPLATE if subject.path.name.endswith(TEMPLATE) else ".prototxt"
        ),
        "weights": runner.inputs.add(subject.weights) if subject.weights is not None else "",
        "flags": subject.flags,
    }
    return Entry(subject, Cell(KIND, fields, title=subject.title))


if __name__ == "__main__":
    sys.exit(main())
