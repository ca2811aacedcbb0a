"""`lungo finetune` where pictures have several labels: from a net and a table to a folder that trains.

NET, tags.csv (path,cat,dog)  ->  OUT/train.txt val.txt labels.txt start.caffemodel
                                  OUT/train_val.prototxt deploy.prototxt solver.prototxt run.sh README.md

Each label is predicted by itself (``passes.multi_label``). The training starts from the best logistic regressions on
the frozen net (``probes.label_start``); with Caffe's way or a start from scratch from a bias that says how often labels
are 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from caffelungo.data import folder as photos
from caffelungo.data import label_pictures, label_rows, split_pictures
from caffelungo.definition.definition import Definition
from caffelungo.errors import UserError
from caffelungo.layers import class_balance
from caffelungo.layers.class_balance import NONE
from caffelungo.passes.base import Note, Result, Step, run, step
from caffelungo.passes.deploy import DeployOptions, deploy
from caffelungo.passes.finetune_options import FinetuneOptions
from caffelungo.passes.multi_label import CROSS_ENTROPY, LOSSES, LabelOptions, multi_label
from caffelungo.passes.suggested_solver import SolverOptions, sizes, solver_text
from caffelungo.passes.view import View
from caffelungo.projects import augmentation_choice, label_texts, project_pictures, started_net
from caffelungo.projects.class_choice import AUTO, ClassChoice
from caffelungo.projects.label_texts import LabelsAbout
from caffelungo.projects.project_options import ProjectOptions, Stage, Summary, unfit, wrong_word
from caffelungo.projects.write_folder import FILES, write_folder
from caffelungo.rewriting.folder_files import STARTED, reference
from caffelungo.rewriting.retarget import Opened, Pictures, PointOptions, batch_of, mirrors, point
from caffelungo.weights.load import anywhere

if TYPE_CHECKING:
    from caffelungo.probes.label_start import StartedLabels


def label_project(
    options: ProjectOptions,
    wanted: PointOptions,
    opened: Opened,
    found: photos.PhotoFolder,
    parts: split_pictures.FolderSplit,
    say: Stage,
) -> Summary:
    """Write the folder ``options.out`` for the labels of ``found``, and return what is in it.

    UserError for options that are for classes, and as ``finetune_project``.
    """
    out = Path(options.out)
    _refuse_other_options(options)
    names = found.pictures.target_names
    probing = opened.weights is not None and not options.classic
    balanced = _balanced(options)
    steps = (*(() if probing else started_net.freezing(options)),
             *augmentation_choice.steps(options.augment, mixed=False))  # fmt: skip
    result = point(opened, wanted, _pointed_at(out, options, found, parts, balanced.word), steps)
    tried = _tried(options, opened, result, found, parts.train, say) if probing else None
    definition, notes = _begun(options, result, tried)
    solver = SolverOptions(
        net=reference(out, "train_val.prototxt"), pictures=len(parts.train), tested=len(parts.val or parts.train),
        classes=len(names), batch_size=batch_of(View(opened.definition), wanted, len(parts.train)),
        weights=str(out / STARTED) if tried is not None else opened.weights, solver=str(out / "solver.prototxt"),
        fresh=opened.weights is None, passes=options.passes, seed=options.seed, started=tried is not None,
        named=(reference(out, STARTED),) if tried is not None else anywhere(opened.weights),
        watch=started_net.loss_blob(definition), balance=balanced.why, labelled=True,
    )  # fmt: skip
    about = LabelsAbout(
        options.net, out, Path(options.data.partition("?")[0]), label_pictures.counts(found, found.usable),
        len(parts.train), len(parts.val), sizes(solver).all, tried, balanced.why,
    )  # fmt: skip
    texts = {
        "labels.txt": "".join(f"{name}\n" for name in names),
        "train_val.prototxt": label_texts.headed(definition, about),
        "deploy.prototxt": run(definition, [step(deploy, DeployOptions())]).definition.text,
        "solver.prototxt": solver_text(solver),
        "README.md": label_texts.readme(about, notes),
        "run.sh": label_texts.script(),
    }
    write_folder(out, found, parts, texts, tried.weights if tried is not None else None, definition.message)
    notices = [
        *opened.definition.notes, *project_pictures.notices(found, parts, ", and thresholds are chosen on them"),
        *started_net.notices(opened, result),
    ]  # fmt: skip
    return Summary(
        names, dict(about.counts), about.train, about.val,
        tuple(one.name for one in View(definition).classifiers), solver.weights, about.iterations, solver.batch_size,
        {name: out / name for name in (*FILES, STARTED) if (out / name).exists()}, label_texts.commands(about),
        notes, notices, balanced, labelled=True, label_regressions=tried,
    )  # fmt: skip


def _pointed_at(
    out: Path, options: ProjectOptions, found: photos.PhotoFolder, parts: split_pictures.FolderSplit, balance: str
) -> Pictures:
    """What the data layers will read, and what replaces the class."""
    assert found.pictures.targets is not None
    share = label_rows.share(found.pictures.targets[parts.train])
    names, loss = found.pictures.target_names, CROSS_ENTROPY if options.loss == AUTO else options.loss

    def instead(pointed: FinetuneOptions) -> Step:
        return step(multi_label, LabelOptions(names, pointed, share, balance, loss))

    return Pictures(
        len(names), len(parts.train), len(parts.val or parts.train), reference(out, "train.txt"),
        reference(out, "val.txt" if parts.val else "train.txt"), str(found.folder.resolve()), instead=instead,
    )  # fmt: skip


def _refuse_other_options(options: ProjectOptions) -> None:
    problems = [
        *unfit({"--remember": options.remember, "--corrections": options.corrections},
               "for one class per picture, and these have several labels",
               "leave it out, or name pictures with one class each"),
        *wrong_word("--balance", options.balance, class_balance.WORDS, "correction for several labels"),
        *wrong_word("--loss", options.loss, LOSSES, "loss of several labels"),
    ]  # fmt: skip
    if problems:
        raise UserError(problems)


def _balanced(options: ProjectOptions) -> ClassChoice:
    """What the loss does about labels that few pictures have: nothing unless asked, as it shifts probabilities."""
    if options.balance in (AUTO, NONE):
        return ClassChoice(NONE)
    how = "numbers" if options.balance == class_balance.INVERSE else "effective numbers"
    return ClassChoice(
        options.balance, f"the loss weighs the 1s of each label by the ratio of the {how} of its 0s and 1s, as "
        "--balance asks: probabilities are higher than how often they are right"
    )  # fmt: skip


def _tried(
    options: ProjectOptions,
    opened: Opened,
    pointed: Result,
    found: photos.PhotoFolder,
    train: Sequence[int],
    say: Stage,
) -> StartedLabels:
    """The net of ``pointed`` with the best logistic regressions for the training pictures."""
    from caffelungo.probes.label_start import start_labels
    from caffelungo.solve.engine import make_engine
    from caffelungo.solve.options import EngineOptions

    assert opened.weights is not None
    entries = project_pictures.rows(found, train)
    return start_labels(
        pointed.definition, opened.weights, entries, found.pictures.target_names,
        make_engine(EngineOptions(device=options.device)), layers=options.layers, groups=found.copies_among(train),
        mirrored=mirrors(pointed.definition), seed=options.seed, say=say,
    )  # fmt: skip


def _begun(options: ProjectOptions, pointed: Result, tried: StartedLabels | None) -> tuple[Definition, list[Note]]:
    """The net that is trained, and what the passes did."""
    if tried is None:
        return pointed.definition, pointed.notes
    return started_net.refined(options, pointed, tried)
