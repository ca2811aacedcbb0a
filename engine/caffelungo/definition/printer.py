"""A message -> text in the house's layout: one field a line, two spaces a level."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from google.protobuf import text_format

INDENT = "  "
MAX_INLINE = 90
MAX_INLINE_FIELDS = 3

_OWN_OPTIONS = re.compile(r"\A(\s*)\[lungo\.(?:options|augmentations)\.(\w+)\] \{\Z")
_WHOLE = re.compile(r"(:\s-?[0-9]+)\.0\Z")


def print_lines(message: Any, inline: bool = False) -> list[str]:
    """The fields of ``message`` as lines that read back equal, two spaces a level, whole numbers without a point.

    ``inline``: small messages without messages in them are on one line.
    """
    lines = [_WHOLE.sub(r"\1", line) for line in text_format.MessageToString(message, as_utf8=True).split("\n")[:-1]]
    lines = [_OWN_OPTIONS.sub(r"\1\2 {", line) if "[" in line else line for line in lines]
    return _inlined(lines) if inline else lines


def quoted(text: str) -> str:
    """``text`` as a string of the text format."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def print_one_line(message: Any) -> str:
    """The fields of ``message`` on one line."""
    return " ".join(line.strip(" ") for line in print_lines(message))


def is_small(message: Any) -> bool:
    """Whether ``message`` may be on one line among others."""
    lines = print_lines(message)
    return len(lines) <= MAX_INLINE_FIELDS and not any(line.endswith(" {") for line in lines)


def print_net(message: Any) -> str:
    """A whole NetParameter or SolverParameter, with a blank line between layers."""
    text = "".join(f"{line}\n" for line in print_lines(message, inline=True))
    return text.replace("\n}\nlayer {", "\n}\n\nlayer {")


def _inlined(lines: list[str]) -> list[str]:
    result: list[str] = []
    opened: int | None = None
    for line in lines:
        if line.endswith(" {"):
            opened = len(result)
        elif line.strip(" ") == "}" and opened is not None:
            block = [part.strip(" ") for part in result[opened:]]
            one = " ".join([result[opened], *block[1:], "}"])
            if result[opened] != "layer {" and len(block) - 1 <= MAX_INLINE_FIELDS and len(one) <= MAX_INLINE:
                result[opened:] = [one]
                opened = None
                continue
            opened = None
        result.append(line)
    return result


def template_header(file: str, variables: Mapping[str, Any]) -> str:
    """The comment above a definition that a template gave: its source and parameters."""
    settings = " ".join(f"{name}={_plain(value)}" for name, value in variables.items())
    return f"# Written from the template {_plain(file)}{f' with {settings}' if settings else ''}.\n"


def upgrade_header(file: str | Path) -> str:
    """The comment above a definition whose text could not be upgraded in place."""
    return f"# Upgraded from {_plain(file)}; its comments stand there.\n"


def binary_header(path: str | Path) -> str:
    """The comment above a definition that a binary file gave."""
    return f"# Written from the binary file {_plain(path)}.\n"


def _plain(value: Any) -> str:
    return " ".join(str(value).split())
