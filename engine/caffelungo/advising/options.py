"""What a user can ask of `lungo advise`. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from caffelungo import option_ranges
from caffelungo.errors import Problem, UserError
from caffelungo.projects.write_folder import FILES as PROJECT
from caffelungo.rewriting.folder_files import STARTED
from caffelungo.solve.options import EngineOptions
from caffelungo.wording import counted

REPORT = "report.html"
FOUND = "advice.json"
CACHE = "cache"
"""Folder in the output that keeps features and what was computed from them."""
FILES = (*PROJECT, STARTED, REPORT, FOUND)


@dataclass
class AdviseOptions(EngineOptions):
    """`lungo advise`.

    ``nets`` are paths or names of the catalogue, ``weights`` one for each (none: those that come with them). ``data``
    are pictures with labels (``data.named_pictures``), ``source`` pictures of what the nets were trained on (None:
    no distance to them is measured). ``minutes`` is how long all of it may take, ``size`` the only input size that is
    tried. ``groups``, ``per_class``, ``path_column`` and ``label_column`` are as in ``probes.options``.
    """

    nets: Sequence[str] = ()
    data: str = ""
    output: str = ""
    weights: Sequence[str] = ()
    source: str | None = None
    minutes: float = 3.0
    size: int | None = None
    groups: str | None = None
    per_class: int | None = None
    path_column: str | None = None
    label_column: str | None = None
    seed: int = 0
    overwrite: bool = False

    def weights_of(self, place: int) -> str | None:
        """The weights of the net at this ``place``; None: those that come with it."""
        return self.weights[place] if self.weights else None


def check(options: AdviseOptions) -> None:
    """UserError with everything that is wrong with the options themselves."""
    problems = option_ranges.problems("advise", vars(options))
    if not options.nets:
        problems.append(Problem("no net is named", None, "", "name one: lungo advise squeezenet1.1 --data photos/"))
    if options.weights and len(options.weights) != len(options.nets):
        problems.append(
            Problem("each net needs its weights", None,
                    f"{counted(len(options.nets), 'net')}, --weights for {len(options.weights)}",
                    "give --weights once per net, in their order, or never")
        )  # fmt: skip
    if problems:
        raise UserError(problems)
