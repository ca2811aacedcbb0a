"""The help of every option of every verb, as the command line gives it, for the docstrings of the functions.

``option_help.json`` is written from the command line, which this room may not import: python -m
tests.api.test_option_help.
"""

from __future__ import annotations

import functools
import inspect
import json
import textwrap
from collections.abc import Callable, Mapping
from importlib import resources
from typing import Any

WIDTH = 100


@functools.cache
def _table() -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads((resources.files(__package__) / "option_help.json").read_text("utf-8"))
    return found


def options(verb: str) -> Mapping[str, str]:
    """The help of each option of ``verb`` by the name of its argument; nothing for a function that is no verb."""
    found: Mapping[str, str] = _table()["options"].get(verb, {})
    return found


def verbs() -> frozenset[str]:
    """The functions that are verbs of the command line."""
    return frozenset(_table()["options"])


def switches() -> frozenset[str]:
    """The arguments that are on or off in every verb that has them."""
    return frozenset(_table()["switches"])


def explained(function: Callable[..., Any]) -> str | None:
    """The docstring of ``function`` with a line per option."""
    text, known = function.__doc__, options(function.__name__)
    lines = [
        textwrap.fill(f"{name}: {known[name]}", WIDTH, initial_indent=" " * 4, subsequent_indent=" " * 8)
        for name in inspect.signature(function).parameters
        if name in known
    ]
    if text is None or not lines:
        return text
    return "\n".join([inspect.cleandoc(text), "", "Options, as the command line describes them:", *lines, ""])
