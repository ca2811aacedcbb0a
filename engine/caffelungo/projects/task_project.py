"""`lungo grow NET --task DIR`: a further task on a trained net, as a folder with what its training needs.

The new classifier starts fitted to what it reads (``probes.fit_classifier``), for which PyTorch is loaded.

NET, its weights, DIR/wren/*.jpg, DIR/owl/*.jpg  ->  OUT/train.txt val.txt labels.txt  labels_<old task>.txt
                                                     OUT/train_val.prototxt deploy.prototxt solver.prototxt
                                                     OUT/README.md run.sh
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from caffelungo import locks
from caffelungo.data import folder as photos
from caffelungo.data import split_pictures
from caffelungo.definition import catalogue
from caffelungo.definition.reader import Definition
from caffelungo.definition.schema import message_class
from caffelungo.errors import Location, UserError
from caffelungo.layers.class_balance import NONE
from caffelungo.passes.balance import SAMPLING, BalanceOptions, balance
from caffelungo.passes.base import Note, Result, run, step
from caffelungo.passes.deploy import DeployOptions, deploy
from caffelungo.passes.finetune_options import FinetuneOptions
from caffelungo.passes.new_units import UnitOptions
from caffelungo.passes.suggested_solver import SolverOptions, activations, batch_size, sizes, solver_text
from caffelungo.passes.task import KnownTask, TaskOptions, task_steps
from caffelungo.passes.view import View
from caffelungo.plan import states
from caffelungo.plan.read_net import read_net
from caffelungo.projects import class_choice, project_pictures, started_net, task_texts
from caffelungo.projects.class_choice import ClassChoice
from caffelungo.projects.project_options import PictureProjectOptions, Stage
from caffelungo.projects.write_folder import FILES, write_folder
from caffelungo.rewriting.folder_files import STARTED, reference, refuse_overwriting, size_elsewhere, word_of
from caffelungo.rewriting.retarget import mirrors
from caffelungo.rewriting.rewrite import carried
from caffelungo.solve import step_size
from caffelungo.weights.copy_table import NEW
from caffelungo.weights.load import anywhere, load
from caffelungo.weights.match_layers import match
from caffelungo.weights.task_heads import heads_of
from caffelungo.weights.weights import Weights
from caffelungo.wording import counted

if TYPE_CHECKING:
    from caffelungo.probes.choose_candidate import TriedCandidate
    from caffelungo.probes.fit_classifier import FittedHead


@dataclass(frozen=True)
class TaskProjectOptions(PictureProjectOptions):
    """The options of `lungo grow --task`; ``data`` is the new task's pictures.

    ``name`` None: as the folder is called. ``head``: the old classifier that the new one is modelled on. ``widen`` and
    ``reads``: see ``passes.task.TaskOptions``.
    """

    name: str | None = None
    widen: Sequence[tuple[str, UnitOptions]] = ()
    reads: Sequence[str] = ()


@dataclass(frozen=True)
class TaskSummary:
    """What was found and written, for the command line to print; ``tasks`` are all that the net answers for.

    ``fitted``: how the new classifier did on training pictures held out, None where it starts from its filler.
    """

    name: str
    fitted: TriedCandidate | None
    tasks: tuple[str, ...]
    head: str
    counts: dict[str, int]
    train: int
    val: int
    iterations: int
    batch_size: int
    files: list[str]
    commands: list[tuple[str, str]]
    notes: list[Note]
    notices: list[str]
    balance: ClassChoice


@locks.exclusive(lambda options: options.out)
def task_project(options: TaskProjectOptions, say: Stage = lambda what, done, total: None) -> TaskSummary:
    """Write the folder ``options.out`` and return what is in it.

    Everything is made before anything is written, and a folder that exists is not touched without ``overwrite``.
    Raises UserError for a net, a folder or weights that do not fit, and Refusal for what the passes refuse.
    """
    out = Path(options.out)
    if wrong := class_choice.problem(options.balance):
        raise UserError(wrong)
    refuse_overwriting(out, (*FILES, STARTED), options.overwrite)
    path, variables = catalogue.resolve(options.net, options.variables)
    notices: list[str] = []
    original = states.phased(read_net(path, variables or None).within(options.stages, options.level), notices)
    view = View(original)
    given = _weights_named(options)
    weights = load(given)
    _refuse_random(view, original, weights)
    name = word_of(options.name or options.data)
    known = _known(view, weights, path)
    found = project_pictures.read_pictures(options, say)
    parts = project_pictures.parted(found, options)
    notices += [*original.notes, *project_pictures.notices(found, parts)]
    balanced = class_choice.chosen_for(found, parts, options.balance, NONE, fitted=True)
    batch = options.batch_size or batch_size(len(parts.train), activations(view), options.device)
    size = (options.size, None) if options.size is not None else size_elsewhere(view, path)
    data = _data(options, found, parts, batch, size, _record(weights))
    widen = _widened(options, name)
    wanted = TaskOptions(name, tuple(found.classes), data, options.head, widen, tuple(options.reads), known)
    steps = [*task_steps(wanted), *([step(balance, BalanceOptions(balanced.word))] if balanced.word != NONE else [])]
    result = run(original, steps)
    started = carried(original, result, given, []) if result.moves else None
    fitted = _fitted(options, result.definition, started or weights, found, parts.train, notices, say)
    started = fitted.weights if fitted is not None else started
    trained = str(out / STARTED) if started is not None else given
    notices += [*_differing_size(options, weights), *_assumed(result)]
    solver = SolverOptions(
        net=reference(out, "train_val.prototxt"), pictures=len(parts.train), tested=len(parts.val or parts.train),
        classes=len(found.classes), batch_size=batch, weights=trained, solver=str(out / "solver.prototxt"),
        passes=options.passes, seed=options.seed, held=True, rate=_rate(fitted),
        watch=_watched(result, balanced) if fitted else "", balance=balanced.why,
        named=(reference(out, STARTED),) if started is not None else anywhere(given),
    )  # fmt: skip
    about = task_texts.TaskAbout(options.net, name, out, given, trained, sizes(solver).all, found.folder.resolve(),
                             fitted is not None, dict(options.variables))  # fmt: skip
    texts = _texts(result, solver, about, found, parts, known)
    write_folder(out, found, parts, texts, started, result.definition.message)
    heads = result.definition.message.lungo.head
    return TaskSummary(
        name, fitted.row if fitted else None, tuple(head.task for head in heads), heads[-1].name, found.counts(),
        len(parts.train), len(parts.val),
        about.iterations, batch, sorted(one.name for one in out.iterdir() if one.name in {*FILES, *texts, STARTED}),
        task_texts.commands(about), result.notes, notices, balanced,
    )  # fmt: skip


def _texts(
    result: Result,
    solver: SolverOptions,
    about: task_texts.TaskAbout,
    found: photos.PhotoFolder,
    parts: split_pictures.FolderSplit,
    known: Mapping[str, KnownTask],
) -> dict[str, str]:
    """The files of the folder that are text, by name."""
    trained = (len(parts.train), len(parts.val))
    return {
        "train_val.prototxt": task_texts.headed(result.definition, about, found.classes),
        "deploy.prototxt": run(result.definition, [step(deploy, DeployOptions())]).definition.text,
        "solver.prototxt": solver_text(solver),
        "README.md": task_texts.readme(about, found.counts(), trained, known, result.notes),
        "run.sh": task_texts.script(about),
        **{
            f"labels_{word_of(one.task)}.txt": "".join(f"{label}\n" for label in one.labels)
            for one in known.values()
            if one.labels
        },
    }


def _data(
    options: TaskProjectOptions,
    found: photos.PhotoFolder,
    parts: split_pictures.FolderSplit,
    batch: int,
    size: tuple[int | None, int | None],
    record: Any,
) -> FinetuneOptions:
    """The data layers of the new net; ``size`` is the side of a picture and its channels, ``record`` the weights'."""
    out = Path(options.out)
    return FinetuneOptions(
        classes=len(found.classes),
        train_source=reference(out, "train.txt"),
        val_source=reference(out, "val.txt" if parts.val else "train.txt"),
        root_folder=str(found.folder.resolve()),
        batch_size=batch,
        test_batch_size=min(batch, len(parts.val or parts.train)),
        size=size[0],
        resize=options.resize,
        channels=size[1],
        preprocessing=record,
    )


