"""`lungo extract_features`."""

from __future__ import annotations

from typing import Annotated

import typer

from caffelungo.cli import options as o
from caffelungo.cli.verb_result import VerbResult
from caffelungo.wording import counted


def extract_features(
    weights: Annotated[str, typer.Argument(metavar="WEIGHTS", help="Weights: .caffemodel or another format.")],
    net: Annotated[str, typer.Argument(metavar="PROTO", help="The net, with its data layer.")],
    blobs: Annotated[
        str, typer.Argument(metavar="BLOB1[,BLOB2]", help="Names of the blobs to write, comma-separated.")
    ],
    databases: Annotated[str, typer.Argument(metavar="DB1[,DB2]", help="One database per blob, comma-separated.")],
    batches: Annotated[int, typer.Argument(metavar="NUM_MINI_BATCHES", help="Number of batches.")],
    db_type: Annotated[str, typer.Argument(metavar="DB_TYPE", help="lmdb.")],
    mode: Annotated[str, typer.Argument(metavar="[CPU|GPU]", help="CPU or GPU.")] = "CPU",
    device_id: Annotated[str, typer.Argument(metavar="[DEVICE_ID=0]", help="Index of the GPU.")] = "0",
    set_: o.Set = None,
    overwrite: o.Overwrite = False,
) -> VerbResult:
    """Write blobs of a net to databases of float Datums (Caffe's tool, Caffe's arguments).

    Example: [bold]lungo extract_features net.caffemodel net.prototxt fc7 fc7_lmdb 10 lmdb[/]
    """
    from caffelungo.features.extract_features import Arguments, extract_features

    given = Arguments(
        weights=weights, net=net, blobs=o.words(blobs), databases=o.words(databases), batches=batches, db_type=db_type,
        mode=mode, device_id=device_id, variables=o.variables(set_), overwrite=overwrite,
    )  # fmt: skip
    with o.progress("extracting") as progress:
        counts = extract_features(given, progress)
    for path, count in counts.items():
        typer.echo(f"wrote {path}: {counted(count, 'record')}")
    return VerbResult({"databases": [{"path": path, "records": count} for path, count in counts.items()]})
