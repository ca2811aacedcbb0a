"""`lungo finetune`."""

from __future__ import annotations

from dataclasses import dataclass

from caffelungo.api import values
from caffelungo.api.values import Name, Names, Settings, Words
from caffelungo.api.verb_report import DataTable, VerbReport
from caffelungo.errors import UserError


@dataclass(frozen=True, repr=False)
class FinetuneReport(VerbReport):
    """What was written. ``probe``: the linear classifiers that were tried as the start, best accuracy in ``accuracy``.

    ``commands`` are what the command line would run next; ``cl.train(report.solver)`` is the first of them.

    ``folder``: the folder that was written.
    ``classes``: the names of the classes.
    ``train``: how many pictures train.
    ``val``: how many pictures are kept for testing.
    ``new_classifiers``: the layers of the fresh classifiers.
    ``weights``: the weights that training starts from (None: from fillers).
    ``iterations``: how many iterations the solver trains.
    ``batch_size``: pictures per batch.
    ``solver``: the solver file to train with.
    ``net``: the net's file.
    ``files``: the files that were written.
    ``starts_from``: the layer whose linear classifier is the start (empty: none).
    ``notes``: what was changed or decided, and why.
    ``notices``: what was done differently from what could be expected.
    ``balance``: what is done about classes of different sizes.
    ``numbers``: what is predicted in the place of classes, with units; ``probe`` then has the ridge regressions.
    """

    folder: str
    classes: list[str]
    train: int
    val: int
    new_classifiers: list[str]
    weights: str | None
    iterations: int
    batch_size: int
    solver: str
    net: str
    files: list[str]
    probe: DataTable
    starts_from: str
    notes: list[str]
    notices: list[str]
    commands: list[str]
    balance: str
    numbers: list[str]


def finetune(
    net: Name,
    data: Name,
    output: Name,
    *,
    weights: Names | None = None,
    caffe_classic: bool = False,
    scratch: bool = False,
    layers: Words = "auto",
    val: float = 0.2,
    head: str | None = None,
    freeze_to: str | None = None,
    remember: bool = False,
    suffix: str | None = None,
    size: int | None = None,
    resize: int | None = None,
    batch_size: int | None = None,
    passes: int | None = None,
    groups: str | None = None,
    per_class: int | None = None,
    path_column: str | None = None,
    label_column: Words | None = None,
    corrections: Name | None = None,
    balance: str = "auto",
    augment: str = "",
    predict: str = "auto",
    loss: str = "auto",
    seed: int = 0,
    device: str = "cpu",
    set: Settings | None = None,
    level: int = 0,
    stage: Words | None = None,
    overwrite: bool = False,
    quiet: bool = False,
) -> FinetuneReport:
    """Make a folder that trains ``net`` on photos: split, lists, a fitted classifier to start from, net and solver.

    ``net`` is a prototxt or a name of ``cl.nets()``, ``data`` a folder with one sub-folder of pictures per class
    (or a list, a table, a data set: docs/data.md), ``output`` the folder to write. The share ``val`` of the pictures is
    kept for testing. ``size`` and ``resize`` are in pixels, ``passes`` is how often training sees each picture.
    ``weights`` default to those of the net; ``scratch`` starts from fillers, ``caffe_classic`` trains as Caffe's
    examples do, ``remember`` keeps the old classifier. The options are those of ``lungo finetune``.

    UserError with everything that is wrong with the net, the pictures or the options; nothing is written then.

    >>> made = cl.finetune("squeezenet1.1", "photos", "birds", size=64, passes=2, layers="fire9/concat", quiet=True)
    >>> made.classes, made.train, made.val
    (['blue', 'green', 'red'], 12, 3)
    >>> made.solver
    'birds/solver.prototxt'
    """
    values.judge("finetune", locals())
    from pathlib import Path

    from caffelungo.projects.finetune_project import NONE, ProjectOptions, finetune_project
    from caffelungo.report.progress_bar import stages

    named = values.joined(weights)
    if scratch and named not in (None, NONE):
        raise UserError(
            "a training from scratch has no weights", received=f"--scratch --weights {named}",
            remedy="leave one of the two out",
        )  # fmt: skip
    folder = values.path(output) or ""
    wanted = ProjectOptions(
        net=values.path(net) or "", data=values.path(data) or "", out=folder, weights=NONE if scratch else named,
        classic=caffe_classic, layers=tuple(values.words(layers)), val=val, head=head, freeze_to=freeze_to,
        suffix=suffix, size=size, resize=resize, batch_size=batch_size, passes=passes, remember=remember, seed=seed,
        device=device, variables=values.variables(set), stages=values.listed(stage), level=level, overwrite=overwrite,
        groups=groups, per_class=per_class, path_column=path_column, label_column=values.columns(label_column),
        corrections=values.path(corrections),
        balance=balance, augment=augment, predict=predict, loss=loss,
    )  # fmt: skip
    with stages(quiet) as say:
        done = finetune_project(wanted, say)
    tried = done.probe or done.regressions or done.label_regressions
    rows = tried.rows if tried else []
    return FinetuneReport(
        folder, list(done.classes), done.train, done.val, list(done.heads), done.weights, done.iterations,
        done.batch_size, str(Path(folder, "solver.prototxt")), str(Path(folder, "train_val.prototxt")),
        [str(Path(folder, name)) for name in done.files], DataTable(row.plain() for row in rows),
        tried.chosen.candidate.name if tried else "", [str(note) for note in done.notes],
        list(done.notices), [command for command, _ in done.commands], done.balance.word,
        [one.title for one in done.numbers],
    )  # fmt: skip
