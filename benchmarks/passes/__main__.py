"""`make passes`: every pass on every net that ships and on every real file with a classifier, as a table.

python -m benchmarks.passes [--folder runs/passes] [--corpus FOLDER] [--workers 1] [--only TEXT ...] [--retry] [-o FILE]

Ended cells are kept in the folder, so a run that was stopped goes on where it was; `--survey` asks only what refuses.
"""

from __future__ import annotations

import sys

from benchmarks import cells
from benchmarks.passes.rewrites import PASSES, Subject, nets, plain, reparsed, rewrite
from benchmarks.passes.table import Entry, page
from caffelungo.study.cells import Cell, CellRunner

KIND = "benchmarks.passes.cell:check"


def main() -> int:
    given = cells.arguments("benchmarks.passes", __doc__, "runs/passes").parse_args()
    runner = cells.runner(given)
    subjects, left_out = nets(given.corpus)
    if given.only:
        subjects = [one for one in subjects if any(part in f"{one.family}/{one.name}" for part in given.only)]
    entries = [entry for one in subjects for entry in _entries(one, runner)]
    wanted = {entry.cell.key: entry.cell for entry in entries if entry.cell is not None}
    print(
        f"{len(subjects)} nets, {len(entries)} rewrites, {len(wanted)} different results", file=sys.stderr, flush=True
    )
    results = cells.results(given, runner, wanted)
    cells.show(given, page(entries, results, left_out))
    return any(entry.failed or (entry.cell and not results[entry.cell.key].done) for entry in entries
               if entry.failed or (entry.cell and entry.cell.key in results))  # fmt: skip


def _entries(subject: Subject, runner: CellRunner) -> list[Entry]:
    """What each pass makes of one net, and the cell that checks it."""
    entries = []
    for name in PASSES:
        entry = Entry(subject.family, subject.name, name)
        entries.append(entry)
        outcome = rewrite(subject, name)
        if outcome is None:
            entry.absent = True
        elif outcome.definition is None:
            entry.refused = outcome.refused
        elif problem := reparsed(outcome.definition):
            entry.failed = f"parse: {problem}"
        else:
            net = runner.inputs.add(plain(subject, outcome.definition), ".prototxt")
            entry.cell = Cell(KIND, {"net": net, "learn": outcome.learns}, title=f"{subject.name}, {name}")
    return entries


if __name__ == "__main__":
    sys.exit(main())
