"""A net: its plan in each state, the data it names, and labels against the outputs of its classifiers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from caffelungo import files
from caffelungo.check import learning
from caffelungo.check.findings import Findings
from caffelungo.check.pictures import check_pictures, check_records, check_sizes
from caffelungo.data import image_list, label_uses, phase_differences, transforms
from caffelungo.data.source import places
from caffelungo.data.sources import open_source
from caffelungo.definition import filter as filter_
from caffelungo.definition.partial import Rest
from caffelungo.definition.reader import Definition
from caffelungo.definition.schema import TRAIN
from caffelungo.errors import Problem, UserError
from caffelungo.layers.base import Shape
from caffelungo.plan import memory_limits
from caffelungo.plan import misread_layers as doubts
from caffelungo.plan import states as in_state
from caffelungo.plan.build_plan import Where, build_plan
from caffelungo.plan.plan import Plan, PlannedLayer
from caffelungo.weights import meanfile


def check_net(
    definition: Definition, findings: Findings, states: Iterable[Any] | None = None, rest: Rest | None = None
) -> str:
    """Check ``definition`` in ``states``; when None, in those that it is made for (see ``plan.states.judged``).

    A phase without any data layer is left out then. ``rest``: what it was made of, where it could be read in part.
    """
    plans: list[Plan] = []
    if states is None:
        judged = in_state.judged(definition)
        findings.notices += [f"{definition.path}: {one.notice}" for one in judged if one.notice]
        judged = in_state.worth(judged)
    else:
        judged = [in_state.Judged(definition, state) for state in states]
    for one in judged:
        mistakes: list[Problem] = []
        net = one.definition
        doubt = doubts.of(net, rest)
        plan = build_plan(net.message, one.state, where=net.where, problems=mistakes, doubt=doubt)
        plans.append(plan)
        told = {(problem.where, problem.received) for problem in findings.problems}
        found = _checked_data(net, plan, mistakes, findings, doubt)
        findings.problems += [new for new in found if (new.where, new.received) not in told]
    layers = max((len(plan.layers) for plan in plans), default=0)
    named = list(dict.fromkeys(filter_.state_text(plan.state) for plan in plans))
    return f"{layers} layers in {(' and ' if len(named) < 3 else ', ').join(named)}"


def _checked_data(
    definition: Definition, plan: Plan, mistakes: list[Problem], findings: Findings, doubt: doubts.Doubt
) -> list[Problem]:
    """The problems of one plan once its data is opened, which may tell shapes that the file leaves open."""
    shapes: dict[str, Sequence[Shape]] = {}
    found: dict[str, Any] = {}
    for planned in plan.sources:
        if planned.layer.type == "Input":
            continue
        source = _opened(definition, plan, planned, findings)
        if source is not None:
            shapes[planned.name], found[planned.name] = source.shapes, source
    if shapes:
        mistakes = []
        plan = build_plan(
            definition.message, plan.state, where=definition.where, sources=shapes, problems=mistakes, doubt=doubt
        )
    too_large = memory_limits.problems(plan, definition.where)
    mistakes += too_large
    findings.plans.append((definition, plan))
    if not mistakes and doubt == doubts.NONE:
        learning.judge(definition, plan, findings)
    odd = []
    for source in found.values():
        odd += [*source.survey(), *check_records(source, findings), *check_sizes(source, findings)]
    for source in found.values():
        findings.notices += source.notices
    findings.prepared.setdefault(plan.phase, []).extend(phase_differences.pictures(plan, found.values()))
    looked = [] if odd or too_large else label_uses.look(plan, found)  # data that do not fit are not made either
    for one in looked:
        findings.notices += one.notices
    return list(dict.fromkeys([*mistakes, *odd, *(problem for one in looked for problem in one.problems)]))


def _opened(definition: Definition, plan: Plan, planned: PlannedLayer, findings: Findings) -> Any:
    """The source of a data layer, or None when something is wrong with it, which is then in ``findings``."""
    where = _place(planned, definition.where)
    found = places(planned, definition.where)
    transform = planned.layer.param.transform_param
    if not findings.data and getattr(planned.layer.options, "source", None):
        findings.problems += transforms.problems(transform, plan.phase == TRAIN, found["lungo"] or where)
        return None
    good = _mean(definition, planned, findings)
    findings.problems += transforms.problems(transform, plan.phase == TRAIN, found["lungo"] or where)
    param = planned.layer.param
    if not good:  # so that it hides nothing of the data
        param = type(param).FromString(param.SerializeToString())
        param.transform_param.ClearField("mean_file")
    try:
        if planned.layer.type == "ImageData":
            options = planned.layer.options
            listed = image_list.read_list(options.source, options.root_folder, beside=definition.path, where=where)
            listed_well = check_pictures(listed, findings)
            if not listed_well:
                return None
        source = open_source(param, plan.phase, beside=definition.path, where=where, places=found)
        return source if good else None
    except UserError as error:
        findings.problems += error.problems
        return None


def _mean(definition: Definition, planned: PlannedLayer, findings: Findings) -> bool:
    """Whether the mean file of a data layer, if it has one, can be read."""
    name = planned.layer.param.transform_param.mean_file
    if not name:
        return True
    place = definition.where("layer", planned.index, "transform_param", "mean_file")
    try:
        path = files.find(name, definition.path, what="mean file", where=place)
        key = ("mean", str(path.resolve()))
        if key not in findings.seen:
            meanfile.read(path)
            findings.seen[key] = True
    except UserError as error:
        findings.problems += error.problems
        return False
    return True


def _place(planned: PlannedLayer, where: Where) -> Any:
    """Where a data layer names its data, or the layer."""
    field = planned.layer.options_field
    if field and getattr(planned.layer.options, "source", None):
        return where("layer", planned.index, field, "source")
    return where("layer", planned.index)
