"""What `lungo export` and `lungo convert` share: flags, precision, and what they say of what they wrote."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from caffelungo import shell
from caffelungo.cli import options as o

Preprocess = Annotated[
    bool | None,
    typer.Option(
        "--preprocessing/--no-preprocessing", "--preprocess/--no-preprocess",
        help="Put channel order, mean and scale into the graph (default: if pictures enter).",
    ),
]  # fmt: skip
Layout = Annotated[str, typer.Option(help="Of the pictures that the file takes: nhwc, as decoders give them, or nchw.")]
ResizeInside = Annotated[
    bool, typer.Option("--resize-inside", help="Put resize and crop into the graph, which takes pictures of any size.")
]
Precision = Annotated[str, typer.Option(help="fp32; fp16; int8, which needs --calibrate.")]
Calibrate = Annotated[
    list[str] | None, typer.Option(help="Pictures, folders or lists that show int8 how large values are.")
]
TestList = Annotated[
    list[str] | None,
    typer.Option("--test", help="A list with classes: the accuracy on it is told and kept."),
]


def write(
    make: Callable[..., Any], output: str, doing: str, precision: str, calibrate: Sequence[str] | None,
    test: Sequence[str] | None, device: str,
) -> None:  # fmt: skip
    """``make(path, progress=)`` writes float32; where another precision is wanted, that goes to ``output`` instead."""
    told: list[str] = []
    with o.working(doing) as status:

        def whole(path: Path) -> Any:
            return make(path, progress=status.update)

        if precision != "fp32":
            from caffelungo.deploy.lower_precision import PrecisionOptions, lowered

            wanted = PrecisionOptions(precision, calibrate or (), test or (), device)
            written, found = lowered(whole, output, wanted, progress=status.update)
            told = found.lines()
        elif test:
            from caffelungo.deploy.recorded_accuracy import with_accuracy

            written, done = with_accuracy(whole, output, test, device, progress=status.update)
            told = done.lines()[-1:]
        else:
            written = whole(Path(output))
    tell(written)
    if told:
        typer.echo("\n".join(told))


def tell(written: Any) -> None:
    """Notes, the proof, and what to do next, of a ``deploy.export.Exported``."""
    for note in written.notes:
        typer.echo(f"note: {note}")
    typer.echo("\n".join(written.parity.lines()))
    typer.echo(f"wrote {written.path} ({written.size / 1e6:.1f} MB): {', '.join(written.inputs)} -> "
               f"{', '.join(written.outputs)}")  # fmt: skip
    if written.metadata.input.takes_pictures and written.metadata.classifiers:
        typer.echo(f"to use it: lungo classify {shell.word(written.path)} photo.jpg")


def tell_caffe(written: Any) -> None:
    """The same of a ``deploy.caffe.Written``."""
    for note in written.notes:
        typer.echo(f"note: {note}")
    typer.echo("\n".join(written.proof.lines()))
    typer.echo(f"wrote {written.prototxt} and {written.caffemodel}: Caffe's own layers only")
