"""The one writer of JSON: values of any room as JSON, and the file or the standard output they are written to.

A file appears whole or not at all. ``-`` is standard output, which then carries the JSON document and nothing else: the
document takes the place of what a verb prints for people.
"""

from __future__ import annotations

import contextlib
import io
import json
import math
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import Path, PurePath
from typing import IO, Any

from caffelungo import files
from caffelungo.errors import Location, Problem, UserError

STDOUT = "-"
SUFFIXES = (".json", ".sarif")
"""How the name of a report ends: so no word after `--json` is taken for one by mistake, and no other file replaced."""


def plain(value: Any) -> Any:
    """``value`` as JSON can hold it.

    Dataclasses and mappings become objects, sequences and arrays lists, paths texts, enumerations their values, and
    numbers that are not finite null.
    """
    if isinstance(value, Enum):
        return plain(value.value)
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, str | PurePath):
        return str(value)
    if isinstance(value, Problem):
        return problem(value)
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return {one.name: plain(getattr(value, one.name)) for one in fields(value)}
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, Iterable):
        return [plain(one) for one in value]
    return str(value)


def problem(one: Problem) -> dict[str, Any]:
    """A problem: ``what``, ``file``, ``line`` and ``column`` (from 1), ``received`` and ``remedy``; null: not known."""
    where = one.where or Location("")
    return {
        "what": one.what,
        "file": where.file or None,
        "line": where.line,
        "column": where.column,
        "received": one.received,
        "remedy": one.remedy,
    }


def text(value: Any) -> str:
    """``value`` as a JSON document in ASCII, so that no name in it can steer a terminal."""
    return json.dumps(plain(value), indent=2, allow_nan=False) + "\n"


def refuse(target: str, overwrite: bool | None, flag: str = "--json") -> None:
    """UserError when ``target`` cannot be written, is not called as a report, or may not be overwritten.

    ``overwrite``: whether the command was given --overwrite; None where it has no such flag and replaces its last
    report.
    """
    if target == STDOUT:
        return
    path = Path(target)
    special = path.exists() and not path.is_file() and not path.is_dir()
    if overwrite is not None and not special:
        files.refuse_existing(target, overwrite, flag)
    files.refuse_obstacle(target)
    if not special and path.suffix.lower() not in SUFFIXES:
        raise UserError(
            f"the name of a report ends in {' or '.join(SUFFIXES)}",
            received=f"{flag} {target}",
            remedy=f"write {flag} report{SUFFIXES[0]}, or {flag} - for standard output",
        )


class _Discarded(io.TextIOBase):
    """Standard output while a document keeps it free: what is written is gone."""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        return len(text)


def is_taken() -> bool:
    """Whether standard output is kept free for a document."""
    return isinstance(sys.stdout, _Discarded)


@contextmanager
def kept_free(target: str | None) -> Iterator[IO[str]]:
    """Standard output, which nothing else is written to while the body runs if ``target`` is ``-``."""
    stdout = sys.stdout
    if target != STDOUT:
        yield stdout
        return
    if is_taken():
        raise UserError("standard output takes one document", remedy="write one of the two to a file")
    with contextlib.redirect_stdout(_Discarded()):
        yield stdout


def write(target: str, document: Any, stdout: IO[str]) -> None:
    """Write ``document`` to the file ``target``, or to ``stdout`` for ``-``."""
    if target == STDOUT:
        stdout.write(text(document))
        stdout.flush()
    else:
        files.write_text(target, text(document))
