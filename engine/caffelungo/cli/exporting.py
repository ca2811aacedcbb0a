"""What `lungo export` and `lungo convert` say of what they wrote."""

from __future__ import annotations

from typing import Any

import typer


def tell(written: Any) -> None:
    """Notes, the proof, and what to do next, of a ``deploy.export.Exported``."""
    for note in written.notes:
        typer.echo(f"note: {note}")
    typer.echo("\n".join(written.parity.lines()))
    typer.echo(f"wrote {written.path} ({written.size / 1e6:.1f} MB): {', '.join(written.inputs)} -> "
               f"{', '.join(written.outputs)}")  # fmt: skip
    if "image" in written.inputs and written.metadata.classifier:
        typer.echo(f"to use it: lungo classify {written.path} photo.jpg")


def tell_caffe(written: Any) -> None:
    """The same of a ``deploy.caffe.Written``."""
    for note in written.notes:
        typer.echo(f"note: {note}")
    typer.echo("\n".join(written.proof.lines()))
    typer.echo(f"wrote {written.prototxt} and {written.caffemodel}: Caffe's own layers only")
