"""`lungo test`: a net on its test data, the whole set once or Caffe's way."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from caffelungo.errors import RunError
from caffelungo.plan.plan import Plan, PlannedLayer
from caffelungo.report import confusion, label_scores, number_scores
from caffelungo.report.class_table import print_classes
from caffelungo.report.classification_score import Classified
from caffelungo.report.classification_score import score as shown
from caffelungo.report.glog import CaffeLog, number
from caffelungo.report.label_scores import LabelScores
from caffelungo.report.number_scores import NumberScores
from caffelungo.report.terminal import Terminal
from caffelungo.solve import nets
from caffelungo.solve.engine import out_of_memory
from caffelungo.solve.open_test_net import open_test_net
from caffelungo.solve.options import TestOptions
from caffelungo.solve.prediction_counter import PredictionCounter
from caffelungo.solve.test_net import TestNet
from caffelungo.solve.test_result import TestResult
from caffelungo.solve.tested_head import head_of, judges
from caffelungo.weights import task_heads as named
from caffelungo.wording import counted, listed


@dataclass(frozen=True)
class Tested:
    """One classifier's counts: ``layer`` is its name (the blob of the scores where no layer alone makes them).

    ``title`` is what people call it, ``blobs`` are the outputs of the net that measure it.
    """

    layer: str
    title: str
    blobs: tuple[str, ...]
    classified: Classified


@dataclass(frozen=True)
class Evaluation:
    """A test of a net. ``heads`` are its classifiers, one a label, in the order of the file.

    ``labels``: how well several labels per sample were told; None where the net tells none. ``numbers``: how near the
    numbers are that it predicts; None where it predicts none.
    """

    result: TestResult
    heads: tuple[Tested, ...] = ()
    labels: LabelScores | None = None
    numbers: NumberScores | None = None

    @property
    def classified(self) -> Classified | None:
        """The counts of the last classifier; None for a net without classifier and labels."""
        return self.heads[-1].classified if self.heads else None


@dataclass(frozen=True)
class TestRun:
    """What a test found and wrote. ``outputs``: the mean of each scalar output of the net, by blob."""

    __test__ = False

    samples: int
    outputs: dict[str, float]
    heads: tuple[Tested, ...] = ()
    files: tuple[Path, ...] = ()
    labels: LabelScores | None = None
    numbers: NumberScores | None = None


def test(options: TestOptions) -> int:
    """Test as ``run_test`` does; exit status 0."""
    run_test(options)
    return 0


def run_test(options: TestOptions) -> TestRun:
    """Test, print, write what ``options.output`` asks for. UserError and RunError as they come."""
    console = Terminal(stderr=True, soft_wrap=True)
    log = CaffeLog(echo=lambda line: print(line, file=sys.stderr)) if options.iterations is not None else CaffeLog()
    net = open_test_net(options, log, console)
    if options.iterations is not None:
        return caffes_way(net, options.iterations, log)
    if options.output:
        Path(options.output).mkdir(parents=True, exist_ok=True)
    with console.status("testing ...") as status:
        found = evaluate(net, lambda done, count: status.update(f"testing: batch {done} of {count}"))
    if not options.quiet:
        show(found, Terminal(), _untested(net.opened, found))
    written: list[Path] = []
    if options.output:
        written = write(found, Path(options.output), net.opened)
    if written and not options.quiet:
        console.print(f"wrote {', '.join(str(path) for path in written)}", markup=False)
    outputs = found.result.values()
    return TestRun(found.result.samples, outputs, found.heads, tuple(written), found.labels, found.numbers)


def write(found: Evaluation, folder: Path, opened: nets.OpenedNet) -> list[Path]:
    """Write the tables and the picture of each classifier into ``folder``; of several each into one of its name.

    Of a net that tells several labels per sample it is the table of these; of one that predicts numbers theirs.

    ``opened`` is the net that was tested, whose data name the pictures.
    """
    pictures = _pictures(opened)
    paths = [label_scores.write(found.labels, folder)] if found.labels is not None else []
    if found.numbers is not None:
        paths += number_scores.write(found.numbers, folder, pictures)
    if len(found.heads) == 1:
        return [*paths, *confusion.write(found.heads[0].classified, folder, pictures)]
    for one in found.heads:
        own = folder / re.sub(r"[^\w.-]", "_", one.layer)
        own.mkdir(exist_ok=True)
        paths += confusion.write(one.classified, own, pictures, one.title)
    return paths


test.__test__ = False  # type: ignore[attr-defined]


def _pictures(opened: nets.OpenedNet) -> list[str]:
    """The paths of the pictures that are tested, in their order; none where the data are no picture files."""
    lists = [source.pictures for source in opened.sources if hasattr(source, "pictures")]
    return [str(lists[0].path(index)) for index in range(len(lists[0].labels))] if len(lists) == 1 else []


def evaluate(net: TestNet, each: Callable[[int, int], None] = lambda done, count: None) -> Evaluation:
    """Run ``net`` over its test set and count what it gets right; ``each`` hears how many batches are done."""
    plan = net.opened.plan
    counters = []
    for one in judges(plan):
        layer = head_of(plan, one)
        if net.head is None or layer == net.head:
            names = net.names_of.get(layer or "", []) if net.names_of else net.names
            counters.append((layer or one.bottoms[0], one, PredictionCounter(net.net, one, names)))
    try:
        result = net.run(each=each)
    except RuntimeError as error:
        if readable := out_of_memory(error, f"a batch of {net.opened.batch_size} on {net.engine.device}"):
            raise readable from error
        raise
    if result is None:
        raise RunError("the test was interrupted")
    heads = named.heads_of(net.opened.text.message.lungo)
    labels = net.whole.labels()
    labels = labels.named(net.names) if labels is not None else None
    numbers = net.whole.numbers()
    if numbers is not None:
        numbers = numbers.named([(one.name, one.unit) for one in net.opened.text.message.lungo.number])
    return Evaluation(result, tuple(
        Tested(
            layer, named.described(heads[layer]) if layer in heads else f"`{layer}`",
            _measured(plan, one), counter.result()
        )
        for layer, one, counter in counters if counter.confusion is not None
    ), labels, numbers)  # fmt: skip


def _measured(plan: Plan, judging: PlannedLayer) -> tuple[str, ...]:
    """The outputs that measure the classifier that ``judging`` judges."""
    head = head_of(plan, judging)
    return tuple(
        one.tops[0] for one in plan.layers
        if one.tops and one.tops[0] in plan.outputs and len(one.bottoms) > 1
        and one.bottom_values[1] == judging.bottom_values[1] and head_of(plan, one) == head
    )  # fmt: skip


def _untested(opened: nets.OpenedNet, found: Evaluation) -> list[str]:
    """Classifiers that the net names and that no label of its data is for."""
    tested = {one.layer for one in found.heads}
    heads = named.heads_of(opened.text.message.lungo, layers=[one.name for one in opened.plan.layers])
    return [named.described(head) for name, head in heads.items() if name not in tested] if tested else []


def show(found: Evaluation, console: Console, untested: Sequence[str] = ()) -> None:
    """Print the whole result; of several classifiers, or where the net names some ``untested``, each under its name."""
    several = len(found.heads) > 1
    if untested and not several:
        console.print(f"head     {found.heads[0].title}; not {', '.join(untested)} (--head)", markup=False)
    for one in found.heads:
        if several:
            console.print(f"head     {one.title}", markup=False)
        _show_counts(one.classified, console)
        if several:
            print_classes(one.classified.per_class(), console)
            console.print()
    if found.labels is not None:
        for line in label_scores.lines(found.labels):
            console.print(line, markup=False)
    if found.numbers is not None:
        number_scores.print_numbers(found.numbers, console)
    of = {blob: one.title for one in found.heads for blob in one.blobs} if several else {}
    for score in found.result.scores:
        if score.blob in found.result.values():
            whose = f"  ({of[score.blob]})" if score.blob in of else ""
            console.print(f"{score.blob} = {shown(score.blob, score.value)}{whose}", markup=False)
    console.print(f"samples  {found.result.samples}")
    if found.heads and not several:
        print_classes(found.heads[0].classified.per_class(), console)
    if found.labels is not None:
        label_scores.print_labels(found.labels, console)


def _show_counts(classified: Classified, console: Console) -> None:
    low, high = classified.interval
    console.print(
        f"accuracy {classified.accuracy:.1%}  ({classified.right} of {classified.samples}; "
        f"95 % interval {low:.1%} to {high:.1%})"
    )
    left_out = f"; no sample of {listed(classified.absent)}" if classified.absent else ""
    console.print(
        f"balanced accuracy {classified.balanced_accuracy:.1%}, macro F1 {classified.macro_f1:.1%}, "
        f"means over {counted(len(classified.names) - len(classified.absent), 'class')}{left_out}",
        markup=False,
    )
    if len(classified.names) > 5:
        console.print(f"top 5    {classified.top:.1%}")


def caffes_way(net: TestNet, iterations: int, log: CaffeLog) -> TestRun:
    """Caffe's lines: every output of every batch, then the means.

    Caffe: test() in tools/caffe.cpp.
    """
    log.info("caffe.cpp:281", f"Running for {iterations} iterations.")
    sums: list[float] = []
    names: list[str] = []
    total, samples = 0.0, 0
    net.iterations = 1
    for batch in range(iterations):
        result = net.run()
        assert result is not None
        total += result.loss
        samples += result.samples
        names = [score.blob for score in result.scores]
        sums = sums or [0.0] * len(names)
        for index, score in enumerate(result.scores):
            sums[index] += score.value
            log.info("caffe.cpp:304", f"Batch {batch}, {score.blob} = {number(score.value)}")
    log.info("caffe.cpp:309", f"Loss: {number(total / iterations)}")
    for name, value in zip(names, sums, strict=True):
        mean, weight = value / iterations, net.weights[name]
        suffix = f" (* {number(weight)} = {number(weight * mean)} loss)" if weight else ""
        log.info("caffe.cpp:321", f"{name} = {number(mean)}{suffix}")
    means = {name: value / iterations for name, value in zip(names, sums, strict=True) if names.count(name) == 1}
    return TestRun(samples, means)
