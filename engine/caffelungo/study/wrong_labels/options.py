"""What a user may ask of `lungo inspect --labels`. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from caffelungo.errors import Problem, UserError
from caffelungo.solve.options import EngineOptions

JOINED = "all"


@dataclass
class WrongLabelOptions(EngineOptions):
    """``model`` is a path or a name of the catalogue, ``data`` what `lungo probe` takes, ``out`` the folder to write.

    ``weights`` None: those that come with the net. ``layers``: what the classifiers read, one candidate of
    `lungo probe`. ``top``: how many pictures are listed; None: by their number. ``size``: height and width of the net's
    input. The rest is as in ``probes.options``.
    """

    model: str = ""
    data: str | None = None
    out: str = ""
    weights: str | None = None
    layers: tuple[str, ...] = (JOINED,)
    top: int | None = None
    groups: str | None = None
    per_class: int | None = None
    path_column: str | None = None
    label_column: str | None = None
    corrections: str | None = None
    seed: int = 0
    size: tuple[int, int] | None = None
    head: str | None = None
    variables: Mapping[str, Any] = field(default_factory=dict)
    level: int = 0
    stages: Sequence[str] = ()

    @property
    def side(self) -> int | None:
        """The input size, which is square here."""
        return None if self.size is None else self.size[0]


def check(options: WrongLabelOptions) -> None:
    """UserError for what makes no sense."""
    problems = []
    if options.data is None:
        problems.append(Problem("no pictures are named whose labels are to be inspected", None, "--labels",
                                "name them: --data photos/"))  # fmt: skip
    if options.size is not None and options.size[0] != options.size[1]:
        side = options.size[0]
        received = f"--size {side}x{options.size[1]}"
        problems.append(Problem("with --labels the input is square", None, received, f"write --size {side}"))
    if problems:
        raise UserError(problems)


def refuse_others(labels: bool, of_labels: Mapping[str, Any], of_training: Mapping[str, Any]) -> None:
    """UserError for options (by flag) that say nothing with, or without, --labels."""
    wrong = of_training if labels else of_labels
    what = "says nothing with --labels" if labels else "needs --labels"
    remedy = "remove it" if labels else "add --labels, or remove it"
    problems = [
        Problem(f"{flag} {what}", None, f"{flag} {value}", remedy)
        for flag, value in wrong.items() if value not in (None, (), [], "")
    ]  # fmt: skip
    if problems:
        raise UserError(problems)
