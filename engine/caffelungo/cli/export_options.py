"""What `lungo export` and `lungo convert` share: options, precision and the report on the written file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from caffelungo import shell
from caffelungo.cli import options as o
from caffelungo.cli.verb_result import VerbResult

Preprocess = Annotated[
    bool | None,
    typer.Option(
        "--preprocessing/--no-preprocessing", "--preprocess/--no-preprocess",
        help="Include channel order, mean and scale in the graph (default: if the input is a picture).",
    ),
]  # fmt: skip
Layout = Annotated[str, typer.Option(help="Layout of the input: nhwc, as decoders return it, or nchw.")]
ResizeInside = Annotated[
    bool,
    typer.Option(
        "--resize-inside", help="Include resize and crop in the graph, so that it accepts pictures of any size."
    ),
]
Precision = Annotated[str, typer.Option(help="fp32; fp16; int8, which needs --calibrate.")]
Calibrate = Annotated[
    list[str] | None, typer.Option(help="Pictures, folders or lists to measure value ranges for int8.")
]
TestList = Annotated[
    list[str] | None,
    typer.Option("--test", help="A list of `path label`: measure the accuracy on it and store it in the file."),
]


def write(
    make: Callable[..., Any], output: str, doing: str, precision: str, calibrate: Sequence[str] | None,
    test: Sequence[str] | None, device: str,
) -> VerbResult:  # fmt: skip
    """Write ``output`` by ``make(path, progress=)``, which writes float32, then lower it to ``precision``."""
    printed: list[str] = []
    lowered_to = tested = None
    with o.working(doing) as status:

        def whole(path: Path) -> Any:
            return make(path, progress=status.update)

        if precision != "fp32":
            from caffelungo.deploy.lower_precision import PrecisionOptions, lowered

            wanted = PrecisionOptions(precision, calibrate or (), test or (), device)
            written, lowered_to = lowered(whole, output, wanted, progress=status.update)
            printed = lowered_to.lines()
        elif test:
            from caffelungo.deploy.recorded_accuracy import with_accuracy

            written, tested = with_accuracy(whole, output, test, device, progress=status.update)
            printed = tested.lines()[-1:]
        else:
            written = whole(Path(output))
    tell(written)
    if printed:
        typer.echo("\n".join(printed))
    accuracy = {"pictures": tested.known, "first": tested.right[0], "within_top": tested.right[1]} if tested else None
    return VerbResult(
        {
            "path": written.path, "bytes": written.size, "inputs": written.inputs, "outputs": written.outputs,
            "operators": written.operators, "parity": written.parity.facts(), "precision": precision,
            "lowered": lowered_to, "accuracy": accuracy, "notes": written.notes,
        }
    )  # fmt: skip


def tell(written: Any) -> None:
    """Print notes, the comparison with the net and the next step of a ``deploy.export.Exported``."""
    for note in written.notes:
        typer.echo(f"note: {note}")
    typer.echo("\n".join(written.parity.lines()))
    typer.echo(f"wrote {written.path} ({written.size / 1e6:.1f} MB): {', '.join(written.inputs)} -> "
               f"{', '.join(written.outputs)}")  # fmt: skip
    if written.metadata.input.takes_pictures and written.metadata.classifiers:
        typer.echo(f"to use it: lungo classify {shell.word(written.path)} photo.jpg")


def tell_caffe(written: Any) -> VerbResult:
    """Print the same for a ``deploy.caffe_export.Written``."""
    for note in written.notes:
        typer.echo(f"note: {note}")
    typer.echo("\n".join(written.proof.lines()))
    typer.echo(f"wrote {written.prototxt} and {written.caffemodel}: Caffe's own layers only")
    proof = written.proof
    parity = {
        "largest_relative_difference": {name: one.relative for name, one in proof.worst.items()},
        "layers_compared": proof.layers,
        "opencv": None if proof.opencv is None else {name: one.relative for name, one in proof.opencv.items()},
    }
    return VerbResult(
        {
            "path": written.prototxt, "weights": written.caffemodel, "outputs": written.outputs, "parity": parity,
            "notes": written.notes,
        }
    )  # fmt: skip
