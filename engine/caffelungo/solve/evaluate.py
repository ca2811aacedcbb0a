"""`lungo test`: a net on its test data, the whole set once or Caffe's way."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from caffelungo.definition.filter import included, net_state
from caffelungo.definition.schema import TEST
from caffelungo.errors import Location, RunError, UserError
from caffelungo.net.store import Store
from caffelungo.passes import picture_size
from caffelungo.passes.resize import asked, at
from caffelungo.passes.view import HEADS
from caffelungo.plan import memory_limits, states
from caffelungo.plan.plan import Plan, PlannedLayer, build_plan
from caffelungo.plan.read_net import read_net
from caffelungo.report import confusion
from caffelungo.report.class_table import print_classes
from caffelungo.report.classification_score import Classified
from caffelungo.report.glog import Log, number
from caffelungo.report.terminal import Terminal
from caffelungo.solve import before_training, nets
from caffelungo.solve.engine import Engine, make_engine, out_of_memory
from caffelungo.solve.load_weights import Loaded
from caffelungo.solve.net_text import NetText
from caffelungo.solve.options import TestOptions
from caffelungo.solve.prediction_counter import PredictionCounter
from caffelungo.solve.test_result import TestResult
from caffelungo.solve.tested_head import head_of, judged_head, judges, pointed
from caffelungo.solve.testing import TestNet
from caffelungo.weights import task_heads as named


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
    """A test of a net. ``heads`` are its classifiers, one a label, in the order of the file."""

    result: TestResult
    heads: tuple[Tested, ...] = ()

    @property
    def classified(self) -> Classified | None:
        """The counts of the last classifier; None for a net without classifier and labels."""
        return self.heads[-1].classified if self.heads else None


def test(options: TestOptions) -> int:
    """Test, print, write what ``options.output`` asks for; exit status 0. UserError and RunError as they come."""
    console = Terminal(stderr=True, soft_wrap=True)
    log = Log(echo=lambda line: print(line, file=sys.stderr)) if options.iterations is not None else Log()
    net = build(options, log, console)
    if options.iterations is not None:
        caffes_way(net, options.iterations, log)
        return 0
    if options.output:
        Path(options.output).mkdir(parents=True, exist_ok=True)
    with console.status("testing ...") as status:
        found = evaluate(net, lambda done, count: status.update(f"testing: batch {done} of {count}"))
    if not options.quiet:
        show(found, Terminal(), _untested(net.opened, found))
    if options.output and found.heads:
        written = write(found, Path(options.output), net.opened)
        if not options.quiet:
            console.print(f"wrote {', '.join(str(path) for path in written)}", markup=False)
    return 0


def write(found: Evaluation, folder: Path, opened: nets.Opened) -> list[Path]:
    """Write the tables and the picture of each classifier into ``folder``; of several each into one of its name.

    ``opened`` is the net that was tested, whose data name the pictures.
    """
    pictures = _pictures(opened)
    if len(found.heads) == 1:
        return confusion.write(found.heads[0].classified, folder, pictures)
    paths = []
    for one in found.heads:
        own = folder / re.sub(r"[^\w.-]", "_", one.layer)
        own.mkdir(exist_ok=True)
        paths += confusion.write(one.classified, own, pictures, one.title)
    return paths


test.__test__ = False  # type: ignore[attr-defined]


def _pictures(opened: nets.Opened) -> list[str]:
    """The paths of the pictures that are tested, in their order; none where the data are no pictures of their own."""
    lists = [source.pictures for source in opened.sources if hasattr(source, "pictures")]
    return [str(lists[0].path(index)) for index in range(len(lists[0].labels))] if len(lists) == 1 else []


def build(options: TestOptions, log: Log, console: Console | None = None) -> TestNet:
    """The test net of ``options`` with its weights and data; UserError with everything wrong."""
    if not options.model:
        raise UserError("need a net to test", remedy="lungo test --model FILE --weights FILE")
    if not options.weights:
        raise UserError("need weights to test the net with", remedy="lungo test --model FILE --weights FILE")
    engine = make_engine(options)
    log.info(
        "caffe.cpp:275", "Use CPU." if engine.device.type == "cpu" else f"Use GPU with device ID {engine.device.index}"
    )
    chosen: list[str] = []
    definition = read_net(options.model, dict(options.variables) or None).within(options.stages, options.level)
    resized = at(states.settled(definition, TEST, notes=chosen), asked(options.size, (TEST,)))
    if console is not None and not options.quiet:
        for line in [*chosen, *(note.what + (f" ({note.why})" if note.why else "") for note in resized.notes)]:
            console.print(f"notice: {line}", markup=False)
    text = nets.from_definition(resized.definition)
    state = net_state(text.message, TEST)
    if options.data is not None:
        text = nets.elsewhere(text, state, options.data)
    whole = options.iterations is None
    head = _head(text, state, options.head) if options.head is not None else None
    if head is not None:
        text = _judging(text, state, head)

    def opening(text: NetText) -> nets.Opened:
        return nets.open_net(text, state, once=whole, caffe=engine.caffe, shuffle=False if whole else None)

    opened = opening(text)
    if options.head is None and options.data is not None and (meant := _meant(opened)) is not None:
        head = meant
        text = _judging(text, state, meant)
        opened = opening(text)
    if error := nets.input_without_data(text, opened.plan):
        raise error
    if problems := before_training.label_problems(opened):
        raise UserError(problems)
    if options.size is not None and engine.device.type == "cpu":
        memory_limits.check(opened.plan, f"--size {picture_size.text(options.size)}")
    loaded = Loaded(options.weights, (), opened.plan, text.where)
    if console is not None and loaded.table and not options.quiet:
        console.print(loaded.table.summary(), markup=False)
        fresh = loaded.table.layers("new")
        if fresh:
            console.print(f"notice: not in the weights, so random: {', '.join(fresh)}", markup=False, style="yellow")
    trained = loaded.weights.extras if loaded.weights else None
    if console is not None:
        for told in before_training.preprocessing_differs(
            opened, before_training.record_in(trained), "the weights' training did"
        ):
            console.print(f"notice: {told}", markup=False, style="yellow")
    if options.data is not None:
        _same_classes(opened, trained, options.data)
    net = make_net(opened, loaded, engine, options.iterations, options.workers)
    net.names = nets.labels_of(opened, trained)
    several = [one for judging in judges(opened.plan) if (one := head_of(opened.plan, judging)) is not None]
    net.names_of = {one: nets.labels_of(opened, trained, one) for one in several} if len(several) > 1 else {}
    net.head = head
    return net


def _head(text: NetText, state: Any, word: str) -> str:
    """The layer of the classifier ``word``: a task, or a layer's name; UserError when there is none."""
    heads = named.heads_of(text.message.lungo)
    layers = {layer.name for layer in text.message.layer if included(layer, state) and layer.type in HEADS}
    return word if word in layers else str(named.find(heads, word, str(text.path or "")).name)


