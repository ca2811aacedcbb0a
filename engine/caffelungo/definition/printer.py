"""A message -> text in the house's layout: one field a line, two spaces a level."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from google.protobuf import text_format

INDENT = "  "


def print_message(message: Any) -> str:
    """The fields of ``message`` as text that reads back equal; ends with a newline unless the message is empty."""
    return text_format.MessageToString(message, as_utf8=True)


def print_one_line(message: Any) -> str:
    """The fields of ``message`` on one line."""
    return text_format.MessageToString(message, as_utf8=True, as_one_line=True).rstrip()


def print_net(message: Any) -> str:
    """A whole NetParameter, with a blank line between layers."""
    return print_message(message).replace("\n}\nlayer {", "\n}\n\nlayer {")


def template_header(file: str, variables: Mapping[str, Any]) -> str:
    """The comment above a definition that a template gave: its source and parameters."""
    settings = " ".join(f"{name}={_plain(value)}" for name, value in variables.items())
    return f"# Written from the template {_plain(file)}{f' with {settings}' if settings else ''}.\n"


def binary_header(path: str | Path) -> str:
    """The comment above a definition that a binary file gave."""
    return f"# Written from the binary file {_plain(path)}.\n"


def _plain(value: Any) -> str:
    return " ".join(str(value).split())
