"""What `lungo serve` may be asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from caffelungo import option_ranges
from caffelungo.bounds import Bounds
from caffelungo.data.decode import MOST_PIXELS
from caffelungo.errors import UserError


@dataclass(frozen=True)
class ServeOptions:
    """``deadline_ms``: how long the first picture of a batch waits for others. ``max_bytes``: of a request's body.

    ``max_pixels``: of a picture, read in its header before anything is decoded. ``queue``: pictures that may be in
    the house at once; later requests are told to try again. ``threads`` 0: as many as cores. ``head``: which of several
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
        problems = option_ranges.problems("serve", vars(self))
        problems += option_ranges.wrong("--max-pixels", [self.max_pixels], Bounds(high=MOST_PIXELS))
        if problems:
            raise UserError(problems)
