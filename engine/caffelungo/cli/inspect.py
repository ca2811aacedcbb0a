"""`lungo inspect`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from caffelungo.cli import options as o
from caffelungo.cli.verb_result import VerbResult
from caffelungo.wording import counted


def inspect(
    model: Annotated[
        str, typer.Option(help="The net, with its test data; with --labels any net, or a name of lungo nets.")
    ],
    output: Annotated[str, typer.Option("-o", "--output", help="The folder to write.")],
    weights: Annotated[
        str | None, typer.Option(help="Its weights after training (with --labels: default the net's own).")
    ] = None,
    labels: Annotated[
        bool, typer.Option("--labels", help="Look for wrong labels of --data instead, with the frozen net.")
    ] = False,
    before: Annotated[
        str | None, typer.Option(help="Weights before training (default: as recorded by the run).")
    ] = None,
    before_model: Annotated[str | None, typer.Option(help="The net of --before, if it differs.")] = None,
    snapshots: Annotated[
        str | None,
        typer.Option(help="Prefix or folder of the run's snapshots (default: next to --weights)."),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            help="Pictures to use instead of the net's own: a list, or a folder of classes; with --labels also a table "
            "or a data set."
        ),
    ] = None,
    layers: Annotated[
        str | None,
        typer.Option(
            help="With --labels: layers to read, one blob, a+b (concatenated), head, or all (default: all, that is "
            "every stage, concatenated)."
        ),
    ] = None,
    top: Annotated[
        int | None, typer.Option(help="With --labels: number of pictures to list (default: 8 %, 20 to 500).")
    ] = None,
    groups: o.Groups = None,
    path_column: o.PathColumn = None,
    label_column: o.LabelColumn = None,
    corrections: o.Corrections = None,
    units: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LAYER:N,N", help="Units to show, counted from 0 (default: chosen automatically); repeatable."
        ),
    ] = None,
    per_class: Annotated[int | None, typer.Option(help="Pictures to use per class (default: all).")] = None,
    seed: Annotated[int, typer.Option(help="Random seed of the feature map, or of the folds.")] = 0,
    size: o.Size = None,
    head: Annotated[
        str | None, typer.Option(help="Classifier to inspect, if the net has several: its layer or its task.")
    ] = None,
    set_: o.Set = None,
    device: o.Device = "auto",
    gpu: o.Gpu = None,
    precision: o.Precision = "fp32",
    threads: o.Threads = None,
    workers: o.Workers = None,
    level: o.Level = 0,
    stage: o.Stage = None,
    quiet: o.Quiet = False,
) -> VerbResult:
    """Report what fine-tuning did, or which labels are probably wrong (--labels), on one HTML page.

    Example: [bold]lungo inspect --model mine/grown.prototxt --weights mine/grown_iter_300.caffemodel -o report/[/]
    """
    from caffelungo.report.terminal import Terminal
    from caffelungo.study.inspect import writing
    from caffelungo.study.inspect.options import InspectOptions, needed
    from caffelungo.study.inspect.run_inspect import find
    from caffelungo.study.wrong_labels.options import refuse_others

    refuse_others(
        labels,
        {"--layers": layers, "--top": top, "--groups": groups, "--path-column": path_column,
         "--label-column": label_column, "--corrections": corrections},
        {"--before": before, "--before-model": before_model, "--snapshots": snapshots, "--units": units,
         "--workers": workers},
    )  # fmt: skip
    if labels:
        return _labels(
            {
                "model": model, "data": data, "out": output, "weights": weights, "top": top, "groups": groups,
                "layers": tuple(o.words(layers or "all")), "per_class": per_class, "path_column": path_column,
                "label_column": label_column, "corrections": corrections, "seed": seed, "size": o.size(size),
                "head": head, "variables": o.variables(set_), "level": level, "stages": o.listed(stage),
                "device": device, "gpu": gpu, "precision": precision, "threads": threads,
            },
            quiet,
        )  # fmt: skip
    weights = needed(weights)
    wanted = InspectOptions(
        model=model, weights=o.words(weights), before=before, before_model=before_model, snapshots=snapshots, data=data,
        out=output, units=units or [], per_class=per_class, seed=seed, size=o.size(size),
        variables=o.variables(set_), device=device, gpu=gpu, precision=precision, threads=threads, workers=workers,
        level=level, stages=o.listed(stage), head=head, quiet=quiet,
    )  # fmt: skip
    console = Terminal(stderr=True, soft_wrap=True)
    with o.stages(quiet) as progress:
        found, samples = find(wanted, console, progress)
        page = writing.write(found, samples, wanted)
    if not quiet:
        typer.echo(f"wrote {page}: open it in a browser; the numbers are in files next to it")
    return VerbResult({"page": page, **writing.summary(found, wanted)})


def _labels(options: dict[str, Any], quiet: bool) -> VerbResult:
    """`lungo inspect --labels`."""
    from caffelungo.study.wrong_labels import writing
    from caffelungo.study.wrong_labels.options import WrongLabelOptions

    wanted = WrongLabelOptions(**options)
    with o.stages(quiet) as say:
        made = writing.inspect_labels(wanted, say)
    found = made.found
    if not quiet:
        for text in (*found.trust, *(f"notice: {notice}" for notice in found.notices)):
            typer.echo(text)
        typer.echo(
            f"{found.suspects} of {counted(len(found.names), 'label')} are in doubt; copies under two labels: "
            f"{len(found.two_labels)}"
        )
        typer.echo(
            f"wrote {made.page}: open it in a browser; edit {made.corrections} and give it back as --corrections"
        )
    return VerbResult({"page": made.page, "corrections": made.corrections, **writing.summary(found, wanted)})
