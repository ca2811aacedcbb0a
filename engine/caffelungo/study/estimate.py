"""Estimates how long a comparison takes: from finished trainings of its folder, else from timed steps.

the net with the cheapest step and the one with the dearest  ->  seconds a step each, from their frozen layers on
the others by their operations in between; and a pass over the pictures for each net and seed
"""

from __future__ import annotations

import json
import os
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from caffelungo import drafts
from caffelungo.study.cells import Cell, CellPlace, Inputs
from caffelungo.study.cells.cell import RESULT
from caffelungo.study.search import TRAIN, ArmCandidate

WARM, STEPS = 2, 8
"""Iterations of the two trainings whose difference is measured."""
ON_GPU = 2
PASSES = 3
"""Pictures that go forward take a third of those of a step."""


@dataclass(frozen=True)
class TimeEstimate:
    """``seconds`` until all is done with so many workers; ``measured`` of the nets' steps were measured now."""

    seconds: float
    measured: int

    @property
    def words(self) -> str:
        """How long, and how that is known."""
        long = self.seconds
        text = f"{long:.0f} s" if long < 90 else f"{long / 60:.0f} min" if long < 5400 else f"{long / 3600:.1f} h"
        by = f"from steps of {self.measured} nets timed now" if self.measured else "from finished trainings"
        return f"about {text} ({by}); linear classifiers and extended rate ranges take additional time"


def estimate(
    candidates: Sequence[ArmCandidate], folder: Path, *, rates: int, batch: int, workers: int, threads: int, device: str
) -> TimeEstimate | None:
    """How long ``rates`` trainings of every candidate and seed will take; None where none can be built.

    Steps are measured in a temporary folder on a few pictures, for a second or two, with ``threads`` as a worker
    has. Workers are taken not to hinder each other.
    """
    ones = [one for one in candidates if one.refusal is None]
    if not ones:
        return None
    took = _took(folder)
    known = {id(one): took[one.net, one.iterations, batch] for one in ones if (one.net, one.iterations, batch) in took}
    unknown = [one for one in ones if id(one) not in known]
    ends = sorted(unknown, key=lambda one: one.effort)[:: max(1, len(unknown) - 1)]
    measured = {one.effort: _step(one, folder, batch, threads, device) for one in ends}
    efforts = sorted(measured)
    total = 0.0
    for one in ones:
        trainings = rates * len(one.weights)
        if id(one) in known:
            total += trainings * known[id(one)]
            continue
        step = float(np.interp(one.effort, efforts, [measured[effort] for effort in efforts]))
        pictures = one.task.pictures
        seen = len(pictures.fit) + len(pictures.validation) + len(pictures.test)
        total += trainings * (one.iterations * step + seen / batch * step / PASSES)
    return TimeEstimate(total / min(workers, max(1, sum(rates * len(one.weights) for one in ones))), len(measured))


def _took(folder: Path) -> Mapping[tuple[str, int, int], float]:
    """What trainings that are done took, in seconds by net, iterations and batch."""
    found: dict[tuple[str, int, int], list[float]] = defaultdict(list)
    for path in folder.glob(f"cells/*/{RESULT}"):
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        fields = record.get("fields", {})
        if record.get("status") == "done" and record.get("kind", TRAIN) == TRAIN and "iterations" in fields:
            found[fields["net"], fields["iterations"], fields["batch"]].append(record["seconds"])
    return {name: sum(each) / len(each) for name, each in found.items()}


def _step(one: ArmCandidate, folder: Path, batch: int, threads: int, device: str) -> float:
    """Seconds of an iteration of ``one``, on as many of its pictures as a batch holds."""
    import torch

    from caffelungo.study.train_cell import train

    torch.set_num_threads(threads)
    there = Inputs(folder)
    with drafts.scratch() as temporary:
        place = Inputs(temporary)
        text = one.task.pictures.text("fit").splitlines(keepends=True)[:batch]
        fields = {
            "net": place.add(there.path(one.net)), "fit": place.add("".join(text), ".txt"), "rate": 1e-9, "seed": 0,
            "weights": place.add(there.path(one.weights[0])) if one.weights[0] else "", "batch": batch,
        }  # fmt: skip
        seconds: list[float] = []
        for iterations in (WARM, WARM, WARM + STEPS):
            own = temporary / f"cell{len(seconds)}"
            own.mkdir()
            start = time.monotonic()
            train(Cell(TRAIN, {**fields, "iterations": iterations}), CellPlace(own, temporary, device=device))
            seconds.append(time.monotonic() - start)
    return max(1e-6, seconds[2] - seconds[1]) / STEPS


def workers_for(device: str, given: int = 0) -> int:
    """Trainings at a time: ``given``, else one a core, and two on a GPU, which one alone leaves waiting.

    UserError for a device that is none, or not there.
    """
    cores = os.cpu_count() or 1
    if device == "cpu":
        return given or cores
    from caffelungo.solve.engine import make_engine
    from caffelungo.solve.options import EngineOptions

    there = make_engine(EngineOptions(device=device)).device
    return given or (cores if there.type == "cpu" else ON_GPU)
