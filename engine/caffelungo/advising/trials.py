"""Short fine-tunings on four fifths of the pictures, judged on the fifth that has chosen nothing.

pictures of the other folds -> the project of `lungo finetune` -> train -> its last step (`lungo probe --before`)
-> answers to the first fold, picture by picture, beside those of the linear classifier
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caffelungo import drafts, tabular
from caffelungo.advising.choice import Contender, JudgedPictures
from caffelungo.advising.clock import TRIALS, AdviceClock
from caffelungo.advising.kept import KeptResults
from caffelungo.advising.options import AdviseOptions
from caffelungo.advising.survey import SurveyedPictures
from caffelungo.definition.schema import TRAIN
from caffelungo.passes.suggested_solver import STARTED_PASSES
from caffelungo.passes.view import View
from caffelungo.plan.cost import costs
from caffelungo.probes.options import ProbeOptions
from caffelungo.projects.finetune_project import ProjectOptions, Summary, finetune_project
from caffelungo.rewriting.folder_files import STARTED
from caffelungo.solve.observer import ObservedRun, Observer
from caffelungo.solve.options import TestOptions, TrainOptions
from caffelungo.study.step_cost import operations

LEAST_PASSES = 3
"""Fewer passes over the pictures say nothing."""
SLOWER = 1.5
"""How many times longer steps of training take than their operations say: decoding, augmentation, tests, snapshots."""
TRAINED = 0.8
"""Share of a trial's time after which its training ends: the last step and the answers take the rest."""
BEST, FINAL = "solver_best.caffemodel", "final"
Stage = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Trial:
    """One fine-tuning: ``freeze_to`` is the layer up to which nothing learns (empty: all learns).

    ``right`` and ``probe`` say of each picture of the fold whether the fine-tuned net, and whether the linear
    classifier, is right. ``passes`` over the pictures of the ``full`` number were trained in ``seconds``.
    """

    freeze_to: str
    right: NDArray[np.bool_]
    probe: NDArray[np.bool_]
    passes: float
    full: int
    seconds: float

    @property
    def title(self) -> str:
        return f"layers after {self.freeze_to}" if self.freeze_to else "all layers"

    @property
    def gains(self) -> NDArray[np.float64]:
        """Of each picture: 1 where only the fine-tuned net is right, -1 where only the linear classifier is."""
        return self.right.astype(np.float64) - self.probe.astype(np.float64)

    @property
    def difference(self) -> tuple[float, float, float]:
        """The mean of the gains and its 95 % interval; each count has half a picture more, so that 0 is not certain."""
        count = len(self.gains)
        mean = float(self.gains.mean())
        variance = (float(np.square(self.gains).sum()) + 1) / (count + 1) - mean**2
        half = 1.96 * math.sqrt(max(variance, 0.0) / count)
        return mean, mean - half, mean + half

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        mean, low, high = self.difference
        return {
            "learns": self.title, "freeze_to": self.freeze_to or None, "accuracy": float(self.right.mean()),
            "probe_accuracy": float(self.probe.mean()), "difference": mean, "low": low, "high": high,
            "pictures": len(self.right), "passes": self.passes, "full_passes": self.full, "seconds": self.seconds,
        }  # fmt: skip


class _Deadline(Observer):
    """Ends a training when its time is over."""

    def __init__(self, clock: AdviceClock, end: float, say: Stage, total: int) -> None:
        self.clock, self.end, self.say, self.total = clock, end, say, total
        self.iterations = 0
        self.run: ObservedRun | None = None

    def on_attach(self, run: ObservedRun) -> None:
        self.run = run

    def on_iteration(self, iteration: int) -> None:
        self.iterations = iteration
        self.say("trial fine-tuning", iteration, self.total)
        if self.clock.spent > self.end and self.run is not None:
            self.run.stop()


def trials(
    options: AdviseOptions,
    pictures: SurveyedPictures,
    judged: JudgedPictures,
    kept: KeptResults,
    clock: AdviceClock,
    say: Stage,
) -> list[Trial]:
    """All layers, then the upper half; each only where there is time for a few passes."""
    pick = judged.picks[0]
    found: list[Trial] = []
    depths = ["", _middle(pick)]
    for place, freeze_to in enumerate(dict.fromkeys(depths)):
        seconds = clock.until(TRIALS) / (len(depths) - place)
        with drafts.scratch() as folder:
            work = _TrialWork(options, pictures, judged, pick, freeze_to, folder, clock, say)
            passes = work.passes(seconds)
            if passes < LEAST_PASSES:
                continue
            key = [pick.title, freeze_to, pictures.entries, judged.folds, options.seed, options.minutes]
            made = kept.json("trial", key, partial(work.run, passes, seconds))
        right, probe = (np.array(made[name], np.bool_) for name in ("right", "probe"))
        found.append(Trial(freeze_to, right, probe, made["passes"], STARTED_PASSES, made["seconds"]))
    return found


