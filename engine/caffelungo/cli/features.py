"""`lungo features`."""

from __future__ import annotations

from typing import Annotated

import typer

from caffelungo.cli import options as o
from caffelungo.cli.verb_result import VerbResult
from caffelungo.wording import counted


def features(
    net: o.Net,
    data: Annotated[
        str,
        typer.Option(help="Pictures: a folder of class folders, a folder of pictures, a list, a table or a data set."),
    ],
    output: Annotated[str, typer.Option("-o", "--output", help="The file to write: .npz, .h5, .safetensors or .lmdb.")],
    weights: Annotated[
        str | None, typer.Option(help="Weights, or 'none' for random ones (default: the net's own).")
    ] = None,
    blobs: Annotated[
        str | None, typer.Option(help="Blobs, comma-separated (default: the last blob of each stage).")
    ] = None,
    size: Annotated[int | None, typer.Option(help="Input size in pixels.")] = None,
    crops: Annotated[int, typer.Option(help="1, or 10: average over corners, centre and their mirror images.")] = 1,
    pool: Annotated[str, typer.Option(help="Spatial pooling of each blob: mean, max or none.")] = "mean",
    batch_size: Annotated[int | None, typer.Option(help="Batch size.")] = None,
    path_column: o.PathColumn = None,
    label_column: o.LabelColumn = None,
    corrections: o.Corrections = None,
    set_: o.Set = None,
    level: o.Level = 0,
    stage: o.Stage = None,
    device: o.Device = "auto",
    precision: o.Precision = "fp32",
    overwrite: o.Overwrite = False,
    quiet: o.Quiet = False,
) -> VerbResult:
    """Extract features of pictures to a file. An interrupted run continues where it stopped.

    Example: [bold]lungo features squeezenet1.1 --data photos/ -o features.npz[/]
    """
    from caffelungo.features.run_features import FeatureOptions, extract

    wanted = FeatureOptions(
        net=net, data=data, output=output, weights=weights, blobs=o.words(blobs), size=size, crops=crops, pool=pool,
        batch_size=batch_size, variables=o.variables(set_), device=device, precision=precision, overwrite=overwrite,
        stages=o.listed(stage), level=level, path_column=path_column, label_column=label_column,
        corrections=corrections,
    )  # fmt: skip
    with o.stages(quiet) as progress:
        done = extract(wanted, progress)
    result = VerbResult(
        {
            "path": done.path, "pictures": done.count, "before": done.before, "labelled": done.labelled,
            "blobs": done.shapes, "notices": done.notices,
        }
    )  # fmt: skip
    if quiet:
        return result
    for notice in done.notices:
        typer.echo(f"notice: {notice}")
    if done.before:
        typer.echo(f"{done.before} pictures were already done")
    for blob, shape in done.shapes.items():
        typer.echo(f"{blob}: {done.count} x {' x '.join(map(str, shape))}")
    typer.echo(f"wrote {done.path}: {counted(done.count, 'picture')}{'' if done.labelled else ' without labels'}")
    return result
