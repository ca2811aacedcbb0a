"""`lungo finetune`: from a net and a folder of photos to a folder with everything a training needs.

NET, DIR/cat/*.jpg, DIR/dog/*.jpg  ->  OUT/train.txt val.txt labels.txt start.caffemodel
                                       OUT/train_val.prototxt deploy.prototxt solver.prototxt run.sh README.md

The training starts from the best linear classifier on the frozen net (``probes.finetune_start``), unless Caffe's way or
a start from scratch is asked for. PyTorch is loaded for the former only.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from caffelungo import locks, shell
from caffelungo.data import folder as photos
from caffelungo.data import label_pictures, named_pictures, split_pictures, target_rows
from caffelungo.data.named_pictures import NamedPictures
from caffelungo.data.picture_table import PictureColumns
from caffelungo.data.target_pictures import scan_targets
from caffelungo.definition.reader import Definition
from caffelungo.errors import Problem, UserError
from caffelungo.passes.balance import SAMPLING, BalanceOptions, balance, correction_of
from caffelungo.passes.base import Note, Result, Step, run, step
from caffelungo.passes.deploy import DeployOptions, deploy
from caffelungo.passes.new_units import feeding
from caffelungo.passes.remember import Remembering, RememberOptions
from caffelungo.passes.suggested_solver import SolverOptions, sizes, solver_text
from caffelungo.passes.view import View
from caffelungo.probes.candidates import before_replacing
from caffelungo.projects import augmentation_choice, class_choice, finetune_texts, project_pictures, started_net
from caffelungo.projects.class_choice import AUTO, ClassChoice
from caffelungo.projects.finetune_texts import FinetuneAbout
from caffelungo.projects.label_project import label_project
from caffelungo.projects.number_project import number_project
from caffelungo.projects.pair_project import pair_project, sees_pairs
from caffelungo.projects.project_options import (
    CLASSES,
    LABELS,
    NUMBERS,
    PREDICT,
    ProjectOptions,
    Stage,
    Summary,
    wrong_word,
)
from caffelungo.projects.write_folder import FILES, write_folder
from caffelungo.rewriting.folder_files import STARTED, reference, refuse_overwriting, word_of
from caffelungo.rewriting.retarget import NONE, Opened, Pictures, PointOptions, batch_of, mirrors, open_net, point
from caffelungo.rewriting.rewrite import carried
from caffelungo.weights.load import anywhere
from caffelungo.weights.weights import Weights

if TYPE_CHECKING:
    from caffelungo.probes.finetune_start import Started
    from caffelungo.probes.start_candidates import Reader

_PREDICT = {AUTO: None, CLASSES: False, LABELS: False, NUMBERS: True}
"""Whether labels are numbers to predict, by ``ProjectOptions.predict``; None: as they look."""
AUGMENTED = 0.35
"""Least share of a photo's area that training sees of it at a time: less may miss the object in small sets."""


