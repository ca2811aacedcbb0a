"""What is looked at before iteration 0."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from caffelungo.data import label_uses, labels, phase_differences, preprocess
from caffelungo.definition.schema import TRAIN
from caffelungo.errors import Problem, UserError
from caffelungo.report.console import Reporter
from caffelungo.solve import cannot_learn, class_counts, memory, missing_weights
from caffelungo.solve.nets import OpenedNet
from caffelungo.solve.training import Training
from caffelungo.wording import counted


def label_problems(opened: OpenedNet, say: Callable[[str], None] = lambda text: None) -> list[Problem]:
    """Samples that do not fit together, labels that a layer has no class for; ``say`` hears what is worth knowing."""
    problems = [problem for source in opened.sources for problem in source.survey()]
    if problems:
        return problems
    reported: set[str] = set()
    for one in opened.labels:
        problems += one.problems
        name = one.use.data.name
        if one.report.single and one.report.size and not one.problems and name not in reported:
            reported.add(name)
            say(f"layer `{name}`: {one.report.describe()}")
            for text in one.notices if opened.plan.phase == TRAIN else ():
                say(text)
    problems += label_uses.no_shares(opened.plan, {source.name: source for source in opened.sources})
    return list(dict.fromkeys(problems))


def labels_missing(opened: OpenedNet) -> list[str]:
    """Classes that a test tells nothing of, since it has no sample of them."""
    return list(dict.fromkeys(text for one in opened.labels for text in one.notices if labels.NO_SAMPLE in text))


def labels_fit(training: Training, reporter: Reporter) -> None:
    """UserError when any label of the train or test data has no output in the net."""
    problems = label_problems(training.opened, reporter.say)
    for index, test in enumerate(training.tests):
        problems += label_problems(test.opened)
        if not training.engine.caffe and class_counts.uneven(test.opened):
            test.measure()
        for text in labels_missing(test.opened):
            reporter.say(f"test net #{index}: {text}")
    if problems:
        raise UserError(list(dict.fromkeys(problems)))


def before(training: Training, reporter: Reporter, *, resumed: bool = False) -> None:
    """Say what a person should know before the first iteration; ``resumed``: all weights are those of a snapshot."""
    if (
        not resumed
        and not training.loaded.names
        and (text := missing_weights.notice(training.definition, training.plan))
    ):
        reporter.notice(text)
    for text in learns_not(training, resumed):
        reporter.notice(text)
    for text in class_counts.lines(training.opened):
        reporter.say(text)
    for text in class_counts.twice(training.opened):
        reporter.notice(text)
    for source in training.opened.sources:
        for text in source.notices:
            reporter.notice(text)
    for index, test in enumerate(training.tests):
        for text in dict.fromkeys(text for source in test.opened.sources for text in source.notices):
            reporter.notice(text)
        if found := _test_iter(test.iterations, test.opened):
            reporter.notice(f"test net #{index}: {found}")
    for text in _preprocessing(training):
        reporter.notice(text)
    expected = expected_memory(training)
    reporter.say(expected.describe())
    if too_large := memory.too_large(expected, training.engine.device, training.opened.batch_size):
        reporter.notice(too_large)


def learns_not(training: Training, resumed: bool = False) -> list[str]:
    """What of the nets of ``training`` cannot learn, or not as meant."""
    loaded = training.loaded.table.arrays if training.loaded.table else {}
    found = cannot_learn.rate_notices(training.param)
    found += cannot_learn.train_notices(training.plan, training.plan.params if resumed else loaded)
    for test in training.tests:
        found += cannot_learn.test_notices(test.opened.plan)
    return list(dict.fromkeys(found))


def expected_memory(training: Training) -> memory.MemoryEstimate:
    """What the training will take."""
    return memory.estimate(
        training.net,
        training.learned,
        training.update.histories,
        training.engine,
        [test.opened.plan for test in training.tests],
    )


def preprocessing_differs(opened: OpenedNet, known: Any, of: str) -> list[str]:
    """A notice for each data layer of ``opened`` that makes other numbers of a picture than the record ``known``.

    ``known`` is None where nothing is known, and nothing is said then; ``of`` says whose record it is.
    """
    found = []
    for source in phase_differences.pictures(opened.plan, opened.sources) if known is not None else ():
        if apart := preprocess.differences(source.record, known):
            found.append(
                f"layer `{source.name}` prepares pictures differently from {of}: {'; '.join(apart)}; if that is not "
                "intended, make its transform_param the same"
            )
    return found


def record_in(extras: Any) -> Any:
    """The preprocessing record that weights carry in ``extras``; None without one."""
    return extras.preprocessing if extras is not None and extras.HasField("preprocessing") else None


def _preprocessing(training: Training) -> list[str]:
    """Train data against the loaded weights', and test data against the train data's."""
    weights = training.loaded.weights
    found = preprocessing_differs(
        training.opened, record_in(weights.extras if weights else None), "the training of the weights"
    )
    trained = phase_differences.pictures(training.opened.plan, training.opened.sources)
    for test in training.tests:
        found += phase_differences.notices(trained, phase_differences.pictures(test.opened.plan, test.opened.sources))
    return list(dict.fromkeys(found))


def _test_iter(iterations: int | None, opened: OpenedNet) -> str | None:
    sizes = {source.size for source in opened.sources if source.size is not None}
    if iterations == 0:
        return "test_iter 0: it is built, but never run"
    if iterations is None or len(sizes) != 1:
        return None
    total, seen = sizes.pop(), iterations * opened.batch_size
    if seen == total:
        return None
    return (
        f"test_iter {iterations} x batch {opened.batch_size} = {counted(seen, 'sample')}, but the set has {total}; "
        "without test_iter the whole set is tested once"
    )
