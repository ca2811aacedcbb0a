"""`lungo grow`."""

from __future__ import annotations

from typing import Annotated

import typer

from caffelungo.cli import options as o


def grow(
    net: Annotated[str, typer.Argument(help="The net to grow: a prototxt, or a name of `lungo nets`.")],
    output: Annotated[str, typer.Option("-o", "--output", help="The prototxt to write.")],
    widen: Annotated[
        list[str] | None, typer.Option(metavar="LAYER:UNITS", help="New units beside a layer; may be repeated.")
    ] = None,
    deepen: Annotated[
        list[str] | None, typer.Option(metavar="LAYER:UNITS", help="A new layer on top of one; may be repeated.")
    ] = None,
    normalize: Annotated[bool, typer.Option(help="Bring old and new units to one scale.")] = True,
    scale: Annotated[float, typer.Option(help="Where the learned scale starts: 10, 20, or a measured norm.")] = 20.0,
    filler: Annotated[str | None, typer.Option(help="Weight filler of the new units.")] = None,
    solver: Annotated[str | None, typer.Option(help="Write a copy of this solver for the grown net beside it.")] = None,
    set_: o.Set = None,
    explain: Annotated[bool, typer.Option("--explain", help="Say what was changed, where and why.")] = False,
    diff: Annotated[bool, typer.Option("--diff", help="Show the change as a unified diff.")] = False,
    overwrite: o.Overwrite = False,
    quiet: o.Quiet = False,
) -> None:
    """Grow a net by new units that learn beside the old ones (Growing a Brain, CVPR 2017).

    Example: [bold]lungo grow train_val.prototxt --widen fc7:2048 -o grown.prototxt[/]
    """
    from caffelungo.growth import GrowOptions, grow
    from caffelungo.passes.branch import UnitOptions

    def units(words: list[str] | None, flag: str) -> list[tuple[str, UnitOptions]]:
        pairs = [o.layer_units(word, flag) for word in words or []]
        return [(layer, UnitOptions(count, normalize, scale, filler=filler)) for layer, count in pairs]

    done = grow(
        GrowOptions(
            net=net, output=output, widen=units(widen, "--widen"), deepen=units(deepen, "--deepen"), solver=solver,
            variables=o.variables(set_), overwrite=overwrite,
        )
    )  # fmt: skip
    if explain:
        for note in done.notes:
            typer.echo(str(note))
    if diff:
        typer.echo(done.diff, nl=False)
    if quiet:
        return
    for path in done.written:
        typer.echo(f"wrote {path}")
    typer.echo(f"parameters: {done.parameters[0]:,} before, {done.parameters[1]:,} now")
