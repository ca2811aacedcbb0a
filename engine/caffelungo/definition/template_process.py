"""A template rendered in a separate process, which the system ends when it takes too much time or memory.

Run as ``python -m caffelungo.definition.template_process``: JSON in (source, file, variables), JSON out (the text and
its lines, or the problems).
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from caffelungo.definition.sandbox import MAX_SECONDS, TooMuchError
from caffelungo.definition.template import Rendered, render_here, too_much
from caffelungo.errors import Location, Problem, UserError

MEMORY = 1 << 30
"""Bytes of address space that the process may have; Python and Jinja2 take a fifth of it."""
WAIT = 60.0
"""Seconds after which the process is ended on a busy machine, however little of them it had."""


def render_in_process(source: str, file: str, variables: Mapping[str, Any]) -> Rendered:
    """As ``rendering.render``."""
    asked = json.dumps({"source": source, "file": file, "variables": dict(variables)})
    command = [sys.executable, "-m", "caffelungo.definition.template_process"]
    try:
        done = subprocess.run(command, input=asked.encode(), capture_output=True, timeout=WAIT, check=False)
    except subprocess.TimeoutExpired:
        raise too_much(f"it is not done after {WAIT:g} s", Location(file)) from None
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        raise too_much(f"more than {MAX_SECONDS:g} s, or {MEMORY >> 20} MB of memory", Location(file)) from None
    if "problems" in answer:
        raise UserError([_problem(*problem) for problem in answer["problems"]])
    return Rendered(file, answer["text"], [(name, line) for name, line in answer["origins"]], answer["sources"])


def _parts(problem: Problem) -> tuple[Any, ...]:
    where = problem.where
    place = (where.file, where.line, where.column, where.text) if where else None
    return problem.what, place, problem.received, problem.remedy


def _problem(what: str, place: list[Any] | None, received: str | None, remedy: str | None) -> Problem:
    return Problem(what, Location(*place) if place else None, received, remedy)


def _bound() -> None:
    """Have the system bound this process; where it cannot (Windows), its parent's clock does."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource
        import signal

        def late(number: int, frame: Any) -> None:
            raise TooMuchError(f"it is not done after {MAX_SECONDS:g} s")

        signal.signal(signal.SIGXCPU, late)
        resource.setrlimit(resource.RLIMIT_CPU, (int(MAX_SECONDS), int(MAX_SECONDS) + 2))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def main() -> None:
    """Read the question, render, answer."""
    asked = json.load(sys.stdin)
    _bound()
    try:
        made = render_here(asked["source"], asked["file"], asked["variables"], bounded=True)
        answer: dict[str, Any] = {"text": made.text, "origins": made.origins, "sources": made.sources}
    except UserError as error:
        answer = {"problems": [_parts(problem) for problem in error.problems]}
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
