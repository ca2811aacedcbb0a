"""`make passes`: every pass on every net that ships and on every real file with a classifier, as a table.

python -m benchmarks.passes [--folder runs/passes] [--corpus FOLDER] [--workers 1] [--only TEXT ...] [--retry] [-o FILE]

Ended cells are kept in the folder, so a run that was stopped goes on where it was; `--survey` asks only what refuses.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from pathlib import Path

from benchmarks.passes.rewrites import PASSES, Subject, nets, plain, reparsed, rewrite
from benchmarks.passes.table import Entry, page
from caffelungo.study.cells import Cell, Runner, Standing, load

KIND = "benchmarks.passes.cell:check"
CORPUS = Path(__file__).resolve().parents[3] / "shared" / "corpus" / "bvlc"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.passes", description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("runs/passes"))
    parser.add_argument("--corpus", type=Path, default=CORPUS if CORPUS.is_dir() else None)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--only", nargs="*", default=[], help="parts of nets' names")
    parser.add_argument("--retry", action="store_true", help="run cells again that failed")
    parser.add_argument("--survey", action="store_true", help="run nothing; show what is there")
    parser.add_argument("-o", "--output", type=Path)
    given = parser.parse_args()
    runner = Runner(given.folder, given.workers, retry=given.retry, progress=_say)
    subjects, left_out = nets(given.corpus)
    if given.only:
        subjects = [one for one in subjects if any(part in f"{one.family}/{one.name}" for part in given.only)]
    entries = [entry for one in subjects for entry in _entries(one, runner)]
    cells = {entry.cell.key: entry.cell for entry in entries if entry.cell is not None}
    print(f"{len(subjects)} nets, {len(entries)} rewrites, {len(cells)} different results", file=sys.stderr, flush=True)
    if not given.survey:
        # Interrupted, it shows what is there.
        with contextlib.suppress(KeyboardInterrupt):
            runner.run(cells.values())
    results = {key: found for key in cells if (found := load(runner.folder, key)) is not None}
    text = page(entries, results, left_out)
    if given.output:
        given.output.parent.mkdir(parents=True, exist_ok=True)
        given.output.write_text(text)
    print(text)
    return any(entry.failed or (entry.cell and not results[entry.cell.key].done) for entry in entries
               if entry.failed or (entry.cell and entry.cell.key in results))  # fmt: skip


def _entries(subject: Subject, runner: Runner) -> list[Entry]:
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


def _say(standing: Standing) -> None:
    if standing.ended is not None:
        cell, result = standing.ended
        left = "" if standing.seconds_left is None else f", {standing.seconds_left / 60:.0f} min"
        what = f"ok, {result.seconds:.0f} s" if result.done else f"FAILED {result.error}"
        print(f"[{standing.left} left{left}] {cell.name}: {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
