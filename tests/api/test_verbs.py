"""Every verb of the command line is a public function with the same options, of the same names and defaults."""

from __future__ import annotations

import importlib
import inspect
from typing import Any

import pytest
import typer.main

import caffelungo as cl
from caffelungo.cli.main import VERBS, app

ONLY_PRINTED = {
    "json", "explain", "github", "quiet", "cost", "diff", "all",
}  # fmt: skip
"""Options that choose what is printed: in Python the result holds it all. Some functions take ``quiet``."""
MORE = {"train": {"callbacks"}}
"""Arguments that only Python can give."""
BRINGS_WEIGHTS = {"test", "export", "inspect"}
"""Verbs whose net may be an opened one, which brings its weights: ``weights`` is not required there."""
EMPTY: Any = inspect.Parameter.empty


def options(verb: str) -> dict[str, Any]:
    """The options and arguments of ``verb`` by Python's names, with their defaults."""
    command = typer.main.get_command(app).commands[verb]  # type: ignore[attr-defined]
    function = getattr(importlib.import_module(f"caffelungo.cli.{verb}"), verb)
    given = inspect.signature(function).parameters
    found = {}
    for param in command.params:
        long = [one for one in param.opts if one.startswith("--")] if param.param_type_name == "option" else []
        # An option's flag, without dashes; the name of an argument, without what keeps it apart from a builtin.
        name = max(long, key=len).strip("-").replace("-", "_") if long else param.name.rstrip("_")
        default = given[param.name].default
        found[names(verb, name, param.name)] = EMPTY if default in (EMPTY, ...) else default
    return found


def names(verb: str, flag: str, argument: str) -> str:
    """Where a flag has two spellings, the name of the argument is the option's."""
    return {"preprocessing": "preprocess"}.get(flag, flag)


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


@pytest.mark.parametrize("verb", [verb for verb in VERBS if "device" in options(verb) or "threads" in options(verb)])
def test_numbers_out_of_range_are_refused_as_on_the_command_line(verb: str) -> None:
    """All of them at once, before anything is looked for."""
    function = getattr(cl, verb)
    required = {name: "absent" for name, one in inspect.signature(function).parameters.items() if one.default is EMPTY}
    wrong = {name: -1 for name in ("threads", "batch_size", "level", "seed") if name in options(verb)}
    wrong = {name: (-(2**40) if name == "level" else value) for name, value in wrong.items()}
    if len(wrong) < 2:
        pytest.skip("it has fewer than two of these numbers")
    with pytest.raises(cl.UserError) as caught:
        function(**required, **wrong)
    received = " ".join(str(problem.received) for problem in caught.value.problems)
    for name in wrong:
        assert f"--{name.replace('_', '-')}" in received
