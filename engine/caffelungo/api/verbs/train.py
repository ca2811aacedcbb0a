"""`lungo train`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from caffelungo.api import values
from caffelungo.api.values import Name, Names, Settings, Words

if TYPE_CHECKING:
    from caffelungo.api.training import Callbacks, TrainReport


def train(
    solver: Name,
    weights: Names | None = "",
    *,
    callbacks: Callbacks = (),
    snapshot: Name | None = None,
    resume: bool = False,
    reset_state: bool = False,
    set_solver: Settings | None = None,
    fit_batch: bool = False,
    weights_format: str | None = None,
    reinit: Words = "",
    set: Settings | None = None,
    device: str = "auto",
    gpu: str | None = None,
    precision: str = "fp32",
    compile: bool = False,
    memory_format: str = "auto",
    threads: int | None = None,
    workers: int | None = None,
    level: int = 0,
    stage: Words | None = None,
    sigint_effect: str = "stop",
    sighup_effect: str = "snapshot",
    early_stop: int | None = None,
    keep_best: bool | None = None,
    keep_last: int | None = None,
    watch: str | None = None,
    tensorboard: bool | None = None,
    stop_diverged: bool = True,
    overwrite: bool = False,
    caffe: bool = False,
    quiet: bool = False,
) -> TrainReport:
    """Train a net with a solver file: from scratch, from ``weights``, or on from a ``snapshot``.

    ``weights`` are files or ``torchvision:NAME``, copied by layer name; by default those that the solver names.
    ``set_solver`` are fields of the solver, ``{"max_iter": 100}``, ``set`` variables of templates. ``callbacks`` are
    functions ``f(iteration, values)``, called for each displayed iteration and each test with the values by name; one
    that returns True ends the training as SIGINT does. A ``caffelungo.Observer`` sees more. The other options are those
    of ``lungo train``. Interrupting the kernel stops the training, and what was done is returned.

    UserError with everything that is wrong with the solver, the nets, the weights or the data, and for snapshots that
    would be lost; RunError when a value becomes non-finite, memory is short or the disk is full.

    >>> seen = []
    >>> done = cl.train("mine/solver.prototxt", set_solver={"max_iter": 2, "display": 1}, quiet=True,
    ...                 callbacks=lambda iteration, values: seen.append(iteration))
    >>> done.ending, done.iteration, [row["iteration"] for row in done.history if row["phase"] == "train"]
    ('done', 2, [0, 1])
    >>> done.open().plan.name == cl.open("mine/train_val.prototxt").plan.name
    True
    """
    values.judge("train", locals())
    from caffelungo.api.training import TrainReport, history, observers
    from caffelungo.report import metrics_csv
    from caffelungo.solve import run_folder, run_training
    from caffelungo.solve.options import TrainOptions

    path = values.path(solver) or ""
    done = run_training.run_training(
        TrainOptions(
            solver=path, weights=values.names(weights), reinit=values.words(reinit), snapshot=values.path(snapshot),
            resume=resume, variables=values.variables(set), device=device, gpu=gpu, precision=precision,
            compile=compile, memory_format=memory_format, threads=threads, workers=workers, level=level,
            stages=values.listed(stage), sigint_effect=sigint_effect, sighup_effect=sighup_effect,
            early_stop=early_stop, keep_best=keep_best, keep_last=keep_last, watch=watch, tensorboard=tensorboard,
            stop_diverged=stop_diverged, overwrite=overwrite, caffe=caffe, quiet=quiet,
            command=["caffelungo.train", path], reset_state=reset_state, set_solver=values.settings(set_solver),
            fit_batch=fit_batch, weights_format=weights_format,
        ),
        observers(callbacks),
    )  # fmt: skip
    points = [point for point, _ in metrics_csv.read(done.folder / run_folder.METRICS)] if done.folder else []
    return TrainReport(
        done.training.iteration, done.ending.name.lower(), str(done.snapshot.weights) if done.snapshot else None,
        str(done.best) if done.best else None, str(done.folder) if done.folder else None, history(points), points,
        done.training,
    )  # fmt: skip