@locks.exclusive(lambda options: options.out)
def finetune_project(
    options: ProjectOptions, say: Stage = lambda what, done, total: None, reader: Reader | None = None
) -> Summary:
    """Write the folder ``options.out`` and return what is in it.

    Everything is made before anything is written, and a folder that exists is not touched without ``overwrite``.
    ``reader`` has features that are not to be computed again.
    Raises UserError for a net, a folder or weights that do not fit.
    """
    out = Path(options.out)
    refuse_overwriting(out, (*FILES, STARTED), options.overwrite)
    wanted = _wanted(options)
    opened = open_net(wanted)
    view = View(opened.definition)
    _refuse_contradictions(options, opened)
    augmentation_choice.steps(options.augment)  # mistakes are reported before pictures are read
    if sees_pairs(options):
        return pair_project(options, wanted, opened, say)
    found, parts = _pictures(options, say)
    if found.pictures.targets is not None and found.pictures.labels.max() >= 0:
        return label_project(options, wanted, opened, found, parts, say)
    if found.pictures.targets is not None:
        return number_project(options, wanted, opened, found, parts, say)
    probing = opened.weights is not None and not options.classic and not options.remember
    known = correction_of(opened.definition)
    balanced = class_choice.chosen_for(found, parts, options.balance, known, probing)
    steps = _classic_steps(options) if not probing else ()
    if balanced.word != known:
        steps = (*steps, step(balance, BalanceOptions(balanced.word)))
    steps = (*steps, *augmentation_choice.steps(options.augment))
    result = point(opened, wanted, _pointed_at(out, found, parts, probing), steps)
    probe = _probed(options, opened, result, found, parts.train, say, reader) if probing else None
    definition, started, notes = _begun(options, opened, result, probe)
    weights = str(out / STARTED) if started is not None else opened.weights
    solver = SolverOptions(
        net=reference(out, "train_val.prototxt"), pictures=len(parts.train), tested=len(parts.val or parts.train),
        classes=len(found.classes), batch_size=batch_of(view, wanted, len(parts.train)), weights=weights,
        solver=str(out / "solver.prototxt"),
        fresh=opened.weights is None, passes=options.passes, seed=options.seed, started=probe is not None,
        named=(reference(out, STARTED),) if started is not None else anywhere(weights),
        watch=_watched(definition, balanced) if probing else "", balance=balanced.why,
    )  # fmt: skip
    about = FinetuneAbout(
        options.net, out, Path(options.data.partition("?")[0]), found.counts(), len(parts.train),
        len(parts.val), sizes(solver).all, weights,
        probe.chosen.penalty if probe is not None else None, mirrors(definition),
        shared=bool(parts.val) and found.given is None, balance=balanced.why, corrections=found.corrections,
    )  # fmt: skip
    texts = _texts(definition, solver, about, found.classes, notes, probe)
    write_folder(out, found, parts, texts, started, definition.message)
    return Summary(
        tuple(found.classes), found.counts(), about.train, about.val,
        tuple(one.name for one in View(definition).classifiers), weights, about.iterations, solver.batch_size,
        {name: out / name for name in (*FILES, STARTED) if (out / name).exists()}, finetune_texts.commands(about),
        notes, _notices(options, opened, view, found, parts, result), balanced, probe,
    )  # fmt: skip


def _wanted(options: ProjectOptions) -> PointOptions:
    """The net that is asked for, and what of its data is to change."""
    return PointOptions(
        options.net, options.weights, options.head, options.suffix or word_of(options.data), options.size,
        options.resize, options.mean_value, options.batch_size, options.device, options.variables, options.stages,
        options.level,
    )  # fmt: skip


def _pictures(options: ProjectOptions, say: Stage) -> tuple[photos.PhotoFolder, split_pictures.FolderSplit]:
    """The pictures, and which of them train; those of lists with numbers have ``targets``."""
    columns = PictureColumns(
        options.path_column, options.label_column, _PREDICT[options.predict], labels=options.predict == LABELS,
        names=options.predict in (CLASSES, LABELS),
    )  # fmt: skip
    named = named_pictures.resolve(
        options.data, columns, lambda done, total: say("reading pictures", done, total), rows=options.predict != CLASSES
    )  # fmt: skip
    found = _rows(options, named, say) if named.label_size else _classes(options, columns, say)
    return found, project_pictures.parted(found, options)


def _rows(options: ProjectOptions, named: NamedPictures, say: Stage) -> photos.PhotoFolder:
    """Pictures with a row of labels or of numbers each."""
    found = scan_targets(
        named, groups=options.groups, progress=lambda done, total: say("reading pictures", done, total), hints=True
    )
    assert found.pictures.targets is not None
    if options.predict == LABELS:
        label_pictures.refuse_numbers(found.pictures)
    if options.predict != NUMBERS and target_rows.are_labels(found.pictures.targets):
        return label_pictures.of_rows(found)
    return found


def _classes(options: ProjectOptions, columns: PictureColumns, say: Stage) -> photos.PhotoFolder:
    """Pictures with one class each, or with all classes that they are found in as their labels."""
    found = project_pictures.read_pictures(options, say, columns)
    if options.predict == LABELS:
        return label_pictures.of_classes(found)
    if label_pictures.in_several(found):
        found.notices.append("--predict labels gives pictures that are in several classes all of these labels")
    return found


def _pointed_at(out: Path, found: photos.PhotoFolder, parts: split_pictures.FolderSplit, probing: bool) -> Pictures:
    """What the data layers will read."""
    return Pictures(
        len(found.classes), len(parts.train), len(parts.val or parts.train), reference(out, "train.txt"),
        reference(out, "val.txt" if parts.val else "train.txt"), str(found.folder.resolve()),
        AUGMENTED if probing else None,
    )  # fmt: skip


