"""A solver: its own fields, the nets it names with their data, and whether snapshots can be written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from caffelungo import files
from caffelungo.check import learning
from caffelungo.check.findings import Findings
from caffelungo.check.nets import check_net
from caffelungo.definition.filter import net_state
from caffelungo.definition.partial import Rest, UnreadableError
from caffelungo.definition.reader import Definition, read_net
from caffelungo.definition.schema import TEST, TRAIN
from caffelungo.definition.template import meant_for
from caffelungo.definition.upgrade import upgrade_net
from caffelungo.errors import UserError, key_of
from caffelungo.plan import misread_layers as doubts
from caffelungo.plan import sharing
from caffelungo.plan.build_plan import build_plan
from caffelungo.solve import snapshot
from caffelungo.solve.cannot_learn import loss_problem, rate_notices
from caffelungo.solve.nets import from_definition, input_without_data
from caffelungo.solve.read_solver import problems_of
from caffelungo.solve.validate import count_test_nets, delta_problems, solver_problems
from caffelungo.wording import counted


def check_solver(solver: Definition, findings: Findings, rest: Rest | None = None) -> str:
    """Check ``solver`` and everything it names; ``rest``: what it was made of, where it could be read in part."""
    message, where = solver.message, solver.where
    reported = {key_of(problem) for problem in findings.problems}
    found = solver_problems(message, where) if rest is None else problems_of(rest)
    findings.problems += [one for one in found if key_of(one) not in reported]
    if 0 in message.test_iter:
        findings.notices.append(f"{solver.path}: test_iter 0: that test net is built, but never run")
    if not message.HasField("max_iter"):
        findings.notices.append(
            f"{solver.path}: no max_iter, so `lungo train` has nothing to do; programs that step the solver need none"
        )
    _prefix(solver, findings)
    for position, name in enumerate(message.weights if findings.data else ()):
        _named_weights(solver, name, position, findings)
    if not findings.problems:
        findings.notices += [f"{solver.path}: {text}" for text in rate_notices(message)]
    given = findings.weights
    learning.named_weights(solver, findings)
    findings.plans.clear()
    findings.settled = learning.starts_from_fillers(solver)
    for path, states in _nets(solver).items():
        _check_named(solver, path, states, findings)
    findings.weights, findings.settled = given, False
    for definition, plan in findings.plans[1:]:
        findings.problems += sharing.misfits(findings.plans[0][1], plan, definition.where)
    return f"{message.type}, {message.lr_policy or 'no'} policy, {counted(message.max_iter, 'iteration')}"


def _prefix(solver: Definition, findings: Findings) -> None:
    prefix = snapshot.prefix_of(solver.message, solver.path)
    try:
        snapshot.probe(prefix, solver.where("snapshot_prefix") or solver.where())
    except UserError as error:
        findings.problems += error.problems


def _named_weights(solver: Definition, names: str, position: int, findings: Findings) -> None:
    for name in names.split(","):
        if ":" in name:
            continue
        try:
            files.find(name.strip(), solver.path, what="weights file", where=solver.where("weights", position))
        except UserError as error:
            findings.problems += error.problems


Named = dict[tuple[str | int, ...], list[tuple[int, Any]]]
"""Place in the solver of each net -> the phases it is built in, with the solver's state for each."""


def _nets(solver: Definition) -> Named:
    message = solver.message
    named: Named = {}
    for field in ("net", "net_param", "train_net", "train_net_param"):
        if message.HasField(field):
            named.setdefault((field,), []).append((TRAIN, message.train_state))
    own: list[tuple[str | int, ...]] = [("test_net_param", i) for i in range(len(message.test_net_param))]
    own += [("test_net", i) for i in range(len(message.test_net))]
    shared = next(((field,) for field in ("net", "net_param") if message.HasField(field)), None)
    for i in range(count_test_nets(message)):
        place = own[i] if i < len(own) else shared
        if place is not None:
            state = message.test_state[i] if i < len(message.test_state) else None
            named.setdefault(place, []).append((TEST, state))
    return named


def _check_named(
    solver: Definition, place: tuple[str | int, ...], states: list[tuple[int, Any]], findings: Findings
) -> None:
    message = solver.message
    value: Any = message
    rest = None
    for part in place:
        value = getattr(value, part) if isinstance(part, str) else value[part]
    try:
        if isinstance(value, str):
            path = files.find(value, solver.path, what="net file", where=solver.where(*place))
            try:
                definition = read_net(path, meant_for(path, findings.variables, solver.path) or None)
            except UnreadableError as error:
                findings.problems += error.problems
                if (rest := error.rest) is None:
                    return
                definition = rest.definition
        else:
            definition = _inline(solver, value, place)
    except UserError as error:
        findings.problems += error.problems
        return
    built = [net_state(definition.message, phase, solver_state=state) for phase, state in states]
    check_net(definition, findings, built, rest)
    for state in built:
        plan = build_plan(definition.message, state, problems=[], doubt=doubts.of(definition, rest))
        if not plan.whole:  # what lacks then may be in the layers that lack
            continue
        if without := input_without_data(from_definition(definition), plan):
            findings.problems += without.problems
        if state.phase == TRAIN:
            if problem := loss_problem(plan, definition.where):
                findings.problems.append(problem)
            if message.lungo.delta.layer:
                findings.problems += delta_problems(message, plan, solver.where)
    _test_iterations(solver, place, states, findings)


def _inline(solver: Definition, message: Any, place: tuple[str | int, ...]) -> Definition:
    """A net inside the solver file."""
    net = type(message)()
    net.CopyFrom(message)
    upgrade_net(net)

    class Inside(Definition):
        def where(self, *path: str | int) -> Any:
            return solver.where(*place, *path)

    return Inside(Path(solver.path), net, solver.text)


def _test_iterations(
    solver: Definition, place: tuple[str | int, ...], states: list[tuple[int, Any]], findings: Findings
) -> None:
    """A net that only trains although tests are asked for."""
    if len(states) > 1 or place[0] not in ("net", "net_param") or solver.message.test_interval or not states:
        return
    if not solver.message.test_iter and not solver.message.test_net:
        findings.notices.append(f"{solver.path}: no test_interval, so the net is never tested while it trains")
