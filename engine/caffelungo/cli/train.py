"""`lungo train`."""

from __future__ import annotations

from typing import Annotated

import typer

from caffelungo.cli import options as o


def train(
    solver: Annotated[str, typer.Option(help="The solver file.")],
    weights: Annotated[
        str, typer.Option(help="Weights to start from, by layer name: files or torchvision:NAME, comma list.")
    ] = "",
    snapshot: Annotated[str | None, typer.Option(help="A .solverstate to resume from, exactly.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Resume from the newest complete snapshot.")] = False,
    reset_state: Annotated[
        bool, typer.Option("--reset-state", help="Of the snapshot take the weights; iteration and history begin anew.")
    ] = False,
    set_solver: Annotated[
        list[str] | None,
        typer.Option("--set-solver", metavar="NAME=VALUE", help="A field of the solver; may be repeated."),
    ] = None,
    fit_batch: Annotated[
        bool,
        typer.Option("--fit-batch", help="Divide a batch that memory does not hold, and multiply iter_size."),
    ] = False,
    weights_format: Annotated[
        str | None, typer.Option(help="Weights of snapshots: caffemodel, h5 or safetensors (default: the solver's).")
    ] = None,
    reinit: Annotated[str, typer.Option(help="Layers that start from their fillers all the same.")] = "",
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
    sigint_effect: Annotated[str, typer.Option(help="stop, snapshot or none.")] = "stop",
    sighup_effect: Annotated[str, typer.Option(help="stop, snapshot or none.")] = "snapshot",
    early_stop: Annotated[
        int | None, typer.Option(help="Stop after this number of tests without a better value.")
    ] = None,
    keep_best: Annotated[bool | None, typer.Option(help="Keep a snapshot of the best test value.")] = None,
    keep_last: Annotated[int | None, typer.Option(help="Keep only the newest k snapshots.")] = None,
    watch: Annotated[str | None, typer.Option(help="The test output that early stop and best watch.")] = None,
    tensorboard: Annotated[
        bool | None, typer.Option(help="Write TensorBoard events (default: where it is installed).")
    ] = None,
    stop_diverged: Annotated[bool, typer.Option(help="Stop when the loss stays far above where it began.")] = True,
    overwrite: o.Overwrite = False,
    caffe: o.Caffe = False,
    quiet: o.Quiet = False,
) -> int:
    """Train a net with a solver file, from scratch, from weights, or on from a snapshot.

    Example: [bold]lungo train --solver mine/solver.prototxt --weights net.caffemodel[/]
    """
    from caffelungo.solve import run
    from caffelungo.solve.options import TrainOptions

    return run.train(
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