def _widened(options: TaskProjectOptions, name: str) -> tuple[str, UnitOptions] | None:
    """The layer beside which the task's own units are placed, and these units; None without any."""
    if len(options.widen) > 1:
        raise UserError(
            "a new task accepts new units beside one layer only",
            received=" ".join(f"--widen {layer}:{unit.units}" for layer, unit in options.widen),
            remedy="name the layer that the classifier reads, and earlier ones with --read",
        )
    return next(((layer, replace(unit, suffix=name)) for layer, unit in options.widen), None)


def _assumed(result: Result) -> list[str]:
    """What was assumed for want of knowledge: of preprocessing, and of the old classes' names."""
    notices = started_net.assumed(result)
    unnamed = [head for head in result.definition.message.lungo.head if not head.label]
    return notices + [
        f"the class names of `{head.name}` are unknown: its classes are numbered until you write them into "
        "lungo { head { ... } } of the net"
        for head in unnamed
    ]


def _rate(fitted: FittedHead | None) -> float | None:
    """The rate that a fitted classifier bears: the longer its features, the less."""
    return step_size.rate(fitted.energy, fitted=True) if fitted is not None else None


def _watched(result: Result, balanced: ClassChoice) -> str:
    """The test output by which the best weights are chosen: the loss of the new task, as in ``finetune_project``."""
    if balanced.word == SAMPLING:
        return "balanced_accuracy"
    return started_net.loss_blob(result.definition, result.definition.message.lungo.head[-1].name)


