"""A net: its plan in each state, the data it names, and labels against the outputs of its classifiers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from caffelungo.check import learning
from caffelungo.check.data_layers import data_layers, mended, opened
from caffelungo.check.findings import Findings
from caffelungo.check.pictures import check_records, check_sizes
from caffelungo.data import label_uses, mixed_readers, phase_differences
from caffelungo.data.source import DataSource
from caffelungo.definition import filter as filter_
from caffelungo.definition.filter import included
from caffelungo.definition.partial import Rest
from caffelungo.definition.reader import Definition
from caffelungo.errors import Problem, key_of
from caffelungo.layers.base import Shape
from caffelungo.plan import memory_limits
from caffelungo.plan import misread_layers as doubts
from caffelungo.plan import states as in_state
from caffelungo.plan.build_plan import build_plan
from caffelungo.plan.misread_layers import Doubt
from caffelungo.plan.plan import Plan
from caffelungo.wording import counted


def check_net(
    definition: Definition, findings: Findings, states: Iterable[Any] | None = None, rest: Rest | None = None
) -> str:
    """Check ``definition`` in ``states``; when None, in those that it is made for (see ``plan.states.judged``).

    A phase without any data layer is left out then. ``rest``: what it was made of, where it could be read in part.
    """
    findings.files[str(definition.path)] = None
    plans: list[Plan] = []
    if states is None:
        judged = in_state.judged(definition)
        findings.notices += [f"{definition.path}: {one.notice}" for one in judged if one.notice]
        judged = in_state.worth(judged)
    else:
        judged = [in_state.Judged(definition, state) for state in states]
    for one in judged:
        net = one.definition
        doubt = doubts.of(net, rest)
        reported = {key_of(problem) for problem in findings.problems}
        plan, found = _checked(net, one.state, findings, doubt)
        plans.append(plan)
        findings.problems += [new for new in found if key_of(new) not in reported]
    layers = max((sum(included(layer, plan.state) for layer in definition.message.layer) for plan in plans), default=0)
    named = list(dict.fromkeys(filter_.state_text(plan.state) for plan in plans))
    return f"{counted(layers, 'layer')} in {(' and ' if len(named) < 3 else ', ').join(named)}"


def _checked(definition: Definition, state: Any, findings: Findings, doubt: Doubt) -> tuple[Plan, list[Problem]]:
    """The plan of one state, and its problems once its data is opened, which may give shapes that the file leaves open.

    Layers that only misstate their data are judged as if they did not, so that this hides nothing of the rest.
    """
    net = definition.message
    before = len(findings.problems)
    slips: list[Problem] = []
    first = build_plan(net, state, where=definition.where, problems=slips, doubt=doubt)
    mistakes: list[Problem] = slips
    plan = first
    if (better := mended(net)) is not net:
        net, mistakes = better, []
        plan = build_plan(net, state, where=definition.where, problems=mistakes, doubt=doubt)
    slips = [one for one in slips if one not in mistakes]
    shapes: dict[str, Sequence[Shape]] = {}
    found: dict[str, DataSource] = {}
    for layer in data_layers(definition.message, plan, doubt):
        source = opened(definition, plan.phase, layer, findings)
        if source is not None and layer.planned and layer.sized:
            shapes[layer.param.name], found[layer.param.name] = source.shapes, source
    unfit = list(mixed_readers.problems(plan, found.values(), definition.where))
    if unfit:
        shapes = {name: mixed_readers.unmixed(given) for name, given in shapes.items()}
    if shapes:
        mistakes = []
        plan = build_plan(net, state, where=definition.where, sources=shapes, problems=mistakes, doubt=doubt)
    too_large = memory_limits.problems(plan, definition.where)
    mistakes = [*slips, *unfit, *mistakes, *too_large]
    findings.plans.append((definition, plan))
    if not mistakes and doubt == doubts.NONE:
        learning.judge(definition, plan, findings)
    odd = []
    for source in found.values():
        odd += [*source.survey(), *check_records(source, findings), *check_sizes(source, findings)]
    for source in found.values():
        findings.notices += source.notices
    if not mistakes:
        findings.prepared.setdefault(plan.phase, []).extend(phase_differences.pictures(plan, found.values()))
    looked = [] if odd or too_large else label_uses.look(plan, found)  # data that do not fit are not made either
    if len(findings.problems) == before and not slips:  # what is wrong with a list may leave classes without a picture
        findings.notices += [text for one in looked for text in one.notices]
    shares = [] if odd or too_large else label_uses.no_shares(plan, found)
    wrong = [problem for one in looked for problem in one.problems]
    return first, list(dict.fromkeys([*mistakes, *odd, *wrong, *shares]))
