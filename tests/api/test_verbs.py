"""Every verb of the command line is a public function with the same options, of the same names and defaults."""

from __future__ import annotations

import functools
import inspect
from typing import Any

import pytest
import typer.main

import caffelungo as cl
from caffelungo.cli.main import VERBS, app

ONLY_PRINTED = {"all", "cost", "diff", "explain", "github", "json", "quiet"}
"""Options that choose what is printed: in Python the result holds it all. Some functions take ``quiet``."""
MORE = {"train": {"callbacks"}, "grow": {"more"}, "rewrite": {"more"}}
"""Arguments that only Python can give, and ``more`` for the options of further passes."""
BRINGS_WEIGHTS = {"test", "export"}
"""Verbs whose net may be an opened one, which brings its weights: ``weights`` is not required there."""
SPELLINGS = {"preprocessing": "preprocess"}
"""Of an option with two spellings, the one that is the name of the argument."""
EMPTY: Any = inspect.Parameter.empty


@functools.cache
def commands() -> dict[str, Any]:
    """The verbs as click's commands."""
    return typer.main.get_command(app).commands  # type: ignore[attr-defined, no-any-return]


def options(verb: str) -> dict[str, Any]:
    """The options and arguments of ``verb`` by Python's names, with their defaults."""
    found = {}
    command = commands()[verb]
    further = getattr(command, "further", ())
    for param in (one for one in command.params if one not in further):
        long = [one for one in param.opts if one.startswith("--")] if param.param_type_name == "option" else []
        # An option's flag, without dashes; the name of an argument, without what keeps it apart from a builtin.
        name = max(long, key=len).strip("-").replace("-", "_") if long else param.name.rstrip("_")
        found[SPELLINGS.get(name, name)] = EMPTY if param.required else param.default
    return found


@pytest.mark.parametrize("verb", VERBS)
def test_the_function_takes_the_options_of_the_verb(verb: str) -> None:
    wanted = options(verb)
    function = getattr(cl, verb)
    assert inspect.isfunction(function)
    taken = {name: one.default for name, one in inspect.signature(function).parameters.items()}
    missing = wanted.keys() - taken.keys()
    only_printed = {name for name in missing if name in ONLY_PRINTED}
    assert missing - only_printed == set()
    assert taken.keys() - wanted.keys() == MORE.get(verb, set())
    for name in taken.keys() & wanted.keys():
        if name == "weights" and verb in BRINGS_WEIGHTS:
            assert (wanted[name], taken[name]) == (EMPTY, None)
        else:
            assert taken[name] == wanted[name], name
            assert type(taken[name]) is type(wanted[name]), name


def test_every_verb_is_public_and_every_other_function_is_known() -> None:
    functions = {name for name in cl.__all__ if inspect.isfunction(getattr(cl, name))}
    assert functions == {*VERBS, "open"}


NUMBERS = ("threads", "batch_size", "level", "seed")


@pytest.mark.parametrize("verb", [verb for verb in VERBS if len(options(verb).keys() & set(NUMBERS)) > 1])
def test_numbers_out_of_range_are_refused_as_on_the_command_line(verb: str) -> None:
    """All of them at once, before anything is looked for."""
    function = getattr(cl, verb)
    parameters = inspect.signature(function).parameters.items()
    required = {name: "absent" for name, one in parameters if one.default is EMPTY and name != "more"}
    wrong = {name: -(2**40) for name in NUMBERS if name in options(verb)}
    with pytest.raises(cl.UserError) as caught:
        function(**required, **wrong)
    received = [str(problem.received) for problem in caught.value.problems]
    assert sorted(received) == sorted(f"{name}={-(2**40)}" for name in wrong)
