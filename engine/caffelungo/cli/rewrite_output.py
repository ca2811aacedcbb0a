"""Options and output that `lungo grow` and `lungo rewrite` share."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Annotated, Any, get_type_hints

import typer

from caffelungo.cli import options as o
from caffelungo.cli.verb_result import VerbResult
from caffelungo.errors import UserError


@dataclass(frozen=True)
class Shared:
    """The options shared by all rewrites; each verb receives them as one argument."""

    weights: Annotated[
        str | None,
        typer.Option(
            help="Weights of the net. If the rewrite changes them, the new ones are written next to the output."
        ),
    ] = None
    tune: Annotated[
        str | None, typer.Option(help="What learns: all, new, top (and the layer below the new ones) or top_two.")
    ] = None
    solver: Annotated[str | None, typer.Option(help="Write a copy of this solver, for the new net, next to it.")] = None
    shape: Annotated[
        list[str] | None,
        typer.Option(metavar="BLOB:CxHxW", help="Shape of an input that the net does not specify; repeatable."),
    ] = None
    set_: o.Set = None
    level: o.Level = 0
    stage: o.Stage = None
    explain: Annotated[bool, typer.Option("--explain", help="Print what was changed, where and why.")] = False
    diff: Annotated[bool, typer.Option("--diff", help="Print the change as a unified diff.")] = False
    cost: Annotated[
        bool, typer.Option("--cost", help="Print parameters, operations and memory of each layer, before and after.")
    ] = False
    draw: Annotated[str | None, typer.Option(metavar="PNG", help="Draw the net to this file, new parts in colour.")] = (
        None
    )
    overwrite: o.Overwrite = False
    quiet: o.Quiet = False

    def files(self, net: str | None, output: str, **more: Any) -> Any:
        """Make ``RewriteOptions`` of these options and ``more`` fields."""
        from caffelungo.deploy.deploy_net import parse_shapes
        from caffelungo.rewriting.rewrite import RewriteOptions

        return RewriteOptions(
            net, output, weights=self.weights, solver=self.solver, variables=o.variables(self.set_),
            stages=o.listed(self.stage), level=self.level,
            overwrite=self.overwrite, shapes=parse_shapes(self.shape or ()), **more,
        )  # fmt: skip


def with_shared(verb: Callable[..., VerbResult]) -> Callable[..., VerbResult]:
    """Replace the last argument of ``verb``, a ``Shared``, by its fields, as options of the verb."""
    hints = get_type_hints(verb, include_extras=True)
    *own, last = inspect.signature(verb).parameters.values()
    names = {one.name: one for one in fields(Shared)}
    kinds = get_type_hints(Shared, include_extras=True)

    @functools.wraps(verb)
    def wrapped(**given: Any) -> VerbResult:
        shared = Shared(**{name: given.pop(name) for name in names})
        return verb(**given, **{last.name: shared})

    parameters = [one.replace(annotation=hints[one.name]) for one in own]
    parameters += [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=one.default, annotation=kinds[name])
        for name, one in names.items()
    ]
    wrapped.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    wrapped.__annotations__ = {one.name: one.annotation for one in parameters}
    return wrapped


def tune(word: str | None) -> str | None:
    """The value of ``--tune`` as recipes spell it."""
    return None if word is None else word.upper().replace("-", "_")


def scale(text: str, net: str | None, layer: str, flag: str, shared: Shared) -> float:
    """The value of ``--scale``: a number, or the mean norm after ``layer``, measured on the data of ``net``."""
    weights = shared.weights
    if text != "measured":
        try:
            number = float(text)
        except ValueError:
            raise UserError(
                "--scale takes a number or `measured`", received=f"--scale {text}", remedy="write --scale 20"
            ) from None
        o.in_range("--scale", [number], text)
        return number
    if net is None or weights is None:
        raise UserError(
            "measuring the scale needs a net and its weights",
            received="--scale measured without " + ("a net" if net is None else "--weights"),
            remedy="name the net and add --weights, or write --scale 20",
        )
    from caffelungo.solve.feature_length import channel_norm

    norm = channel_norm(
        net, weights, layer, flag, o.variables(shared.set_), stages=o.listed(shared.stage), level=shared.level
    )
    found = float(f"{norm:.3g}")
    typer.echo(f"mean norm after `{layer}`: {found:g}; the learned scales start there", err=True)
    return found


def show(done: Any, asked: Shared) -> None:
    """Print the requested reports on a ``Rewritten``, and the files written."""
    if asked.explain:
        for note in done.notes:
            typer.echo(str(note))
    if asked.diff:
        typer.echo(done.diff, nl=False)
    if asked.cost:
        from caffelungo.report.cost_table import print_costs
        from caffelungo.report.terminal import Terminal

        before, after = done.costs()
        print_costs(before, after, Terminal(width=160))
    if asked.draw is not None:
        from caffelungo.report.drawing import draw as picture

        old, new = done.plans()
        picture(old, new, asked.draw, title=str(done.written[0]))
    if asked.quiet:
        return
    for path in done.written:
        typer.echo(f"wrote {path}")
    if asked.draw is not None:
        typer.echo(f"drew {asked.draw}")
    for notice in done.notices:
        typer.echo(f"notice: {notice}")


def next_step(done: Any, net: str | None, asked: Shared, **more: Any) -> VerbResult:
    """Print the commands that train the new net of a ``Rewritten`` and compare it with the old one.

    Returns what was done, with the fields ``more``.
    """
    from caffelungo import shell
    from caffelungo.rewriting import next_steps

    given = {"--shape": asked.shape or [], "--set": asked.set_ or [], "--stage": asked.stage or []}
    given["--level"] = [str(asked.level)] if asked.level else []
    verify = shell.command(*next_steps.verifying(done, net, given))
    train = next_steps.training(done)
    commands = [(shell.command(*train), "train the new net")] if train else []
    commands.append((verify, "compare it with the old net"))
    if not asked.quiet and train:
        typer.echo(f"next: {commands[0][0]}")
        typer.echo(f"to compare it with the old net: {verify}")
    elif not asked.quiet:
        typer.echo(f"next: {verify}")
    return VerbResult(
        {
            "written": done.written, "notes": [str(note) for note in done.notes], "notices": done.notices,
            "diff": done.diff, "commands": o.commands(commands), **more,
        }
    )  # fmt: skip
