"""The command line is a promise: no verb and no option comes, goes or changes its kind unnoticed.

After a change that is meant, write the list anew: python -m tests.cli.test_options
"""

from __future__ import annotations

import difflib
import inspect
from pathlib import Path
from typing import get_type_hints

import typer.main

from caffelungo.cli.main import VERBS, app

LIST = Path(__file__).with_name("options.txt")


def listed() -> str:
    """Every verb with its arguments and options, their kinds and defaults."""
    lines = []
    functions = {one.name: one.callback for one in app.registered_commands}
    for verb, command in typer.main.get_command(app).commands.items():  # type: ignore[attr-defined]
        function = functions[verb]
        assert function is not None
        kinds = get_type_hints(function)
        further = {one.name: one for one in getattr(command, "further", ())}  # those of passes; the verb knows them not
        lines.append(verb)
        for param in command.params:
            spelled = " / ".join([*param.opts, *param.secondary_opts])
            name = spelled if param.param_type_name == "option" else param.name.upper()
            if param.name in further:
                lines.append(f"    {name}  (of a pass, = {param.default})")
                continue
            kind = kinds[param.name]
            default = inspect.signature(function).parameters[param.name].default
            shown = "required" if default in (inspect.Parameter.empty, ...) else f"= {default}"
            lines.append(f"    {name}  ({kind.__name__ if isinstance(kind, type) else kind}, {shown})")
    return "\n".join(lines) + "\n"


def test_the_list_of_options_is_up_to_date() -> None:
    change = list(difflib.unified_diff(LIST.read_text().splitlines(), listed().splitlines(), "promised", "is", n=1))
    assert not change, "\n".join([*change, "if this is meant: python -m tests.cli.test_options"])


def test_every_option_is_explained() -> None:
    for verb, command in typer.main.get_command(app).commands.items():  # type: ignore[attr-defined]
        assert command.help, verb
        for param in command.params:
            assert param.help, f"{verb} {param.name}"


def test_every_verb_is_in_a_panel() -> None:
    assert list(typer.main.get_command(app).commands) == list(VERBS)  # type: ignore[attr-defined]


if __name__ == "__main__":
    LIST.write_text(listed())