def _texts(
    definition: Definition,
    solver: SolverOptions,
    about: FinetuneAbout,
    classes: Sequence[str],
    notes: list[Note],
    probe: Started | None,
) -> dict[str, str]:
    """The files of the folder that are text, by name."""
    return {
        "train_val.prototxt": finetune_texts.headed(definition, about, classes),
        "deploy.prototxt": run(definition, [step(deploy, DeployOptions())]).definition.text,
        "solver.prototxt": solver_text(solver),
        "README.md": finetune_texts.readme(about, notes, probe),
        "run.sh": finetune_texts.script(about),
    }


def _refuse_contradictions(options: ProjectOptions, opened: Opened) -> None:
    problems: list[Problem] = [wrong] if (wrong := class_choice.problem(options.balance)) else []
    problems += wrong_word("--predict", options.predict, PREDICT, "thing to predict")
    if options.remember and opened.weights is None:
        problems.append(
            Problem("--remember needs weights", None, "--remember",
                    "name them: --weights net.caffemodel")
        )  # fmt: skip
    if options.layers != ("auto",) and (options.classic or options.remember or opened.weights is None):
        problems.append(
            Problem("--layers needs a training that starts from a linear classifier", None,
                    f"--layers {','.join(options.layers)}", "remove --layers, or the options that contradict it")
        )  # fmt: skip
    problems += before_replacing(View(opened.definition), options.layers, options.head)
    if problems:
        raise UserError(problems)


def _classic_steps(options: ProjectOptions) -> tuple[Step, ...]:
    remembering = (Remembering(RememberOptions(head=options.head)),) if options.remember else ()
    return (*remembering, *started_net.freezing(options))


def _begun(
    options: ProjectOptions, opened: Opened, pointed: Result, probe: Started | None
) -> tuple[Definition, Weights | None, list[Note]]:
    """The net that is trained, the weights that it starts from where these are new, and what the passes did."""
    if probe is None:
        started = carried(opened.definition, pointed, opened.weights, []) if pointed.moves else None
        return pointed.definition, started, pointed.notes
    refined, notes = started_net.refined(options, pointed, probe)
    return refined, probe.weights, notes


def _probed(
    options: ProjectOptions,
    opened: Opened,
    pointed: Result,
    found: photos.PhotoFolder,
    train: Sequence[int],
    say: Stage,
    reader: Reader | None,
) -> Started:
    """The net of ``pointed`` with the best linear classifier for the training pictures."""
    from caffelungo.probes.class_correction import of_net
    from caffelungo.probes.finetune_start import start
    from caffelungo.solve.engine import make_engine
    from caffelungo.solve.options import EngineOptions

    entries = [(found.pictures.path(index), int(found.pictures.labels[index])) for index in train]
    assert opened.weights is not None
    return start(
        pointed.definition, opened.weights, entries, found.classes, make_engine(EngineOptions(device=options.device)),
        layers=options.layers, suffix="joined", groups=found.copies_among(train),
        mirrored=mirrors(pointed.definition), seed=options.seed, correction=of_net(pointed.definition), reader=reader,
        say=say,
    )  # fmt: skip


def _watched(definition: Definition, balanced: ClassChoice) -> str:
    """The test output by which the best weights are chosen."""
    # The loss of a test is of pictures as they come, for which a net that has seen all classes equally often is wrong.
    return "balanced_accuracy" if balanced.word == SAMPLING else started_net.loss_blob(definition)


FEW = 20
"""Below so many training pictures per class, frozen features often do as well (Kornblith et al. 2019)."""


def _notices(
    options: ProjectOptions,
    opened: Opened,
    view: View,
    found: photos.PhotoFolder,
    parts: split_pictures.FolderSplit,
    result: Result,
) -> list[str]:
    notices = [*opened.definition.notes, *project_pictures.notices(found, parts)]
    below = feeding(view.graph, view.heads(options.head)[-1])
    few = len(parts.train) < FEW * len(found.classes)
    if options.classic and opened.weights is not None and options.freeze_to is None and below is not None and few:
        notices.append(
            f"about {len(parts.train) / len(found.classes):.0f} pictures per class are few to train a whole net on; "
            f"compare with --freeze-to {shell.word(below)}, which trains only the classifier, and faster"
        )
    return notices + started_net.notices(opened, result)


__all__ = ["FILES", "NONE", "STARTED", "ProjectOptions", "Summary", "Weights", "finetune_project"]
