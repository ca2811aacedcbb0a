"""Command lines for people to copy: quoted, so that a shell reads the words that are meant."""

from __future__ import annotations

import shlex
from collections.abc import Iterable


def word(text: object) -> str:
    """``text``, a path or a name, as one word of a command."""
    return shlex.quote(str(text))


def command(*words: object) -> str:
    """``words`` as one command line."""
    return shlex.join(map(str, words))


def settings(variables: Iterable[tuple[str, object]], flag: str = "--set") -> list[str]:
    """``variables`` as the words ``--set NAME=VALUE``."""
    return [part for key, value in variables for part in (flag, f"{key}={value}")]
