"""What `lungo serve` may be asked for."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

from caffelungo.data.decode import MOST_PIXELS
from caffelungo.errors import Problem, UserError

_SMALLEST = {"port": 0, "threads": 0, "deadline_ms": 0, "max_bytes": 1024}


@dataclass(frozen=True)
class ServeOptions:
    """``deadline_ms``: how long the first picture of a batch waits for others. ``max_bytes``: of a request's body.

    ``max_pixels``: of a picture, read in its header before anything is decoded. ``queue``: pictures that may be in
    the house at once; who comes then is told to come again. ``threads`` 0: as many as cores. ``head``: which of several
    classifiers is served, by task, layer or output. ``allow_host``: names that a request's `Host` may have beside this
    machine's own and addresses; `*` allows any.
    """

    model: str | Path
    host: str = "127.0.0.1"
    port: int = 8080
    device: str = "auto"
    max_batch: int = 16
    deadline_ms: float = 5.0
    max_bytes: int = 16 * 2**20
    max_pixels: int = 25_000_000
    queue: int = 256
    threads: int = 0
    head: str | None = None
    allow_host: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        problems = []
        for field in fields(self):
            value, least = getattr(self, field.name), _SMALLEST.get(field.name, 1)
            if isinstance(value, (int, float)) and not value >= least:
                problems.append(_wrong(field.name, value, f"give {least} or more"))
        if self.port > 65535:
            problems.append(_wrong("port", self.port, "give 1 to 65535, or 0 for any that is free"))
        if self.max_pixels > MOST_PIXELS:
            problems.append(_wrong("max_pixels", self.max_pixels, f"give {MOST_PIXELS} or less"))
        if problems:
            raise UserError(problems)


def _wrong(name: str, value: float, remedy: str) -> Problem:
    flag = f"--{name.replace('_', '-')}"
    return Problem(f"{flag} is out of range", received=f"{flag} {value}", remedy=remedy)
