"""Whether a net can learn, and whether the weights that it is to start from are its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from caffelungo.check import kinds
from caffelungo.check.findings import Findings
from caffelungo.definition.definition import Definition
from caffelungo.definition.schema import TRAIN
from caffelungo.errors import Problem, UserError
from caffelungo.plan.build_plan import build_plan
from caffelungo.plan.plan import Plan
from caffelungo.solve import cannot_learn, missing_weights
from caffelungo.weights import copy_table, formats, match_layers
from caffelungo.weights.load import load, split


def read_weights(found: Sequence[tuple[Path, str]], findings: Findings) -> None:
    """Read the weights among the files ``found``, each with its kind, so that the nets among them can be matched.

    Of several nets nobody says which one the weights belong to; they are read, and not matched.
    """
    readable = []
    for path, kind in found:
        if kind == kinds.WEIGHTS:
            try:
                findings.read[path] = formats.read(path)
            except UserError:
                continue  # reported where the file itself is checked
            readable.append(findings.read[path])
    nets = [path for path, kind in found if kind in (kinds.NET, kinds.SOLVER)]
    if len(nets) == 1:
        findings.weights = [(weights, True) for weights in readable]


def named_weights(solver: Definition, findings: Findings) -> None:
    """Where no weights are among the files: those that ``solver`` names, to be matched with its nets."""
    names = [name for given in solver.message.weights for name in split(given)]
    if not findings.data or findings.weights or not names or any(":" in name for name in names):
        return
    try:
        findings.weights = [(load(names, solver.path), False)]
    except UserError as error:
        known = {(problem.what, problem.received) for problem in findings.problems}
        findings.problems += [one for one in error.problems if (one.what, one.received) not in known]


def starts_from_fillers(solver: Definition) -> bool:
    """Whether a training by ``solver`` is to start without weights: it names none, in a field or in a comment."""
    return not solver.message.weights and missing_weights.in_comment(solver) is None


def judge(definition: Definition, plan: Plan, findings: Findings) -> None:
    """Match the weights at hand with ``plan``, a net without mistakes, and say what of it cannot learn."""
    if any(None in planned.bottom_shapes for planned in plan.layers):
        # Its data could not be opened (reported elsewhere); how its layers start does not depend on their sizes.
        found = _by_any_size(definition, plan, findings.settled)
        findings.notices += [f"{definition.path}: {text}" for text in found]
        return
    loaded: set[tuple[str, int]] = set()
    learns = any(any(planned.loss_weights) for planned in plan.layers)
    remedy = match_layers.Remedy.REINIT if learns else match_layers.Remedy.REPLACE
    wrong = False
    for weights, given in findings.weights:
        table = match_layers.match(plan, weights, where=definition.where, remedy=remedy)
        reported = {(problem.what, problem.where, problem.received) for problem in findings.problems}
        findings.problems += [one for one in table.problems if (one.what, one.where, one.received) not in reported]
        wrong = wrong or bool(table.problems)
        loaded.update(table.arrays)
        if given and not table.problems and table.layers(copy_table.NEW, copy_table.UNUSED):
            findings.notices.append(f"{definition.path}: {table.summary()}")
    if wrong:
        return
    found = cannot_learn.test_notices(plan)
    if plan.phase == TRAIN:
        found = cannot_learn.train_notices(plan, loaded, settled=bool(findings.weights) or findings.settled)
    findings.notices += [f"{definition.path}: {text}" for text in found]


def _by_any_size(definition: Definition, plan: Plan, settled: bool) -> list[str]:
    """What cannot learn of a net whose data would tell its shapes, with sizes in their place that most nets take."""
    shapes = {
        one.name: [
            known or ((8, 3, 256, 256) if position == 0 else (8,)) for position, known in enumerate(one.top_shapes)
        ]
        for one in plan.sources
    }
    mistakes: list[Problem] = []
    guessed = build_plan(definition.message, plan.state, sources=shapes, problems=mistakes)
    return [] if mistakes or plan.phase != TRAIN else cannot_learn.train_notices(guessed, settled=settled)
