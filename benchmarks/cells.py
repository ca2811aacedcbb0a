"""What the tables over all nets share: their command line, and a run of cells that goes on where it was stopped."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from caffelungo.study.cells import Cell, CellResult, CellRunner, Standing, load

SHARED = Path(__file__).resolve().parents[2] / "shared"


def arguments(module: str, text: str | None, folder: str) -> argparse.ArgumentParser:
    """The flags that every table has."""
    corpus = SHARED / "corpus" / "bvlc"
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=text)
    parser.add_argument("--folder", type=Path, default=Path(folder))
    parser.add_argument("--corpus", type=Path, default=corpus if corpus.is_dir() else None)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--only", nargs="*", default=[], help="parts of nets' names")
    parser.add_argument("--retry", action="store_true", help="run cells again that failed")
    parser.add_argument("--survey", action="store_true", help="run nothing; show what is there")
    parser.add_argument("-o", "--output", type=Path)
    return parser


def runner(given: argparse.Namespace) -> CellRunner:
    """The runner that ``given`` asks for."""
    return CellRunner(given.folder, given.workers, retry=given.retry, progress=_say)


def results(given: argparse.Namespace, runs: CellRunner, cells: Mapping[str, Cell]) -> dict[str, CellResult]:
    """What there is of ``cells`` (by key) after they have run, or with ``--survey`` without; stopped, what is there."""
    if not given.survey:
        with contextlib.suppress(KeyboardInterrupt):
            runs.run(cells.values())
    return {key: found for key in cells if (found := load(runs.folder, key)) is not None}


def show(given: argparse.Namespace, text: str) -> None:
    """Write and print the page."""
    if given.output:
        given.output.parent.mkdir(parents=True, exist_ok=True)
        given.output.write_text(text)
    print(text)


def _say(standing: Standing) -> None:
    if standing.ended is not None:
        cell, result = standing.ended
        left = "" if standing.seconds_left is None else f", {standing.seconds_left / 60:.0f} min"
        what = f"ok, {result.seconds:.0f} s" if result.done else f"FAILED {result.error}"
        print(f"[{standing.left} left{left}] {cell.name}: {what}", file=sys.stderr, flush=True)


def rounded(found: Iterable[tuple[str, CellResult | None]]) -> list[str]:
    """A line a blob that float32 is too coarse for, of results and what they are called."""
    lines = [
        f"- {title}: `{blob}` {apart:.1e}, PyTorch {own:.1e}"
        for title, result in found
        for blob, (apart, own) in (result.values.get("rounded", {}) if result is not None else {}).items()
    ]
    return lines or ["None."]
