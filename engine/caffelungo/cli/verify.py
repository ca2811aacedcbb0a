"""`lungo verify`."""

from __future__ import annotations

from typing import Annotated

import typer

from caffelungo.cli import completion
from caffelungo.cli import options as o
from caffelungo.cli.verb_result import VerbResult


def verify(
    before: Annotated[
        str,
        typer.Argument(
            autocompletion=completion.nets, help="The net before the rewrite: a prototxt, or a name of `lungo nets`."
        ),
    ],
    after: Annotated[str, typer.Argument(help="The net after the rewrite.")],
    weights: Annotated[
        str | None, typer.Option(help="Weights of the first net, and of the second without --after-weights.")
    ] = None,
    after_weights: Annotated[
        str | None, typer.Option("--after-weights", help="Weights of the second net, if the rewrite wrote new ones.")
    ] = None,
    data: Annotated[str | None, typer.Option(help="Folder of pictures to feed.")] = None,
    random: Annotated[
        int | None,
        typer.Option(help="Number of random samples to feed (default: the first net's data, if available)."),
    ] = None,
    phase: Annotated[
        str, typer.Option(autocompletion=completion.phases, help="TEST (deterministic) or TRAIN.")
    ] = "TEST",
    tolerance: Annotated[
        float, typer.Option(help="Largest difference of equal blobs, relative to their largest value.")
    ] = 1e-5,
    size: o.Size = None,
    shape: Annotated[
        list[str] | None,
        typer.Option(metavar="BLOB:CxHxW", help="Shape of an input that the net does not specify; repeatable."),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Print one line per blob.")] = False,
    set_: o.Set = None,
    level: o.Level = 0,
    stage: o.Stage = None,
    quiet: o.Quiet = False,
) -> VerbResult:
    """Run a net before and after a rewrite, and report which blobs are bit-identical, equal, changed or new.

    The exit status is 0 if every old blob is identical or equal, 1 if one changed.

    Example: [bold]lungo verify train_val.prototxt grown.prototxt --weights squeezenet_v1.1.caffemodel[/]
    """
    from caffelungo.deploy.deploy_net import parse_shapes
    from caffelungo.verify.verify import VerifyOptions, verify

    with o.working("reading the nets ...") as status:
        found = verify(
            VerifyOptions(
                before=before, after=after, weights=weights, after_weights=after_weights, data=data, random=random,
                phase=phase, tolerance=tolerance, size=o.size(size),
                shapes=parse_shapes(shape or []), variables=o.variables(set_),
                stages=o.listed(stage), level=level,
            ),
            say=status.update,
        )  # fmt: skip
    if quiet:
        if not found.kept:
            typer.echo(found.verdict, err=True)
    else:
        from caffelungo.report.terminal import Terminal
        from caffelungo.verify.console_tables import show

        terminal = Terminal()
        show(found, terminal if terminal.is_terminal else Terminal(width=160), every)
    return VerbResult(found.facts(), found.exit_status)
