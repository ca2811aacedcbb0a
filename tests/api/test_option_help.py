"""The docstrings explain each option in the words of the command line's help.

After a change of a help text, write the table anew: python -m tests.api.test_option_help
"""

from __future__ import annotations

import functools
import inspect
import json
from pathlib import Path
from typing import Any

import pytest
import typer.main

import caffelungo as cl
from caffelungo.api.python_words import Vocabulary, translated
from caffelungo.cli.main import VERBS, app
from tests.api.test_verbs import SPELLINGS

TABLE = Path(cl.__file__).parent / "api" / "option_help.json"
PYTHON_ONLY = {"callbacks", "more"}


def name_of(param: Any) -> str:
    """The name of the argument that an option is in Python."""
    long = [one for one in param.opts if one.startswith("--")] if param.param_type_name == "option" else []
    name = max(long, key=len).strip("-").replace("-", "_") if long else param.name.rstrip("_")
    return SPELLINGS.get(name, name)


@functools.cache
def table() -> str:
    """The table as JSON, its texts in Python's words."""
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    params = {
        verb: {name_of(one): one for one in command.params if one not in getattr(command, "further", ())}
        for verb, command in commands.items()
    }
    on_off: dict[str, set[bool]] = {}
    for named in params.values():
        for name, one in named.items():
            on_off.setdefault(name, set()).add(bool(getattr(one, "is_flag", False)))
    switches = sorted(name for name, found in on_off.items() if found == {True})
    words = Vocabulary(frozenset(VERBS), frozenset(switches))
    taken = {verb: inspect.signature(getattr(cl, verb)).parameters for verb in VERBS}
    helps = {
        verb: {name: translated(one.help, words) for name, one in named.items() if name in taken[verb]}
        for verb, named in params.items()
    }
    return json.dumps({"switches": switches, "options": helps}, indent=1, ensure_ascii=False) + "\n"


def test_the_table_is_up_to_date() -> None:
    assert TABLE.read_text("utf-8") == table(), "write it anew: make docs"


@pytest.mark.parametrize("verb", VERBS)
def test_the_docstring_explains_every_option(verb: str) -> None:
    function = getattr(cl, verb)
    lines = (function.__doc__ or "").splitlines()
    for name in inspect.signature(function).parameters.keys() - PYTHON_ONLY:
        assert any(line.startswith(f"    {name}: ") for line in lines), name
    assert "--" not in function.__doc__


def test_methods_that_are_verbs_explain_their_options() -> None:
    for method in (cl.Net.grow, cl.Net.rewrite):
        assert "    tune: " in (method.__doc__ or "")


if __name__ == "__main__":
    TABLE.write_text(table(), "utf-8")
