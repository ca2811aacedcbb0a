"""`lungo advise`: what to do with these pictures.

pictures, nets -> counts and copies -> features, once -> distances, scores, linear classifiers of every depth, their
nested choice, a learning curve, short fine-tunings -> a decision -> OUT/report.html advice.json, and a project
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from caffelungo import files, locks
from caffelungo.advising import page
from caffelungo.advising.choice import Chooser, ContenderRow, JudgedPictures, best, contenders
from caffelungo.advising.clock import CURVE, FEATURES, AdviceClock
from caffelungo.advising.decide import Decision, decide
from caffelungo.advising.expected import expected_accuracy
from caffelungo.advising.findings import AdviceFindings
from caffelungo.advising.kept import KeptResults
from caffelungo.advising.net_features import NetFeatures, net_features, own_side
from caffelungo.advising.options import CACHE, FILES, FOUND, REPORT, AdviseOptions, check
from caffelungo.advising.source_distance import SourceFindings, findings, source_pictures
from caffelungo.advising.survey import SurveyedPictures, survey
from caffelungo.advising.trials import trials
from caffelungo.data.picture_table import PictureColumns
from caffelungo.definition.reader import read_solver
from caffelungo.errors import Problem, UserError
from caffelungo.evidence.confident_learning import LabelErrors, label_errors
from caffelungo.evidence.extrapolation import extrapolated
from caffelungo.evidence.learning_curve import LEAST, REPEATS, LearningCurve, learning_curve
from caffelungo.layers.class_balance import NONE
from caffelungo.probes.class_correction import ClassCorrection
from caffelungo.projects import class_choice
from caffelungo.projects.finetune_project import ProjectOptions, Summary, finetune_project
from caffelungo.rewriting.folder_files import refuse_overwriting
from caffelungo.solve.engine import Engine, make_engine
from caffelungo.wording import counted

SMALL = 112
LARGER = 1.5
"""An input of ``SMALL`` pixels is tried first where the net's own is so many times as large: it takes far less time."""
CURVE_ROWS = 4
"""How many times the cross-validation of one contender a learning curve takes, each time that it is repeated."""
Stage = Callable[[str, int, int], None]


@dataclass
class Advised:
    """What was ``found``, the ``decision``, the ``project`` with its ``rate`` that was written, and the ``files``."""

    found: AdviceFindings
    decision: Decision
    project: Summary
    rate: float
    files: dict[str, Path] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def notices(self) -> list[str]:
        """What is worth a look."""
        return list(dict.fromkeys([*self.found.notices, *self.project.notices]))

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        chosen = self.found.best.contender
        return {
            "decision": self.decision.plain(),
            "net": chosen.read.net, "size": chosen.read.size, "chosen_layers": chosen.candidate.name,
            "rate": self.rate, "iterations": self.project.iterations, "batch_size": self.project.batch_size,
            **self.found.plain(), "notices": self.notices,
        }  # fmt: skip


@locks.exclusive(lambda options: options.output)
def advise(options: AdviseOptions, say: Stage = lambda what, done, total: None) -> Advised:
    """Look, judge, decide, and write the folder ``options.output``. UserError with everything wrong, as it is found.

    What was computed is kept in the folder, so that a call that was killed goes on where it stood.
    """
    clock = AdviceClock(options.minutes)
    check(options)
    out = Path(options.output)
    refuse_overwriting(out, FILES, options.overwrite)
    sides = _sides(options)
    source = source_pictures(options.source) if options.source is not None else None
    columns = PictureColumns(options.path_column, options.label_column)
    pictures = survey(options.data, columns, options.groups, options.per_class, options.seed, say)
    work = AdviceWork(options, pictures, sides, make_engine(options), KeptResults(out / CACHE), clock, say)
    found = work.find(source)
    decision = decide(found)
    project = work.project(decision, found.best)
    rate = float(read_solver(out / "solver.prototxt").message.base_lr)
    made = Advised(found, decision, project, rate)
    files.write_text(out / FOUND, json.dumps(made.plain(), indent=2) + "\n")
    page.page(found, decision, project, rate, options).write(out / REPORT)
    made.files = {name: out / name for name in FILES if (out / name).exists()}
    made.seconds = clock.spent
    return made


def _sides(options: AdviseOptions) -> list[int]:
    """The input sizes of the nets. UserError with what is wrong with any of them, before pictures are looked at."""
    sides: list[int] = []
    problems: list[Problem] = []
    for place, net in enumerate(options.nets):
        try:
            sides.append(own_side(net, options.weights_of(place)))
        except UserError as error:
            problems += error.problems
    if problems:
        raise UserError(problems)
    return sides