def _fitted(
    options: TaskProjectOptions,
    definition: Definition,
    weights: Weights,
    found: photos.PhotoFolder,
    train: Sequence[int],
    notices: list[str],
    say: Stage,
) -> FittedHead | None:
    """The new task's classifier fitted to the training pictures; None, with a notice, where that cannot be."""
    from caffelungo.probes.class_correction import of_net
    from caffelungo.probes.fit_classifier import fitted_head
    from caffelungo.solve.engine import make_engine
    from caffelungo.solve.options import EngineOptions

    head = definition.message.lungo.head[-1].name
    entries = [(found.pictures.path(index), int(found.pictures.labels[index])) for index in train]
    engine = make_engine(EngineOptions(device=options.device))
    try:
        return fitted_head(
            definition, weights, entries, len(found.classes), engine, head,
            groups=found.copies_among(train), mirrored=mirrors(definition), seed=options.seed,
            correction=of_net(definition),
            say=lambda done, total, text: say(f"features of {counted(len(entries), 'picture')}", int(done), int(total)),
        )  # fmt: skip
    except UserError as error:
        notices.append(f"`{head}` starts from its filler: {error.problems[0].what}")
        return None


def _weights_named(options: TaskProjectOptions) -> str:
    """The weights as the commands will name them: the user's, else those that come with a net of the catalogue."""
    if options.weights is not None:
        return options.weights
    shipped = catalogue.weights_with(options.net, options.variables)
    if shipped is None:
        raise UserError(
            "--task needs the weights of the trained net",
            received=f"lungo grow {options.net} --task {options.data}",
            remedy="name them: --weights mine/solver_iter_300.caffemodel",
        )
    return shipped


def _refuse_random(view: View, original: Definition, weights: Weights) -> None:
    """UserError when weights do not fit, or lack a layer of the old answers, which would be held at random values."""
    for graph in view.graphs.values():
        table = match(graph.plan, weights, where=original.where)
        if table.problems:
            raise UserError(table.problems)
        heads = {one.head.index for one in view.answers}
        needed = {one.name for one in graph.upstream([one for one in graph.plan.layers if one.index in heads])}
        missing = [name for name in table.layers(NEW) if name in needed]
        if missing:
            raise UserError(
                "layers of the net are missing in the weights, and would be frozen at random values",
                where=Location(weights.path),
                received=f"no weights for {', '.join(f'`{name}`' for name in missing)}",
                remedy="name the trained weights of this net: a solver_iter_N.caffemodel of its training",
            )


def _known(view: View, weights: Weights, path: Path) -> dict[str, KnownTask]:
    """What the net, its weights and a labels.txt beside it say of the old classifiers, by layer."""
    named = heads_of(view.net.lungo, weights.extras)
    single = len(view.answers) == 1
    carried_labels = list(weights.extras.label) if weights.extras is not None else []
    known = {}
    for one in view.answers:
        if one.name in named:
            entry = named[one.name]
            known[one.name] = KnownTask(entry.task or one.name, tuple(entry.label))
            continue
        found = (list(view.net.lungo.label), carried_labels, _listed(path)) if single else ()
        labels = next((names for names in found if len(names) == one.classes), [])
        known[one.name] = KnownTask((_folder(view) if single else None) or one.name, tuple(labels))
    return known


def _folder(view: View) -> str | None:
    """The name of the folder of pictures that the net was trained on, where it tells it: that of its task."""
    folders = [layer.image_data_param.root_folder for layer in view.net.layer if layer.type == "ImageData"]
    return word_of(folders[0]) if folders and folders[0] else None


def _listed(net: Path) -> list[str]:
    """The classes in a labels.txt beside the net, as `lungo finetune` writes it; none where there is no such file."""
    path = net.with_name("labels.txt")
    return path.read_text(encoding="utf-8").splitlines() if path.is_file() else []


def _record(weights: Weights) -> Any:
    """The preprocessing record inside the weights, or None."""
    extras = weights.extras
    if extras is None or not extras.HasField("preprocessing") or extras.preprocessing.mean_image:
        return None
    return message_class("lungo.Preprocessing").FromString(extras.preprocessing.SerializeToString())


def _differing_size(options: TaskProjectOptions, weights: Weights) -> list[str]:
    """A word on another size of pictures than the old classifiers know."""
    record = _record(weights)
    old = int(record.crop_height or record.resize_height) if record is not None else 0
    if options.size is None or not old or old == options.size:
        return []
    return [
        f"the old classifiers were trained on pictures of {old} pixels and will get {options.size}, like the new one: "
        "their outputs will differ (remove --size to avoid this)"
    ]
