"""`lungo` in this process, as a user meets it: an exit status and two texts."""

from __future__ import annotations

import io
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass

import pytest

from caffelungo.cli.main import run


@dataclass(frozen=True)
class Ran:
    """What one command left on the terminal."""

    status: int
    out: str
    err: str


def lungo(*words: object) -> Ran:
    """Run one command line; whatever is no exit (a traceback on the terminal) passes through."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as exit_:
        run([str(word) for word in words])
    code = exit_.value.code
    return Ran(code if isinstance(code, int) else 0, out.getvalue(), err.getvalue())
