"""Made-up outcomes of a comparison, and a runner that computes cells in this process."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from caffelungo.errors import LungoError
from caffelungo.study import feature_scale, probe_cell, start_heads, train_cell
from caffelungo.study.arms import ARMS, PROBE, Configuration
from caffelungo.study.cells import JSON, Cell, CellPlace, CellResult, CellRunner
from caffelungo.study.cells.cell import in_order, load
from caffelungo.study.compare import Comparison
from caffelungo.study.comparison_task import Task
from caffelungo.study.options import CompareOptions
from caffelungo.study.picture_splits import PictureSplit
from caffelungo.study.search import Outcome, TriedRate

LISTS = {"fit": "f.txt", "validation": "v.txt", "test": "t.txt"}


def pictures(test: int = 10, digest: str = "digest") -> PictureSplit:
    """Two classes: 8 pictures to learn from, 4 to choose rates on, and ``test`` to judge by."""
    judged = [(f"c{number}.png", 1) for number in range(test)]
    return PictureSplit(("ant", "bee"), [("a.png", 0)] * 8, [("b.png", 0)] * 4, judged, digest, ["look"])


PICTURES = pictures()
TASK = Task([PICTURES] * 3, [LISTS] * 3)
"""Three seeds that are judged by the same pictures."""


def right(*shares: int, of: int = 10) -> np.ndarray:
    """A row a seed, of which the first so many pictures are right."""
    return np.array([[number < share for number in range(of)] for share in shares])


def row(
    arm: str, tune: str, *shares: int, units: int = 0, after: str = "", validation: float = 0.5, seconds: float = 2.0,
    recalled: np.ndarray | None = None, failure: str | None = None, edge: bool = False, loss: float = 0.5,
) -> Outcome:  # fmt: skip
    """What ``arm`` came to: so many of ten test pictures right, seed by seed; none where it failed."""
    one = Configuration(ARMS[arm], tune, units, after)
    if not shares:
        return Outcome(one, [TriedRate(0.1, float("nan"), float("nan"), 1)], failure=failure)
    tried = [TriedRate(0.01, validation, 0.5, 0), TriedRate(0.03, validation - 0.1, 0.7, 0)]
    return Outcome(
        one, tried, 0.01, right(*shares), recalled, validation, loss, seconds, edge, None, 7, 1234, []
    )  # fmt: skip


def probe(blob: str, *shares: int, loss: float = 0.5, validation: float = 0.5, seconds: float = 1.0) -> Outcome:
    """What a linear classifier on ``blob`` came to; ``loss`` is that of its cross-validation."""
    one = Configuration(PROBE, "PROBE", blobs=(blob,))
    return Outcome(
        one, right=right(*shares), validation=validation, loss=loss, seconds=seconds, parameters=22
    )  # fmt: skip


def comparison(*outcomes: Outcome, between: Sequence[Outcome] = (), **options: Any) -> Comparison:
    """A comparison that came to ``outcomes``."""
    given = CompareOptions(**{"data": "photos/train", "output": "out", "model": "nets/tiny.prototxt", **options})
    return Comparison(given, TASK, list(outcomes), list(between), ["look"], 120.0, 6, 1)


def done(key: str, values: dict[str, JSON], seconds: float = 1.0) -> CellResult:
    return CellResult(key, "done", values, None, seconds, seconds, Path())


class Told:
    """In a runner's place: what each cell comes to is told by a function, an exception is its failure."""

    def __init__(self, tell: Callable[[Cell], dict[str, JSON]]) -> None:
        self.tell, self.asked = tell, list[Cell]()

    def run(self, cells: Iterable[Cell]) -> dict[str, CellResult]:
        found = {}
        for cell in cells:
            self.asked.append(cell)
            try:
                found[cell.key] = done(cell.key, self.tell(cell))
            except ArithmeticError as error:
                found[cell.key] = CellResult(cell.key, "failed", {}, str(error), 1.0, 1.0, Path())
        return found


class Here(CellRunner):
    """A runner without processes: it computes what is not in the folder, in this one."""

    def run(self, cells: Iterable[Cell]) -> dict[str, CellResult]:
        found = {}
        for cell in cells:
            for each in in_order([cell]):
                if load(self.folder, each.key) is None:
                    self.compute(each)
            known = load(self.folder, cell.key)
            assert known is not None
            found[cell.key] = known
        return found

    def compute(self, cell: Cell) -> CellResult:
        folder = self.folder / "cells" / cell.key
        folder.mkdir(parents=True)
        function = {
            "train": train_cell.train, "measure": feature_scale.measure, "start": start_heads.start,
            "probe": probe_cell.probe,
        }[cell.kind.partition(":")[2]]  # fmt: skip
        values: dict[str, JSON] = {}
        error = None
        start = time.process_time()
        try:
            values = function(cell, CellPlace(folder, self.folder))
        except LungoError as failed:
            error = str(failed)
        seconds = time.process_time() - start
        status = "done" if error is None else "failed"
        record = {
            "key": cell.key, "kind": cell.kind, "fields": cell.fields, "status": status, "values": values,
            "error": error, "seconds": seconds, "cpu_seconds": seconds,
        }  # fmt: skip
        (folder / "result.json").write_text(json.dumps(record, allow_nan=False))
        result = load(self.folder, cell.key)
        assert result is not None
        return result