def _middle(pick: Contender) -> str:
    """The layer that ends the middle stage."""
    stages = pick.read.stages
    graph = pick.read.view.graph
    blob = stages[len(stages) // 2 - 1] if len(stages) > 1 else stages[0]
    return next(one.name for one in reversed(graph.plan.layers) if blob in one.tops and blob not in one.bottoms)


@dataclass
class _TrialWork:
    options: AdviseOptions
    pictures: SurveyedPictures
    judged: JudgedPictures
    pick: Contender
    freeze_to: str
    folder: Path
    clock: AdviceClock
    say: Stage

    def run(self, passes: int, seconds: float) -> dict[str, Any]:
        """Train for so many passes or ``seconds``, and judge."""
        learned, held = (np.flatnonzero(which) for which in (self.judged.folds != 0, self.judged.folds == 0))
        data, test = self._table("learn.csv", learned), self._table("judge.csv", held)
        begin = self.clock.spent
        made = self._project(data, passes)
        seen = _Deadline(self.clock, begin + TRAINED * seconds, self.say, made.iterations)
        self._train(seen)
        self._last_step(data)
        right = self._answers(test)
        labels = self.pictures.labels[held]
        return {
            "right": right.tolist(), "probe": (self.judged.predictions[held] == labels).tolist(),
            "passes": passes * seen.iterations / made.iterations, "seconds": self.clock.spent - begin,
        }  # fmt: skip

    @property
    def out(self) -> Path:
        return self.folder / "project"

    def _table(self, name: str, places: Sequence[int] | NDArray[np.int64]) -> Path:
        path = self.folder / name
        with tabular.written(path) as writer:
            writer.rows([["path", "label"], *(
                [self.pictures.entries[place][0], self.pictures.classes[self.pictures.entries[place][1]]]
                for place in places
            )])  # fmt: skip
        return path

    def passes(self, seconds: float) -> int:
        """How many passes fit into ``seconds``, at most those of a full training."""
        step = self.pick.read.seconds_per_picture * SLOWER * self._cost()
        count = int((self.judged.folds != 0).sum())
        return min(int(TRAINED * max(0.0, seconds) / max(1e-9, step * count)), STARTED_PASSES)

    def _cost(self) -> float:
        """Operations of a step, as a multiple of those of the net in phase TEST."""
        graph = self.pick.read.view.graphs.get(TRAIN) or self.pick.read.view.graph
        whole = sum(one.operations or 0 for one in costs(graph.plan))
        return 1 + 2 * self._learned_share(whole)

    def _learned_share(self, whole: float) -> float:
        from caffelungo.passes.base import run, step
        from caffelungo.passes.freeze import FreezeOptions, freeze

        definition = self.pick.read.view.definition
        if self.freeze_to:
            definition = run(definition, [step(freeze, FreezeOptions(self.freeze_to))]).definition
        return operations(View(definition)) / 3 / max(1.0, whole)

    def _project(self, data: Path, passes: int) -> Summary:
        read = self.pick.read
        return finetune_project(
            ProjectOptions(
                read.net, str(data), str(self.out), weights=read.weights, layers=(_words(self.pick),),
                freeze_to=self.freeze_to or None, size=None if read.own else read.size, passes=passes,
                seed=self.options.seed, device=self.options.device,
            ),
            self.say, read.reader,
        )  # fmt: skip

    def _train(self, seen: _Deadline) -> None:
        from caffelungo.solve.run_training import run_training

        run_training(
            TrainOptions(solver=str(self.out / "solver.prototxt"), quiet=True, device=self.options.device,
                         threads=self.options.threads, precision=self.options.precision),
            [seen],
        )  # fmt: skip

    def _last_step(self, data: Path) -> None:
        """What run.sh does after training."""
        from caffelungo.probes.run_probe import probe

        probe(
            ProbeOptions(
                net=str(self.out / "train_val.prototxt"), weights=str(self.out / BEST),
                before=str(self.out / STARTED), layers=("head",), mirrored=True, output=str(self.out / FINAL),
                seed=self.options.seed, device=self.options.device,
            ),
            self.say,
        )  # fmt: skip

    def _answers(self, test: Path) -> NDArray[np.bool_]:
        from caffelungo.solve.evaluate import run_test

        final = self.out / FINAL
        run_test(
            TestOptions(model=str(final / "train_val.prototxt"), weights=[str(final / "probe.caffemodel")],
                        data=str(test), output=str(self.folder / "judged"), quiet=True, device=self.options.device)
        )  # fmt: skip
        with (self.folder / "judged" / "answers.csv").open(encoding="utf-8", newline="") as file:
            return np.array([row["class"] == row["answer"] for row in csv.DictReader(file)], np.bool_)


def _words(pick: Contender) -> str:
    """The candidate as `--layers` names it."""
    return pick.candidate.name