@dataclass
class AdviceWork:
    """One call: what its parts share. ``sides`` are the input sizes of the nets."""

    options: AdviseOptions
    pictures: SurveyedPictures
    sides: list[int]
    engine: Engine
    kept: KeptResults
    clock: AdviceClock
    say: Stage

    @property
    def features(self) -> Path:
        return self.kept.folder / "features"

    def find(self, source: list[str] | None) -> AdviceFindings:
        """All that is measured."""
        pictures, say = self.pictures, self.say
        labels, classes = pictures.labels, len(pictures.classes)
        read = self._read()
        sources = [self._source(one, source) for one in read]
        word = class_choice.chosen(class_choice.AUTO, pictures.counts, NONE, fitted=True).word
        chooser = Chooser(contenders(read), labels, classes, pictures.groups, ClassCorrection(word), self.options.seed)
        rows = chooser.rows(self.kept, self.clock, say)
        judged = chooser.judged(self.kept, self.clock, say)
        curve = self._curve(best(rows))
        ahead = extrapolated(curve, seed=self.options.seed) if curve is not None else None
        tried = trials(self.options, pictures, judged, self.kept, self.clock, say)
        return AdviceFindings(
            pictures, read, sources, rows, judged, self._suspects(judged),
            expected_accuracy(judged.right(labels), ahead), curve, ahead, tried, self._notices(judged, curve),
        )  # fmt: skip

    def _read(self) -> list[NetFeatures]:
        """Each net at a small size, then at its own where there is time for it."""
        found: list[NetFeatures] = []
        for place, side in enumerate(self.sides):
            size = self.options.size or (SMALL if side >= LARGER * SMALL else None)
            try:
                found.append(self._one(place, size))
            except UserError:
                if size is None or self.options.size is not None:
                    raise
                found.append(self._one(place, None))  # a net with fully connected layers has one size only
        for place, (small, side) in enumerate(zip(list(found), self.sides, strict=True)):
            if self.options.size is None and not small.own:
                needed = small.seconds * (side / small.size) ** 2
                if needed < self.clock.until(FEATURES):
                    found.append(self._one(place, None))
        return found

    def _one(self, place: int, size: int | None) -> NetFeatures:
        """The net at this ``place``; what reading it took is remembered, as a second call reads from the cache."""
        net = self.options.nets[place]
        made = net_features(
            net, self.options.weights_of(place), size, self.pictures.entries, self.pictures.classes, self.engine,
            self.features, self.say,
        )  # fmt: skip
        key = [net, made.weights, made.size, self.pictures.entries]
        made.seconds = self.kept.json("seconds", key, lambda: {"seconds": made.seconds})["seconds"]
        return made

    def _source(self, read: NetFeatures, source: list[str] | None) -> SourceFindings:
        other = read.others(source, self.features, self.say) if source is not None else None
        return findings(read, other, self.pictures.labels)

    def _curve(self, row: ContenderRow) -> LearningCurve | None:
        repeats = min(REPEATS, int(self.clock.until(CURVE) / max(1e-6, CURVE_ROWS * row.seconds)))
        if self.pictures.per_class < LEAST or repeats < 1:
            return None
        labels = self.pictures.labels
        x = row.contender.x[: len(labels)].numpy()

        def compute() -> dict[str, Any]:
            made = learning_curve(
                x, labels, repeats=repeats, seed=self.options.seed, groups=self.pictures.groups,
                progress=lambda done, total: self.say("learning curve of the linear classifier", done, total),
            )  # fmt: skip
            return {"sizes": made.sizes.tolist(), "most": made.most, "right": made.right.tolist(),
                    "folds": made.folds.tolist()}  # fmt: skip

        made = self.kept.json("curve", [x, labels, self.pictures.groups, self.options.seed], compute)
        return LearningCurve(
            np.array(made["sizes"]), made["most"], np.array(made["right"], np.bool_), np.array(made["folds"])
        )

    def _suspects(self, judged: JudgedPictures) -> LabelErrors:
        labels = self.pictures.labels
        known = np.zeros(len(labels), np.bool_)
        for fold in np.unique(judged.folds[judged.judged]):
            rows = judged.folds == fold
            known[rows] = np.isin(labels[rows], labels[~rows])
        return label_errors(judged.probabilities, labels, known)

    def _notices(self, judged: JudgedPictures, curve: LearningCurve | None) -> list[str]:
        found = list(self.pictures.notices)
        count = int(judged.judged.sum())
        if count < len(judged.predictions):
            found.append(
                f"for lack of time {count} of {counted(len(judged.predictions), 'picture')} judged the choice: "
                f"--minutes {2 * self.options.minutes:g} gives it more"
            )
        if curve is None:
            found.append("no learning curve: too few pictures, or no time was left")
        return found

    def project(self, decision: Decision, row: ContenderRow) -> Summary:
        """The folder, as `lungo finetune` makes it."""
        one, given = row.contender, self.options
        return finetune_project(
            ProjectOptions(
                one.read.net, given.data, given.output, weights=one.read.weights, layers=(one.candidate.name,),
                freeze_to=decision.freeze_to or None, size=None if one.read.own else one.read.size,
                groups=given.groups, per_class=given.per_class, path_column=given.path_column,
                label_column=given.label_column, seed=given.seed, device=self.options.device, overwrite=True,
            ),
            self.say, one.read.reader,
        )  # fmt: skip
