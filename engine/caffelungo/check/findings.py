"""What the checks of one run share: where they put what they find, and what has been looked at already."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from caffelungo.data.image_list import Progress
from caffelungo.data.source import DataSource
from caffelungo.definition.definition import Definition
from caffelungo.errors import Problem
from caffelungo.plan.plan import Plan
from caffelungo.weights.weights import Weights


@dataclass
class Findings:
    """``seen`` holds the lists of pictures, nets and means that were looked at, so that each is read once.

    ``read`` are the weights among the files, ``weights`` those that nets are matched with, each with whether it was
    given beside them (else a solver names it). ``stages`` and ``level``: those that nets are judged in (none: as their
    rules say).
    """

    variables: dict[str, Any] = field(default_factory=dict)
    progress: Progress | None = None
    files: dict[str, None] = field(default_factory=dict)
    """The definitions that were read, in order."""
    problems: list[Problem] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    stages: tuple[str, ...] = ()
    level: int = 0
    data: bool = True
    """Whether pictures, databases, means and weights that a file names are looked at."""
    read: dict[Path, Weights] = field(default_factory=dict)
    weights: list[tuple[Weights, bool]] = field(default_factory=list)
    settled: bool = False
    """Whether a training of the nets would start from ``weights`` and fillers alone, as nobody speaks of others."""
    seen: dict[Any, bool] = field(default_factory=dict)
    shapes: dict[Any, dict[int, tuple[int, int]]] = field(default_factory=dict)
    """Height and width of the pictures of each list, by their numbers."""
    plans: list[tuple[Definition, Plan]] = field(default_factory=list)
    """The nets of one solver, in the order in which it builds them."""
    prepared: dict[int, list[DataSource]] = field(default_factory=dict)
    """The sources of pictures of one file that is checked, by the phase that reads them."""