def _judging(text: NetText, state: Any, head: str) -> NetText:
    """``text`` with the classifier ``head`` compared with the data's label, where it is not yet.

    UserError where the data have several labels, and none of them is for it.
    """
    plan = build_plan(text.message, state, where=text.where, problems=[])
    on = {head_of(plan, one): one for one in judges(plan)}
    if head in on or len(on) < 2:
        return text if head in on else pointed(text, state, head)
    raise UserError(
        f"the data have several labels, and none of them is compared with what `{head}` answers",
        where=text.where(),
        received=f"--head {head}",
        remedy=f"add an Accuracy layer with its scores and its label, or test {', '.join(map(str, on))}",
    )


def _meant(opened: nets.Opened) -> str | None:
    """The classifier whose classes the data are, where that is another than the one that the net is tested on."""
    heads = named.heads_of(opened.text.message.lungo)
    for source in opened.sources:
        if names := nets.class_names(source):
            fitting = [head.name for head in heads.values() if list(head.label[: len(names)]) == names]
            if len(fitting) == 1 and fitting[0] != judged_head(opened.plan):
                return str(fitting[0])
    return None


def _same_classes(opened: nets.Opened, trained: Any, data: str | Path) -> None:
    """UserError when the classes of ``data`` are known to be numbered otherwise than those of the weights."""
    head = judged_head(opened.plan)
    heads = named.heads_of(opened.text.message.lungo, trained, layers=[head] if head else ())
    known = [label for one in heads.values() for label in one.label]
    if not heads and trained is not None:
        known = list(trained.label)
    for source in opened.sources:
        names = nets.class_names(source)
        if names and known and names != known[: len(names)]:
            apart = next(i for i, name in enumerate(names) if i >= len(known) or name != known[i])
            raise UserError(
                "these pictures' classes are not those that the net was trained on",
                where=Location(str(data)),
                received=f"class {apart} is {names[apart]}, in the weights "
                f"{known[apart] if apart < len(known) else 'there is none'}",
                remedy="name the folders as the classes of the weights, or write a list with the weights' numbers",
            )


