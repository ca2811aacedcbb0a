"""`lungo advise`."""

from __future__ import annotations

from typing import Annotated

import typer

from caffelungo.cli import completion
from caffelungo.cli import options as o
from caffelungo.cli.verb_result import VerbResult


def advise(
    nets: Annotated[
        list[str],
        typer.Argument(
            autocompletion=completion.nets, help="Nets to choose from: prototxts, or names of `lungo nets`."
        ),
    ],
    data: Annotated[
        str, typer.Option(help="Pictures: a folder of class folders, a list, a table or a data set; see docs/data.md.")
    ],
    output: Annotated[str, typer.Option("-o", "--output", help="Folder for the report and the project.")],
    weights: Annotated[
        list[str] | None,
        typer.Option(help="Pre-trained weights, once per net in their order (default: the nets' own)."),
    ] = None,
    source: Annotated[
        str | None, typer.Option(help="Folder with a sample of the pictures that the nets were trained on.")
    ] = None,
    minutes: Annotated[float, typer.Option(help="Time that all of it may take, in minutes.")] = 3.0,
    size: Annotated[
        int | None, typer.Option(help="The only input size to try, in pixels (default: 112, and the net's own).")
    ] = None,
    groups: o.Groups = None,
    per_class: o.PerClass = None,
    path_column: o.PathColumn = None,
    label_column: o.LabelColumn = None,
    seed: Annotated[int, typer.Option(help="Random seed for folds, splits and training.")] = 0,
    device: o.Device = "auto",
    precision: o.Precision = "fp32",
    threads: o.Threads = None,
    overwrite: o.Overwrite = False,
    quiet: o.Quiet = False,
) -> VerbResult:
    """Look at pictures and nets, and recommend what to do: net, layers, training, and the accuracy to expect.

    Example: [bold]lungo advise squeezenet1.1 --data photos/ -o mine/[/]
    """
    from caffelungo.advising.options import REPORT, AdviseOptions
    from caffelungo.advising.run_advise import advise as run

    wanted = AdviseOptions(
        nets=nets, data=data, output=output, weights=weights or (), source=source, minutes=minutes, size=size,
        groups=groups, per_class=per_class, path_column=path_column, label_column=label_column, seed=seed,
        device=device, precision=precision, threads=threads, overwrite=overwrite,
    )  # fmt: skip
    with o.stages(quiet) as say:
        found = run(wanted, say)
    result = VerbResult({**found.plain(), "files": found.files, "commands": o.commands(found.project.commands)})
    if quiet:
        return result
    typer.echo(" ".join(found.decision.sentences))
    for notice in found.notices:
        typer.echo(f"notice: {notice}")
    typer.echo(f"wrote {output}: {', '.join(found.files)}; {found.seconds:.0f} s in all")
    typer.echo(f"the numbers behind it: {found.files[REPORT]}")
    typer.echo("next:")
    for command, what in found.project.commands:
        typer.echo(f"  # {what}\n  {command}")
    return result
