"""`lungo`: collects the verbs, accepts Caffe's spelling, and turns errors into messages and exit statuses."""

from __future__ import annotations

import contextlib
import functools
import importlib
import io
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import typer

from caffelungo import option_ranges, threads
from caffelungo.cli import completion
from caffelungo.cli.caffe_spelling import caffe_spelling
from caffelungo.cli.pass_flags import PassCommand
from caffelungo.cli.verb_result import has_json, with_json
from caffelungo.errors import LungoError, UserError, did_you_mean, of_system
from caffelungo.version import __version__
from caffelungo.visible import visible, visible_streams
from caffelungo.wording import listed

VERBS = {
    "demo": "Start here",
    "advise": "Start here",
    "finetune": "Start here",
    "probe": "Start here",
    "train": "Train and evaluate",
    "test": "Train and evaluate",
    "time": "Train and evaluate",
    "inspect": "Train and evaluate",
    "check": "Train and evaluate",
    "diff": "Train and evaluate",
    "grow": "Rewrite",
    "rewrite": "Rewrite",
    "init": "Rewrite",
    "verify": "Rewrite",
    "upgrade_net_proto_text": "Rewrite",
    "upgrade_solver_proto_text": "Rewrite",
    "compare": "Study",
    "export": "Deploy",
    "convert": "Deploy",
    "classify": "Deploy",
    "serve": "Deploy",
    "infer": "Deploy",
    "bench": "Deploy",
    "convert_imageset": "Data",
    "compute_image_mean": "Data",
    "features": "Data",
    "extract_features": "Data",
    "triton": "Deploy",
    "doctor": "Deploy",
    "nets": "Catalogues",
    "layers": "Catalogues",
}
"""Every verb and its panel in `lungo --help`; each is the function of that name in the file of that name."""


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"caffelungo {__version__}")
        raise typer.Exit


def _lungo(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
    debug: bool = typer.Option(False, "--debug", help="Show the traceback behind an error message."),
) -> None:
    pass


def _judged(verb: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap ``function``: it is called only if all its numeric arguments are in range."""

    @functools.wraps(function)
    def called(**given: Any) -> Any:
        if problems := option_ranges.problems(verb, given):
            raise UserError(problems)
        return function(**given)

    return called


def app_of(verbs: Iterable[str] = VERBS, bare: bool = False, passes: bool = True) -> typer.Typer:
    """The command line with ``verbs`` alone: building all of them takes longer than most verbs run.

    ``bare``: without their options, which completing a verb's name does not need. ``passes``: with the flags that
    passes add.
    """
    made = typer.Typer(
        name="lungo",
        help="Fine-tune vision networks the way Caffe does, on PyTorch, and export them to ONNX.",
        no_args_is_help=True,
        add_completion=True,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    made.callback()(_lungo)
    for verb in verbs:
        if bare:
            made.command(verb)(_named(verb))
            continue
        kind = PassCommand if passes and verb in ("grow", "rewrite") else None
        judged = _judged(verb, getattr(importlib.import_module(f"caffelungo.cli.{verb}"), verb))
        made.command(verb, cls=kind, rich_help_panel=VERBS[verb])(with_json(verb, judged) if has_json(verb) else judged)
    return made


def _named(verb: str) -> Callable[[], None]:
    """``verb`` without its options and without what it does."""

    def named() -> None:
        pass

    named.__doc__ = completion.summary(verb)
    return named


def __getattr__(name: str) -> Any:
    """``app``: the whole command line, which is built only where it is asked for."""
    if name == "app":
        return _whole()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


@functools.cache
def _whole() -> typer.Typer:
    return app_of()


@functools.cache
def _command(verb: str | None) -> Any:
    """``verb``, or all of them for None, as a click command."""
    return typer.main.get_command(_whole() if verb is None else app_of([verb]))


def call(arguments: Sequence[str]) -> int:
    """Run one command line in this process and return its exit status. LungoError is not caught."""
    command = _command(arguments[0] if arguments and arguments[0] in VERBS else None)
    return _main(command, caffe_spelling(arguments, command.commands))


def _main(command: Any, arguments: Sequence[str]) -> int:
    status = command.main(list(arguments), prog_name="lungo", standalone_mode=False)
    return status if isinstance(status, int) else 0


def complete(words: Sequence[str]) -> int:
    """Print what completes the command line ``words``, the last of which is being typed, in the shell's format."""
    if len(words) > 1 and words[0] in VERBS:
        made = app_of(words[:1], passes=words[-1].startswith("-"))
    else:
        made = app_of(bare=True)
    command: Any = typer.main.get_command(made)
    as_typed = completion.hand_to_typer(words, command.commands)
    offered = io.StringIO()
    try:
        with contextlib.redirect_stdout(offered):
            return _main(command, [])
    finally:
        typer.echo(as_typed(offered.getvalue()), nl=False)


def _keep_the_near(error: Any) -> None:
    """Leave out of an unknown option's "possible options" those that are alike by their dashes alone."""
    if possible := getattr(error, "possibilities", None):
        name = error.option_name.lstrip("-")
        error.possibilities = [one for one in possible if did_you_mean(name, [one.lstrip("-")])]


def _verbs_with(error: Any) -> str:
    """Which other verbs have the option that ``error`` is about, as a sentence; empty for another error or none."""
    option, verb = getattr(error, "option_name", ""), getattr(getattr(error, "ctx", None), "info_name", None)
    if type(error).__name__ != "NoSuchOption" or verb not in VERBS:
        return ""
    having = [
        name
        for name, command in _command(None).commands.items()
        if any(option in (*one.opts, *one.secondary_opts) for one in command.params)
    ]
    having.sort(key=lambda name: VERBS[name] != VERBS[verb])
    if not having:
        return ""
    return f"{option} is an option of {listed((f'`lungo {name}`' for name in having), 3)}."


def run(arguments: Sequence[str] | None = None) -> None:
    """Run ``lungo`` on ``arguments`` (those of the process when None) and exit with its status."""
    threads.settle()
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    try:
        with visible_streams():
            words = completion.words_typed()
            status = call([one for one in given if one != "--debug"]) if words is None else complete(words)
    except (LungoError, OSError) as error:
        if debug:
            raise
        failure = error if isinstance(error, LungoError) else of_system(error)
        typer.echo(visible(str(failure)), err=True)
        status = failure.exit_status
    except MemoryError as error:
        if debug:
            raise
        typer.echo(visible(f"not enough memory: {error}\n  to do: ask for smaller sizes or batches"), err=True)
        status = 1
    except (typer.Abort, KeyboardInterrupt):
        status = 130
    except Exception as error:
        show = getattr(error, "show", None)
        if debug or show is None:
            raise
        _keep_the_near(error)
        show()
        if hint := _verbs_with(error):
            typer.echo(visible(hint), err=True)
        status = getattr(error, "exit_code", 2)
    sys.exit(status)
