"""`lungo demo`."""

from __future__ import annotations

from typing import Annotated

import typer

from caffelungo.cli import options as o


def demo(
    output: Annotated[str, typer.Option("-o", "--output", help="The folder to write.")] = "demo",
    overwrite: o.Overwrite = False,
) -> int:
    """Adapt an ImageNet SqueezeNet to ten animals: probe, fine-tune, grow, compare, export, classify (3 minutes)."""
    from caffelungo.cli.main import call
    from caffelungo.study.demo.demo import demo

    return demo(output, overwrite, call)
