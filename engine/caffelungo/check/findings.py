"""What the checks of one run share: where they put what they find, and what has been looked at already."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from caffelungo.data.image_list import Progress
from caffelungo.errors import Problem


@dataclass
class Findings:
    """``seen`` holds the lists of pictures, nets and means that were looked at, so that each is read once.

    ``stages`` and ``level``: those that nets are judged in (none: as their rules say).
    """

    variables: dict[str, Any] = field(default_factory=dict)
    progress: Progress | None = None
    problems: list[Problem] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    stages: tuple[str, ...] = ()
    level: int = 0
    seen: dict[Any, bool] = field(default_factory=dict)
