"""A notice of a check begins with the file that it is about, where it is about one."""

from __future__ import annotations

from pathlib import Path

from caffelungo.errors import Location

_LONGEST = 4096
"""No path is longer."""


def placed(notice: str) -> tuple[Location | None, str]:
    """The file that ``notice`` begins with, if there is one of that name, and the rest of it."""
    file, colon, text = notice.partition(": ")
    try:
        known = bool(colon) and len(file) < _LONGEST and Path(file).exists()
    except (OSError, ValueError):
        known = False
    return (Location(file), text) if known else (None, notice)
