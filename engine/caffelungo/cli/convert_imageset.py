"""`lungo convert_imageset`."""

from __future__ import annotations

from typing import Annotated

import typer

from caffelungo.cli import options as o
from caffelungo.cli.verb_result import VerbResult


def convert_imageset(
    root: Annotated[str, typer.Argument(metavar="ROOTFOLDER/", help="Folder prepended to each path in the list.")],
    list_file: Annotated[str, typer.Argument(metavar="LISTFILE", help="Lines of `path label`.")],
    database: Annotated[str, typer.Argument(metavar="DB_NAME", help="The LMDB database to write.")],
    gray: Annotated[bool, typer.Option("--gray", help="Store pictures in greyscale.")] = False,
    shuffle: Annotated[bool, typer.Option("--shuffle", help="Shuffle the pictures.")] = False,
    seed: Annotated[int, typer.Option(help="Random seed for --shuffle.")] = 0,
    backend: Annotated[str, typer.Option(help="lmdb.")] = "lmdb",
    resize_width: Annotated[int, typer.Option(help="Width in pixels to resize to; needs --resize-height.")] = 0,
    resize_height: Annotated[int, typer.Option(help="Height in pixels to resize to; needs --resize-width.")] = 0,
    check_size: Annotated[bool, typer.Option("--check-size", help="Refuse pictures of different sizes.")] = False,
    encoded: Annotated[bool, typer.Option("--encoded", help="Store compressed pictures.")] = False,
    encode_type: Annotated[str, typer.Option(help="Format to compress to: png, jpg ...")] = "",
    skip_missing: Annotated[bool, typer.Option("--skip-missing", help="Skip pictures that cannot be read.")] = False,
    overwrite: o.Overwrite = False,
) -> VerbResult:
    """Write a list of pictures into an LMDB database (Caffe's tool, Caffe's flags).

    Example: [bold]lungo convert_imageset -resize_height=256 -resize_width=256 photos/ train.txt train_lmdb[/]
    """
    from caffelungo.data.convert_imageset import ConvertImagesetOptions, convert_imageset

    flags = ConvertImagesetOptions(
        gray=gray, shuffle=shuffle, seed=seed, backend=backend, resize_width=resize_width, resize_height=resize_height,
        check_size=check_size, encoded=encoded, encode_type=encode_type, skip_missing=skip_missing,
        overwrite=overwrite,
    )  # fmt: skip
    with o.progress("converting") as progress:
        done = convert_imageset(root, list_file, database, flags, progress)
    for problem in done.skipped:
        typer.echo(f"skipped: {problem}", err=True)
    typer.echo(f"wrote {done.path}: {done.written} pictures")
    return VerbResult({"path": done.path, "pictures": done.written, "left_out": done.skipped})
