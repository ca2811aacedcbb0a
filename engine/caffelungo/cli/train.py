"""`lungo train`."""

from __future__ import annotations

from typing import Annotated

import typer

from caffelungo.cli import options as o
from caffelungo.cli.verb_result import VerbResult


def train(
    solver: Annotated[str, typer.Option(help="The solver file.")],
    weights: Annotated[
        str,
        typer.Option(help="Weights to start from, matched by layer name: files or torchvision:NAME, comma-separated."),
    ] = "",
    snapshot: Annotated[str | None, typer.Option(help="A .solverstate to resume from.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Resume from the newest complete snapshot.")] = False,
    reset_state: Annotated[
        bool,
        typer.Option(
            "--reset-state", help="Take only the weights of the snapshot; restart iteration count and history."
        ),
    ] = False,
    set_solver: Annotated[
        list[str] | None,
        typer.Option("--set-solver", metavar="NAME=VALUE", help="Override a field of the solver; repeatable."),
    ] = None,
    fit_batch: Annotated[
        bool,
        typer.Option("--fit-batch", help="If a batch does not fit into memory, divide it and multiply iter_size."),
    ] = False,
    weights_format: Annotated[
        str | None,
        typer.Option(help="Weight format of snapshots: caffemodel, h5 or safetensors (default: the solver's)."),
    ] = None,
    reinit: Annotated[str, typer.Option(help="Re-initialise these layers even if the weights contain them.")] = "",
    set_: o.Set = None,
    device: o.Device = "auto",
    gpu: o.Gpu = None,
    precision: o.Precision = "fp32",
    compile_: o.Compile = False,
    memory_format: o.MemoryFormat = "auto",
    threads: o.Threads = None,
    workers: o.Workers = None,
    level: o.Level = 0,
    stage: o.Stage = None,
    sigint_effect: Annotated[str, typer.Option(help="What the signal does: stop, snapshot or none.")] = "stop",
    sighup_effect: Annotated[str, typer.Option(help="What the signal does: stop, snapshot or none.")] = "snapshot",
    early_stop: Annotated[int | None, typer.Option(help="Stop after this number of tests without improvement.")] = None,
    keep_best: Annotated[
        bool | None, typer.Option(help="Keep the snapshot with the best test value (default: the solver's).")
    ] = None,
    keep_last: Annotated[
        int | None, typer.Option(help="Number of snapshots to keep, newest first (default: the solver's).")
    ] = None,
    watch: Annotated[
        str | None,
        typer.Option(help="Test output to monitor for --early-stop and --keep-best, or balanced_accuracy or macro_f1."),
    ] = None,
    tensorboard: Annotated[
        bool | None, typer.Option(help="Write TensorBoard events (default: if it is installed).")
    ] = None,
    stop_diverged: Annotated[bool, typer.Option(help="Stop when the loss stays far above its start.")] = True,
    overwrite: o.Overwrite = False,
    caffe: o.Caffe = False,
    quiet: o.Quiet = False,
) -> VerbResult:
    """Train a net with a solver file, from scratch, from weights or from a snapshot.

    Example: [bold]lungo train --solver mine/solver.prototxt --weights net.caffemodel[/]
    """
    from caffelungo.solve import run_training
    from caffelungo.solve.options import TrainOptions

    done = run_training.run_training(
        TrainOptions(
            solver=solver, weights=o.words(weights), reinit=o.words(reinit), snapshot=snapshot, resume=resume,
            variables=o.variables(set_), device=device, gpu=gpu, precision=precision, compile=compile_,
            memory_format=memory_format, threads=threads, workers=workers, level=level, stages=o.listed(stage),
            sigint_effect=sigint_effect, sighup_effect=sighup_effect, early_stop=early_stop, keep_best=keep_best,
            keep_last=keep_last, watch=watch, tensorboard=tensorboard,
            stop_diverged=stop_diverged, overwrite=overwrite, caffe=caffe, quiet=quiet,
            command=o.command_line(), reset_state=reset_state, set_solver=set_solver or [], fit_batch=fit_batch,
            weights_format=weights_format,
        )
    )  # fmt: skip
    return VerbResult(
        {
            "ending": done.ending.name.lower(), "iteration": done.training.iteration,
            "snapshot": done.snapshot.state if done.snapshot else None,
            "weights": done.snapshot.weights if done.snapshot else None, "best": done.best, "folder": done.folder,
        },
        done.exit_status,
    )  # fmt: skip
