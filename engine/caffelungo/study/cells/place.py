"""Where a cell runs: its folder, the files of the study, the results it depends on, and its progress."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from caffelungo.errors import RunError
from caffelungo.study.cells.cell import Cell, CellResult, load
from caffelungo.study.cells.input_files import Inputs

Say = Callable[[float, float, str], None]
"""How many of how many steps are done, and a few words."""


@dataclass(frozen=True)
class CellPlace:
    """``folder`` is the cell's own: empty at first, and what it holds at the end stays beside the result.

    ``study`` is the folder of the whole study, for caches that cells share; each cache writes its files whole, since
    several processes use it. ``device`` is where the runner wants nets to run (auto, cpu, cuda, cuda:N): no part of a
    cell's address, since the arithmetic is float32 on all of them.
    """

    folder: Path
    study: Path
    say: Say = lambda done, total, text: None
    device: str = "cpu"

    @property
    def inputs(self) -> Inputs:
        """Files by content."""
        return Inputs(self.study)

    def of(self, need: Cell) -> CellResult:
        """What came of ``need``, which is done before the cell that needs it starts."""
        found = load(self.study, need.key)
        if found is None or not found.done:
            raise RunError(f"{need.name} is not done; is it among the needs of this cell?")
        return found
