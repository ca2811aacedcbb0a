"""A net as written in its file, before it is planned. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from caffelungo.plan.build_plan import Where


@dataclass(frozen=True)
class NetText:
    """A net as a solver names it: the message, where its parts are, and the words Caffe logs it with."""

    message: Any
    path: Path | None
    where: Where
    origin: str
    notes: tuple[str, ...] = ()
    """What the upgrade of an old file changed."""
