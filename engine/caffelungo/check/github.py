"""What a check found as GitHub's workflow commands: a line that puts each problem beside the line it is about.

::error file=net.prototxt,line=3,col=26,title=lungo check::unknown layer type in layer `bn`%0Areceived: type: "BN"

Source: "Workflow commands for GitHub Actions" in GitHub's documentation, and ``escapeData`` and ``escapeProperty`` of
actions/toolkit (packages/core/src/command.ts), which say what is escaped.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePath

from caffelungo.check.files import Report
from caffelungo.check.notices import placed
from caffelungo.errors import Location, Problem, grouped

TITLE = "lungo check"
_DATA: dict[str, str | int | None] = {"%": "%25", "\r": "%0D", "\n": "%0A"}
_PROPERTY = _DATA | {":": "%3A", ",": "%2C"}


def workflow_commands(report: Report) -> Iterator[str]:
    """A line for each problem, alike ones as one, and for each notice."""
    for problem in grouped(report.problems):
        yield _command("error", problem.where, message(problem))
    for notice in report.notices:
        where, text = placed(notice)
        yield _command("notice", where, text)


def message(problem: Problem) -> str:
    """What is wrong, what was received and what to do, a line each; the place is not part of it."""
    lines = [problem.what]
    if problem.received is not None:
        lines.append(f"received: {problem.received}")
    if problem.remedy is not None:
        lines.append(f"to do: {problem.remedy}")
    return "\n".join(lines)


def _command(kind: str, where: Location | None, text: str) -> str:
    properties: dict[str, object] = {}
    if where is not None:
        properties["file"] = PurePath(where.file).as_posix()
        if where.line is not None:
            properties["line"] = where.line
        if where.line is not None and where.column is not None:
            properties["col"] = where.column
    properties["title"] = TITLE
    listed = ",".join(f"{name}={_escaped(str(value), _PROPERTY)}" for name, value in properties.items())
    return f"::{kind} {listed}::{_escaped(text, _DATA)}"


def _escaped(text: str, table: dict[str, str | int | None]) -> str:
    return text.translate(str.maketrans(table))
