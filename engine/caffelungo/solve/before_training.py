"""What is looked at before iteration 0."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from caffelungo.data import label_uses, labels, phase_differences, preprocess
from caffelungo.data.source import Source
from caffelungo.definition.schema import TRAIN
from caffelungo.errors import Problem, UserError
from caffelungo.plan.plan import Plan, PlannedLayer
from caffelungo.report.console import Reporter
from caffelungo.solve import cannot_learn, memory, missing_weights
from caffelungo.solve.nets import Opened

if TYPE_CHECKING:
    from caffelungo.solve.solver import Solver


@dataclass(frozen=True)
class Head:
    """A classifier under a loss: the loss layer, the layer that makes its scores, its classes, and its labels."""

    loss: PlannedLayer
    scores: PlannedLayer
    classes: int
    weight: float
    data: PlannedLayer | None
    source: Source | None


def heads(opened: Opened) -> Iterator[Head]:
    """Every SoftmaxWithLoss of the net."""
    sources = {source.name: source for source in opened.sources}
    makers = {value: planned for planned in opened.plan.layers for value in planned.top_values}
    for planned in opened.plan.layers:
        if planned.layer.type != "SoftmaxWithLoss" or len(planned.bottom_values) < 2:
            continue
        shape = planned.bottom_shapes[0]
        axis = planned.layer.param.softmax_param.axis
        classes = shape[axis] if shape and -len(shape) <= axis < len(shape) else None
        if classes is None:
            continue
        data = _source_of(opened.plan, planned.bottom_values[1])
        scores = _learning_below(opened.plan, makers[planned.bottom_values[0]])
        source = sources.get(data.name) if data else None
        yield Head(planned, scores, classes, planned.loss_weights[0] if planned.loss_weights else 0.0, data, source)


def _source_of(plan: Plan, value: int) -> PlannedLayer | None:
    """The data layer whose second top is ``value``: that is where class labels come from."""
    for planned in plan.sources:
        if value in planned.top_values[1:2]:
            return planned
    return None


def _learning_below(plan: Plan, planned: PlannedLayer) -> PlannedLayer:
    """The nearest layer with parameters at or below ``planned``, along first bottoms."""
    makers = {value: other for other in plan.layers for value in other.top_values}
    while not planned.params and planned.bottom_values:
        planned = makers[planned.bottom_values[0]]
    return planned


def label_problems(opened: Opened, say: Callable[[str], None] = lambda text: None) -> list[Problem]:
    """Samples that do not fit together, labels that a layer has no class for; ``say`` hears what is worth knowing."""
    sources = {source.name: source for source in opened.sources}
    problems = [problem for source in opened.sources for problem in source.survey()]
    if problems:
        return problems
    told: set[str] = set()
    for one in label_uses.look(opened.plan, sources):
        problems += one.problems
        name = one.use.data.name
        if one.report.single and one.report.size and not one.problems and name not in told:
            told.add(name)
            say(f"layer `{name}`: {one.report.describe()}")
            for text in one.notices if opened.plan.phase == TRAIN else ():
                say(text)
    return list(dict.fromkeys(problems))


def labels_missing(opened: Opened) -> list[str]:
    """Classes that a test tells nothing of, since it has no sample of them."""
    found = label_uses.look(opened.plan, {source.name: source for source in opened.sources})
    return list(dict.fromkeys(text for one in found for text in one.notices if labels.NO_SAMPLE in text))


def labels_fit(solver: Solver, reporter: Reporter) -> None:
    """UserError when any label of the train or test data has no output in the net."""
    problems = label_problems(solver.opened, reporter.say)
    for index, test in enumerate(solver.tests):
        problems += label_problems(test.opened)
        for text in labels_missing(test.opened):
            reporter.say(f"test net #{index}: {text}")
    if problems:
        raise UserError(list(dict.fromkeys(problems)))


def before(solver: Solver, reporter: Reporter, *, resumed: bool = False) -> None:
    """Say what a person should know before the first iteration; ``resumed``: all weights are those of a snapshot."""
    if not resumed and not solver.loaded.names and (text := missing_weights.notice(solver.definition, solver.plan)):
        reporter.notice(text)
    for text in learns_not(solver, resumed):
        reporter.notice(text)
    for source in solver.opened.sources:
        for text in source.notices:
            reporter.notice(text)
    for index, test in enumerate(solver.tests):
        for text in dict.fromkeys(text for source in test.opened.sources for text in source.notices):
            reporter.notice(text)
        if found := _test_iter(test.iterations, test.opened):
            reporter.notice(f"test net #{index}: {found}")
    for text in _preprocessing(solver):
        reporter.notice(text)
    expected = expected_memory(solver)
    reporter.say(expected.describe())
    if too_large := memory.too_large(expected, solver.engine.device, solver.opened.batch_size):
        reporter.notice(too_large)


def learns_not(solver: Solver, resumed: bool = False) -> list[str]:
    """What of the nets of ``solver`` cannot learn, or not as meant."""
    loaded = solver.loaded.table.arrays if solver.loaded.table else {}
    found = cannot_learn.rate_notices(solver.param)
    found += cannot_learn.train_notices(solver.plan, solver.plan.params if resumed else loaded)
    for test in solver.tests:
        found += cannot_learn.test_notices(test.opened.plan)
    return list(dict.fromkeys(found))


def expected_memory(solver: Solver) -> memory.Estimate:
    """What the training will take."""
    return memory.estimate(
        solver.net, solver.learned, solver.update.histories, solver.engine, [test.opened.plan for test in solver.tests]
    )


def preprocessing_differs(opened: Opened, known: Any, of: str) -> list[str]:
    """A notice for each data layer of ``opened`` that makes other numbers of a picture than the record ``known``.

    ``known`` is None where nothing is known, and nothing is said then; ``of`` says whose record it is.
    """
    found = []
    for source in phase_differences.pictures(opened.plan, opened.sources) if known is not None else ():
        if apart := preprocess.differences(source.record, known):
            found.append(
                f"layer `{source.name}` does not prepare pictures as {of}: {'; '.join(apart)}. Is that meant? Else "
                "make its transform_param the same"
            )
    return found


def record_in(extras: Any) -> Any:
    """The preprocessing record that weights carry in ``extras``; None without one."""
    return extras.preprocessing if extras is not None and extras.HasField("preprocessing") else None


def _preprocessing(solver: Solver) -> list[str]:
    """Train data against the loaded weights', and test data against the train data's."""
    weights = solver.loaded.weights
    found = preprocessing_differs(
        solver.opened, record_in(weights.extras if weights else None), "the weights' training did"
    )
    trained = phase_differences.pictures(solver.opened.plan, solver.opened.sources)
    for test in solver.tests:
        found += phase_differences.notices(trained, phase_differences.pictures(test.opened.plan, test.opened.sources))
    return list(dict.fromkeys(found))


def _test_iter(iterations: int | None, opened: Opened) -> str | None:
    sizes = {source.size for source in opened.sources if source.size is not None}
    if iterations == 0:
        return "test_iter 0: it is built, but never run"
    if iterations is None or len(sizes) != 1:
        return None
    total, seen = sizes.pop(), iterations * opened.batch_size
    if seen == total:
        return None
    return (
        f"test_iter {iterations} x batch {opened.batch_size} = {seen} samples, but the set has {total}; "
        "without test_iter the whole set is tested once"
    )
