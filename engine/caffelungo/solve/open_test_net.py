"""From what `lungo test` is asked to a net with its weights, its data and the names of its classes.

Everything that is wrong with them is found here, before anything runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from caffelungo.data import corrections, named_pictures
from caffelungo.data.image_list import read_list
from caffelungo.data.named_pictures import NamedPictures
from caffelungo.data.picture_table import PictureColumns
from caffelungo.data.target_rows import label_size
from caffelungo.definition.filter import included, net_state
from caffelungo.definition.schema import TEST
from caffelungo.errors import Location, UserError
from caffelungo.net.store import Store
from caffelungo.passes import picture_size
from caffelungo.passes.resize import asked, at
from caffelungo.plan import memory_limits, states
from caffelungo.plan.read_net import read_net
from caffelungo.report.glog import CaffeLog
from caffelungo.solve import average_views, before_training, choose_head, class_counts, nets
from caffelungo.solve.engine import Engine, make_engine
from caffelungo.solve.load_weights import Loaded
from caffelungo.solve.net_text import NetText
from caffelungo.solve.options import TestOptions
from caffelungo.solve.test_net import TestNet
from caffelungo.solve.tested_head import head_of, judges
from caffelungo.wording import counted


def open_test_net(options: TestOptions, log: CaffeLog, console: Console | None = None) -> TestNet:
    """The test net of ``options`` with its weights and data; ``console`` gets what is worth knowing.

    UserError with everything wrong.
    """
    if not options.model:
        raise UserError("need a net to test", remedy="lungo test --model FILE --weights FILE")
    if options.corrections is not None and options.data is None:
        received = f"--corrections {options.corrections}"
        raise UserError(
            "corrections need the pictures that they are for", received=received, remedy="add --data photos/"
        )
    if not options.weights:
        raise UserError("need weights to test the net with", remedy="lungo test --model FILE --weights FILE")
    engine = make_engine(options)
    log.info(
        "caffe.cpp:275", "Use CPU." if engine.device.type == "cpu" else f"Use GPU with device ID {engine.device.index}"
    )
    shown = None if options.quiet else console
    if shown is not None:
        _notice(shown, engine.notices(), style="yellow")
    opened, head = _opened(options, engine, shown)
    if problems := before_training.label_problems(opened):
        raise UserError(problems)
    if options.size is not None and engine.device.type == "cpu":
        memory_limits.check(opened.plan, f"--size {picture_size.text(options.size)}")
    loaded = Loaded(options.weights, (), opened.plan, opened.text.where)
    if shown is not None and loaded.table:
        shown.print(loaded.table.summary(), markup=False)
        if fresh := loaded.table.layers("new"):
            _notice(shown, [f"not in the weights, so random: {', '.join(fresh)}"], style="yellow")
    trained = loaded.weights.extras if loaded.weights else None
    if console is not None:
        known = before_training.record_in(trained)
        difference = before_training.preprocessing_differs(opened, known, "the training of the weights")
        _notice(console, difference, style="yellow")
    if options.data is not None:
        choose_head.refuse_other_classes(opened, trained, options.data)
    views = average_views.with_views(opened, options.crops)
    net = make_test_net(opened, loaded, engine, options.iterations, options.workers)
    net.average(views)
    _name_classes(net, trained)
    net.whole.give_labels_from(list(trained.threshold) if trained is not None else [])
    net.head = head
    return net


def _opened(options: TestOptions, engine: Engine, shown: Console | None) -> tuple[nets.OpenedNet, str | None]:
    """The net on its data, and the classifier that alone is to be judged (None: all that have a label)."""
    notes: list[str] = []
    definition = read_net(options.model, dict(options.variables) or None).within(options.stages, options.level)
    resized = at(states.settled(definition, TEST, notes=notes), asked(options.size, (TEST,)))
    if shown is not None:
        notes += [note.what + (f" ({note.why})" if note.why else "") for note in resized.notes]
        _notice(shown, notes)
    text = nets.from_definition(resized.definition)
    state = net_state(text.message, TEST)
    if options.data is not None:
        named = _named(options, text, state)
        source, said = _corrected(options.corrections, named)
        if shown is not None:
            _notice(shown, said)
        text = nets.elsewhere(text, state, source)
    head = choose_head.named_head(text, state, options.head) if options.head is not None else None
    if head is not None:
        text = choose_head.judging(text, state, head)
    whole = options.iterations is None

    def opening(text: NetText) -> nets.OpenedNet:
        return nets.open_net_with_data(text, state, once=whole, caffe=engine.caffe, shuffle=False if whole else None)

    opened = opening(text)
    if head is None and options.data is not None and (meant := choose_head.meant_head(opened)) is not None:
        head = meant
        opened = opening(choose_head.judging(text, state, meant))
    text, notices = class_counts.of_training(opened)
    if text is not opened.text:
        opened = opening(text)
    if shown is not None:
        _notice(shown, notices)
    if error := nets.input_without_data(opened.text, opened.plan):
        raise error
    return opened, head


def _named(options: TestOptions, text: NetText, state: Any) -> NamedPictures:
    """The pictures to test on; UserError where they have other numbers of targets than the net reads."""
    assert options.data is not None
    sizes = [label_size(layer) for layer in text.message.layer if included(layer, state)]
    wanted = max(sizes, default=0)
    labels, numbers = list(text.message.lungo.label), [(one.name, one.unit) for one in text.message.lungo.number]
    columns = PictureColumns(
        options.path_column, options.label_column, bool(numbers), labels=bool(labels and wanted), names=not wanted,
        known=tuple(labels if labels and wanted else [name for name, _ in numbers]),
    )  # fmt: skip
    named = named_pictures.resolve(options.data, columns, rows=wanted > 0)
    if named.label_size and labels:
        named = named_pictures.with_labels(named, labels)
    elif named.label_size and numbers:
        named = named_pictures.with_numbers(named, numbers)
    if named.label_size != wanted:
        found = counted(named.label_size, "number") if named.label_size else "one label"
        raise UserError(
            f"the net reads {counted(wanted, 'number')} per picture", where=Location(str(options.data)),
            received=f"{found} per picture", remedy="name as many columns: --label-column, with commas between them",
        )  # fmt: skip
    return named


def _corrected(given: str | None, named: NamedPictures) -> tuple[Path, tuple[str, ...]]:
    """The list to test on, as the corrections in the file ``given`` leave it, and what is to be said."""
    if given is None:
        return named.judging, named.notices
    pictures = read_list(named.judging)
    classes = next((one.classes for one in named.lists.values()), ()) or pictures.classes
    source, _, said = corrections.as_list(given, pictures, classes)
    return source, (*named.notices, *said)


def _notice(console: Console, lines: Sequence[str], style: str | None = None) -> None:
    for line in lines:
        console.print(f"notice: {line}", markup=False, style=style)


def _name_classes(net: TestNet, trained: Any) -> None:
    """The names of the classes, of each classifier where several are tested; ``trained``: the weights' extras."""
    opened = net.opened
    net.names = nets.names_of_classes(opened, trained)
    several = [one for judging in judges(opened.plan) if (one := head_of(opened.plan, judging)) is not None]
    net.names_of = {one: nets.names_of_classes(opened, trained, one) for one in several} if len(several) > 1 else {}


def make_test_net(
    opened: nets.OpenedNet, loaded: Loaded, engine: Engine, iterations: int | None, workers: int | None = None
) -> TestNet:
    """A test net over a separate store with the weights of ``loaded``."""
    store = Store(seed=0, device=engine.device)
    store.adopt(opened.plan, skip_filling=loaded.whole_layers(opened.plan))
    loaded.load(store)
    return TestNet(opened, store, engine, iterations, workers)
