"""Options that several verbs take, and how their words become values."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from caffelungo import option_ranges
from caffelungo.errors import UserError

Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="A variable of a template (.j2); may be repeated."),
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")]
Gpu = Annotated[str | None, typer.Option(help="Caffe's flag: the number of a GPU.")]
Precision = Annotated[str, typer.Option(help="fp32, tf32 (NVIDIA GPUs) or bf16.")]
Compile = Annotated[bool, typer.Option("--compile", help="Run the net through torch.compile.")]
MemoryFormat = Annotated[str, typer.Option(help="auto, channels_last or contiguous.")]
Threads = Annotated[int | None, typer.Option(help="CPU threads.")]
Workers = Annotated[int | None, typer.Option(help="Processes that load data; results do not depend on it.")]
Caffe = Annotated[bool, typer.Option("--caffe", help="Do as the original Caffe did where docs/differences.md says so.")]
Level = Annotated[int, typer.Option(help="Level of the net's state.")]
Stage = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME", help="A stage to read the net in (default: as its rules need); may be repeated."),
]
Size = Annotated[
    str | None, typer.Option(metavar="N", help="Side of the net's input in pixels, where another is wanted; or HxW.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say only what went wrong.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")]


def variables(settings: list[str] | None) -> dict[str, Any]:
    """The variables of ``--set key=value``."""
    from caffelungo.definition.template import parse_variables

    return parse_variables(settings or [])


def words(text: str | None) -> list[str]:
    """The items of a comma list, trimmed; empty ones left out."""
    return [word.strip() for word in (text or "").split(",") if word.strip()]


def listed(texts: list[str] | None) -> list[str]:
    """The items of an option that may be repeated, each of them a comma list (Caffe's way)."""
    return [word for text in texts or [] for word in words(text)]


def numbers(text: str | None, flag: str, kind: type[Any] = float) -> list[Any]:
    """``104,117,123`` as numbers (``kind``: float or int) in the range of ``flag``; empty for None."""
    try:
        found = [kind(word) for word in words(text)]
    except ValueError:
        raise UserError(
            f"{flag} takes numbers separated by commas", received=f"{flag} {text}", remedy=f"write {flag} 104,117,123"
        ) from None
    return in_range(flag, found, text)


def in_range(flag: str, found: list[Any], text: str | None = None) -> list[Any]:
    """``found``, the numbers in the words ``text`` of ``flag``; UserError for those out of its range."""
    if wrong := option_ranges.wrong(flag, found, option_ranges.IN_WORDS[flag], text or ""):
        raise UserError(wrong)
    return found


def whole(text: str) -> int | None:
    """A number of digits only; None for anything else. Of a very long one the first digits do: they tell its size."""
    return int(text.lstrip("0")[:12] or "0") if text.isascii() and text.isdecimal() else None


def by_name(text: str, flag: str, default: int) -> tuple[int, dict[str, int]]:
    """``150``, or ``new:600,all:150`` as the number for all and those that have names."""
    named: dict[str, int] = {}
    for word in words(text):
        name, _, digits = word.rpartition(":")
        number = whole(digits)
        if number is None:
            raise UserError(f"{flag} takes a number, or names and numbers", received=f"{flag} {text}",
                            remedy=f"write {flag} 150 or {flag} new:600,all:150")  # fmt: skip
        (named[name],) = in_range(flag, [number], text)
    return named.pop("", default), named


def height_width(text: str | None, flag: str) -> tuple[int, int] | None:
    """``256x340`` as height and width, ``256`` as (256, 0); None for None."""
    if text is None:
        return None
    parts = [whole(part) or 0 for part in text.lower().split("x")]
    if len(parts) > 2 or not all(parts):
        raise UserError(
            f"{flag} takes a height and a width, or one number for the shorter side",
            received=f"{flag} {text}",
            remedy=f"write {flag} 256x256 or {flag} 256",
        )
    return parts[0], parts[1] if len(parts) == 2 else 0


def size(text: str | None, flag: str = "--size") -> tuple[int, int] | None:
    """``384`` or ``384x512`` as height and width; None for None."""
    if text is None:
        return None
    parts = [whole(part) or 0 for part in text.lower().split("x")]
    if len(parts) > 2 or not all(parts):
        raise UserError(
            f"{flag} takes the side of the net's input in pixels, or height and width",
            received=f"{flag} {text}",
            remedy=f"write {flag} 384 or {flag} 384x512",
        )
    return parts[0], parts[-1]


def layer_units(text: str, flag: str) -> tuple[str, int]:
    """``fc7:2048`` as a layer's name and a number of units."""
    name, _, digits = text.rpartition(":")
    number = whole(digits)
    if not name or number is None:
        raise UserError(
            f"{flag} takes a layer's name and a number of units",
            received=f"{flag} {text}",
            remedy=f"write it as {flag} fc7:2048",
        )
    in_range(flag, [number], text)
    return name, number


def command_line() -> list[str]:
    """The command as it was typed, to keep with what it made."""
    return ["lungo", *sys.argv[1:]]


@contextmanager
def working(text: str) -> Iterator[Any]:
    """A spinner on a terminal while the body runs; it can be told a new text with ``.update``."""
    from caffelungo.report.terminal import Terminal

    with Terminal(stderr=True).status(text) as status:
        yield status


@contextmanager
def progress(text: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on a terminal; the body calls what it gets with (done, total)."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from caffelungo.report.terminal import Terminal

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Terminal(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(text, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextmanager
def stages(quiet: bool = False) -> Iterator[Callable[[str, int, int], None]]:
    """A progress bar whose text changes: the body calls what it gets with (what, done, total).

    Where there is no terminal, a line when something new begins; nothing when ``quiet``.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from caffelungo.report.terminal import Terminal

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Terminal(stderr=True)
    last = ""
    with Progress(*columns, console=console, transient=True, disable=quiet or not console.is_terminal) as bar:
        task = bar.add_task("starting", total=None)

        def told(what: str, done: int, total: int) -> None:
            nonlocal last
            if what != last and not quiet and not console.is_terminal:
                console.print(f"{what} ...", markup=False)
            last = what
            bar.update(task, description=what, completed=done)
            bar.tasks[0].total = total or None  # update takes None for "as it was"

        yield told
