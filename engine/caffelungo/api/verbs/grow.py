"""`lungo grow`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from caffelungo.api import steps, values
from caffelungo.api.steps import Growth
from caffelungo.api.values import Name, Names, Settings, Shapes, Units, Words
from caffelungo.api.verb_report import VerbReport
from caffelungo.api.verbs._rewriting import RewriteReport, options, report
from caffelungo.errors import UserError


@dataclass(frozen=True, repr=False)
class TaskReport(VerbReport):
    """The folder of a further task: its new classifier, the ``tasks`` that the net answers for, what was written.

    ``folder``: the folder that was written.
    ``name``: the name of the task.
    ``new_classifier``: the layer of its classifier.
    ``train``: how many pictures train.
    ``val``: how many pictures are kept for testing.
    ``iterations``: how many iterations the solver trains.
    ``batch_size``: pictures per batch.
    ``solver``: the solver file to train with.
    ``files``: the files that were written.
    ``notes``: what was changed or decided, and why.
    ``notices``: what was done differently from what could be expected.
    ``commands``: what the command line would run next.
    """

    folder: str
    name: str
    tasks: list[str]
    new_classifier: str
    train: int
    val: int
    iterations: int
    batch_size: int
    solver: str
    files: list[str]
    notes: list[str]
    notices: list[str]
    commands: list[str]


@dataclass(frozen=True, repr=False)
class GrowReport(RewriteReport):
    """As ``RewriteReport``; ``parameters`` counts those that learn may use, before and after."""

    parameters: tuple[int, int] = field(default=(0, 0))


def grow(
    net: Name | None = None,
    *,
    output: Name,
    widen: Units | None = None,
    deepen: Units | None = None,
    joint: Units | None = None,
    recursive: Units | None = None,
    enlarge: Units | None = None,
    recipe: Name | None = None,
    normalize: bool = True,
    scale: float | str = "20",
    filler: str | None = None,
    start: str = "filler",
    noise: float = 0.1,
    seed: int = 0,
    keep_head: bool = False,
    new_scale: float | None = None,
    kernel: int | None = None,
    unit_suffix: str = "new",
    unit_rates: str = "10:1,20:0",
    task: Name | None = None,
    name: str | None = None,
    read: Words | None = None,
    head: str | None = None,
    val: float | None = None,
    size: int | None = None,
    resize: int | None = None,
    batch_size: int | None = None,
    passes: int | None = None,
    groups: str | None = None,
    per_class: int | None = None,
    path_column: str | None = None,
    label_column: Words | None = None,
    corrections: Name | None = None,
    balance: str | None = None,
    device: str | None = None,
    weights: Names | None = None,
    tune: str | None = None,
    solver: Name | None = None,
    shape: Shapes | None = None,
    set: Settings | None = None,
    level: int = 0,
    stage: Words | None = None,
    draw: Name | None = None,
    overwrite: bool = False,
    quiet: bool = False,
    **more: Any,
) -> GrowReport | TaskReport:
    """Grow a net by new units that learn beside the old ones, or by a further ``task``, and write the new files.

    ``net`` is a prototxt or a name of ``cl.nets()`` (a ``recipe`` may name it), ``output`` the prototxt to write, or a
    folder. ``widen={"fc7": 512}`` puts 512 new units beside layer ``fc7``; ``deepen`` a layer on top of it, ``joint``
    both, ``recursive`` units beside several layers from the bottom up, ``enlarge`` copies of a layer's own units.
    ``tune`` says what learns: ``new``, ``top``, ``top_two`` or ``all``. With ``task``, a folder of pictures, ``output``
    is a folder that trains a separate classifier for them. The options are those of
    ``lungo grow``; those of further passes are taken, too, as ``more``.

    UserError when nothing is asked for, a pass refuses, or a file would be lost.

    >>> done = cl.grow("squeezenet1.1", output="grown.prototxt", widen={"fire9/concat": 8})
    >>> done.files
    ['grown.prototxt']
    >>> done.parameters
    (1235496, 1248632)
    """
    values.judge("grow", locals())
    from caffelungo.projects.task_project import TaskProjectOptions
    from caffelungo.rewriting.grow_steps import grow as run

    growth = Growth(
        widen, deepen, joint, recursive, enlarge, normalize, scale, filler, start, noise, seed, keep_head, new_scale,
        kernel, unit_suffix, unit_rates, more,
    )  # fmt: skip

    def measured(layer: str, flag: str) -> float:
        return _measured(net, weights, layer, flag, set, stage, level)

    if task is not None:
        refuse_old_changes(net, {
            "--deepen": deepen, "--joint": joint, "--recursive": recursive, "--enlarge": enlarge, "--recipe": recipe,
            "--keep-head": keep_head, "--tune": tune, "--solver": solver, "--shape": shape, "--draw": draw,
        })  # fmt: skip
        wanted = TaskProjectOptions(
            net=values.path(net) or "", data=values.path(task) or "", out=values.path(output) or "",
            weights=values.joined(weights), name=name, head=head,
            widen=growth.options(options(None, "", weights=None, solver=None, shape=None, set=None, level=0, stage=None,
                                         overwrite=False), measured).widen,
            reads=values.repeated(read), val=0.2 if val is None else val, size=size, resize=resize,
            batch_size=batch_size, passes=passes, seed=seed, device=device or "cpu", variables=values.variables(set),
            overwrite=overwrite, stages=values.listed(stage), level=level, groups=groups, per_class=per_class,
            path_column=path_column, label_column=values.columns(label_column), corrections=values.path(corrections),
            balance=balance or "auto",
        )  # fmt: skip
        return _task(wanted, quiet)
    refuse_without_task({
        "--name": name, "--read": read, "--val": val, "--size": size, "--resize": resize, "--batch-size": batch_size,
        "--passes": passes, "--groups": groups, "--per-class": per_class, "--path-column": path_column,
        "--label-column": label_column, "--corrections": corrections, "--balance": balance, "--device": device,
    })  # fmt: skip
    files = options(
        net, output, weights=weights, solver=solver, shape=shape, set=set, level=level, stage=stage,
        overwrite=overwrite, recipe=values.path(recipe), tune=steps.depth(tune), head=head,
    )  # fmt: skip
    done = run(growth.options(files, measured))
    made = report(done.rewritten, draw)
    return GrowReport(
        made.net, made.weights, made.files, made.notes, made.notices, made.diff, made.rewritten, done.parameters
    )


def refuse_old_changes(net: Name | None, asked: dict[str, Any]) -> None:
    """UserError when no net is named, or for options that change what is old, which a new task never does."""
    if net is None:
        raise UserError("a task is added to a net, and none is named", remedy="lungo grow NET --task birds/ -o mine2/")
    if wrong := [flag for flag, value in asked.items() if value]:
        raise UserError(
            "a new task leaves the old net as it is, and these flags are for a net that changes",
            received=" ".join(["--task", *wrong]),
            remedy="leave them out; --widen and --read are for the new classifier alone",
        )


def refuse_without_task(asked: dict[str, Any]) -> None:
    """UserError for options of ``task`` without it."""
    if wrong := [flag for flag, value in asked.items() if value not in (None, [])]:
        raise UserError(
            f"{wrong[0]} goes with --task", received=" ".join(wrong), remedy="add --task FOLDER, or leave it out"
        )


def _task(wanted: Any, quiet: bool) -> TaskReport:
    from caffelungo.projects.task_project import task_project
    from caffelungo.report.progress_bar import stages

    with stages(quiet) as say:
        done = task_project(wanted, say)
    return TaskReport(
        wanted.out, done.name, list(done.tasks), done.head, done.train, done.val, done.iterations, done.batch_size,
        str(Path(wanted.out, "solver.prototxt")), [str(Path(wanted.out, name)) for name in done.files],
        [str(note) for note in done.notes], list(done.notices), [command for command, _ in done.commands],
    )  # fmt: skip


def _measured(
    net: Name | None, weights: Names | None, layer: str, flag: str, set: Settings | None, stage: Words | None,
    level: int,
) -> float:  # fmt: skip
    """The mean norm behind ``layer`` on the data of ``net``, to three digits."""
    if net is None or weights is None:
        raise UserError(
            "the scale can be measured only with a net and its weights",
            received="--scale measured without " + ("a net" if net is None else "--weights"),
            remedy="name the net and add --weights, or write --scale 20",
        )
    from caffelungo.solve.feature_length import channel_norm

    norm = channel_norm(
        values.path(net) or "", values.joined(weights) or "", layer, flag, values.variables(set),
        stages=values.listed(stage), level=level,
    )  # fmt: skip
    return float(f"{norm:.3g}")
