"""`lungo finetune` where the labels are numbers to predict: from a net and a table to a folder that trains.

NET, ages.csv (path,age)  ->  OUT/train.txt val.txt start.caffemodel
                              OUT/train_val.prototxt deploy.prototxt solver.prototxt run.sh README.md

The net predicts standardised numbers, which a frozen Scale turns into those of the table (``passes.predict_numbers``).
The training starts from the best ridge regression on the frozen net (``probes.number_start``), unless Caffe's way or a
start from scratch is asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from caffelungo.data import folder as photos
from caffelungo.data import split_pictures
from caffelungo.data.table_columns import name_and_unit, numbered
from caffelungo.definition.definition import Definition
from caffelungo.errors import UserError
from caffelungo.passes.base import Note, Result, run, step
from caffelungo.passes.deploy import DeployOptions, deploy
from caffelungo.passes.moves import moved
from caffelungo.passes.predict_numbers import LOSSES, NumberColumn, refuse_constant
from caffelungo.passes.suggested_solver import SolverOptions, sizes, solver_text
from caffelungo.passes.view import View
from caffelungo.projects import augmentation_choice, number_texts, project_pictures, started_net
from caffelungo.projects.class_choice import AUTO, ClassChoice
from caffelungo.projects.number_texts import NumbersAbout
from caffelungo.projects.project_options import ProjectOptions, Stage, Summary, unfit, wrong_word
from caffelungo.projects.write_folder import FILES, write_folder
from caffelungo.rewriting.folder_files import STARTED, reference
from caffelungo.rewriting.retarget import Opened, Pictures, PointOptions, batch_of, mirrors, point
from caffelungo.rewriting.rewrite import carried
from caffelungo.weights.weights import Weights

if TYPE_CHECKING:
    from caffelungo.probes.number_start import StartedNumbers

LOSS = "huber"
"""The loss where none is asked for: a few wrong numbers of a table do not lead it astray."""


def number_project(
    options: ProjectOptions,
    wanted: PointOptions,
    opened: Opened,
    found: photos.PhotoFolder,
    parts: split_pictures.FolderSplit,
    say: Stage,
) -> Summary:
    """Write the folder ``options.out`` for the numbers of ``found``, and return what is in it.

    UserError for options that are for classes, for numbers that do not differ, and as ``finetune_project``.
    """
    out = Path(options.out)
    _refuse_class_options(options)
    numbers = columns_of(found, parts.train)
    refuse_constant(numbers)
    probing = opened.weights is not None and not options.classic
    pictures = Pictures(
        len(numbers), len(parts.train), len(parts.val or parts.train), reference(out, "train.txt"),
        reference(out, "val.txt" if parts.val else "train.txt"), str(found.folder.resolve()), None, numbers,
        LOSS if options.loss == AUTO else options.loss,
    )  # fmt: skip
    steps = (*(() if probing else started_net.freezing(options)),
             *augmentation_choice.steps(options.augment, mixed=False))  # fmt: skip
    result = point(opened, wanted, pictures, steps)
    tried = _tried(options, opened, result, found, parts.train, numbers, say) if probing else None
    definition, started, notes = _begun(options, opened, result, tried)
    solver = SolverOptions(
        net=reference(out, "train_val.prototxt"), pictures=len(parts.train), tested=pictures.tested,
        classes=len(numbers), batch_size=batch_of(View(opened.definition), wanted, len(parts.train)),
        weights=str(out / STARTED), solver=str(out / "solver.prototxt"), fresh=opened.weights is None,
        passes=options.passes, seed=options.seed, started=tried is not None, named=(reference(out, STARTED),),
        watch=started_net.loss_blob(definition), predicts=number_texts.titles(numbers),
    )  # fmt: skip
    about = NumbersAbout(
        options.net, out, Path(options.data.partition("?")[0]), numbers, len(parts.train), len(parts.val),
        sizes(solver).all, tried,
    )  # fmt: skip
    texts = {
        "train_val.prototxt": number_texts.headed(definition, about),
        "deploy.prototxt": run(definition, [step(deploy, DeployOptions())]).definition.text,
        "solver.prototxt": solver_text(solver),
        "README.md": number_texts.readme(about, notes),
        "run.sh": number_texts.script(),
    }
    write_folder(out, found, parts, texts, started, definition.message)
    return Summary(
        (), {}, about.train, about.val, tuple(one.name for one in View(definition).classifiers), solver.weights,
        about.iterations, solver.batch_size,
        {name: out / name for name in (*FILES, STARTED) if (out / name).exists()}, number_texts.commands(about),
        notes, _notices(opened, found, parts, result), ClassChoice("none"), None, numbers, tried,
    )  # fmt: skip


def columns_of(found: photos.PhotoFolder, train: Sequence[int]) -> tuple[NumberColumn, ...]:
    """What is to be predicted: names and units of the columns, means and deviations over the pictures ``train``.

    A unit follows the name, as in `age [years]` or `height (cm)`.
    """
    assert found.pictures.targets is not None
    rows = found.pictures.targets[list(train)].astype(np.float64)
    names = found.pictures.target_names or tuple(numbered(rows.shape[1]))
    return tuple(
        NumberColumn(*name_and_unit(name), float(mean), float(deviation))
        for name, mean, deviation in zip(names, rows.mean(0), rows.std(0), strict=True)
    )


def _refuse_class_options(options: ProjectOptions) -> None:
    given = {
        "--remember": options.remember, "--balance": options.balance if options.balance != AUTO else None,
        "--corrections": options.corrections,
    }  # fmt: skip
    problems = [
        *unfit(given, "for classes, and these pictures have numbers", "leave it out, or write --predict classes"),
        *wrong_word("--loss", options.loss, LOSSES, "loss of numbers"),
    ]
    if problems:
        raise UserError(problems)


def _tried(
    options: ProjectOptions,
    opened: Opened,
    pointed: Result,
    found: photos.PhotoFolder,
    train: Sequence[int],
    numbers: tuple[NumberColumn, ...],
    say: Stage,
) -> StartedNumbers:
    """The net of ``pointed`` with the best ridge regression for the training pictures."""
    from caffelungo.probes.number_start import start_numbers
    from caffelungo.solve.engine import make_engine
    from caffelungo.solve.options import EngineOptions

    assert opened.weights is not None
    entries = project_pictures.rows(found, train)
    return start_numbers(
        pointed.definition, opened.weights, entries, numbers, make_engine(EngineOptions(device=options.device)),
        layers=options.layers, groups=found.copies_among(train), mirrored=mirrors(pointed.definition),
        seed=options.seed, say=say,
    )  # fmt: skip


def _begun(
    options: ProjectOptions, opened: Opened, pointed: Result, tried: StartedNumbers | None
) -> tuple[Definition, Weights, list[Note]]:
    """The net that is trained, the weights that it starts from, and what the passes did."""
    if tried is None and opened.weights is None:
        return pointed.definition, Weights(moved({}, pointed.moves), types=_types(pointed.definition)), pointed.notes
    if tried is None:
        return pointed.definition, carried(opened.definition, pointed, opened.weights, []), pointed.notes
    refined, notes = started_net.refined(options, pointed, tried)
    return refined, tried.weights, notes


def _types(definition: Definition) -> dict[str, str]:
    return {layer.name: layer.type for layer in definition.message.layer}


def _notices(opened: Opened, found: photos.PhotoFolder, parts: split_pictures.FolderSplit, result: Result) -> list[str]:
    mirrored = ["training mirrors pictures at random: write `mirror: false` in train_val.prototxt where a mirror image "
                "has another number"] if mirrors(result.definition) else []  # fmt: skip
    return [
        *opened.definition.notes, *project_pictures.notices(found, parts), *mirrored,
        *started_net.notices(opened, result),
    ]  # fmt: skip