def make_net(
    opened: nets.Opened, loaded: Loaded, engine: Engine, iterations: int | None, workers: int | None = None
) -> TestNet:
    """A test net over a store of its own with the weights of ``loaded``."""
    store = Store(seed=0, device=engine.device)
    store.adopt(opened.plan, skip_filling=loaded.whole_layers(opened.plan))
    loaded.load(store)
    return TestNet(opened, store, engine, iterations, workers)


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
    return Evaluation(result, tuple(
        Tested(
            layer, named.told(heads[layer]) if layer in heads else f"`{layer}`", _measured(plan, one), counter.result()
        )
        for layer, one, counter in counters if counter.confusion is not None
    ))  # fmt: skip


def _measured(plan: Plan, judging: PlannedLayer) -> tuple[str, ...]:
    """The outputs that measure the classifier that ``judging`` judges."""
    head = head_of(plan, judging)
    return tuple(
        one.tops[0] for one in plan.layers
        if one.tops and one.tops[0] in plan.outputs and len(one.bottoms) > 1
        and one.bottom_values[1] == judging.bottom_values[1] and head_of(plan, one) == head
    )  # fmt: skip


def _untested(opened: nets.Opened, found: Evaluation) -> list[str]:
    """Classifiers that the net names and that no label of its data is for."""
    tested = {one.layer for one in found.heads}
    heads = named.heads_of(opened.text.message.lungo, layers=[one.name for one in opened.plan.layers])
    return [named.told(head) for name, head in heads.items() if name not in tested] if tested else []


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
    of = {blob: one.title for one in found.heads for blob in one.blobs} if several else {}
    for score in found.result.scores:
        if score.blob in found.result.values():
            whose = f"  ({of[score.blob]})" if score.blob in of else ""
            console.print(f"{score.blob} = {number(score.value)}{whose}", markup=False)
    console.print(f"samples  {found.result.samples}")
    if found.heads and not several:
        print_classes(found.heads[0].classified.per_class(), console)


def _show_counts(classified: Classified, console: Console) -> None:
    low, high = classified.interval
    console.print(
        f"accuracy {classified.accuracy:.4f}  ({classified.right} of {classified.samples}; "
        f"95 % interval {low:.4f} to {high:.4f})"
    )
    if len(classified.names) > 5:
        console.print(f"top 5    {classified.top:.4f}")


def caffes_way(net: TestNet, iterations: int, log: Log) -> None:
    """Caffe's lines: every output of every batch, then the means.

    Caffe: test() in tools/caffe.cpp.
    """
    log.info("caffe.cpp:281", f"Running for {iterations} iterations.")
    sums: list[float] = []
    names: list[str] = []
    total = 0.0
    net.iterations = 1
    for batch in range(iterations):
        result = net.run()
        assert result is not None
        total += result.loss
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
