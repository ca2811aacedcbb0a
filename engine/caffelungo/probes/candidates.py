"""What a linear classifier may read: one blob, several concatenated, all stages, or the input of the net's own one.

No torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from caffelungo.errors import Location, Problem, UserError
from caffelungo.features.blobs import find_blobs
from caffelungo.passes.stage_ends import stage_ends
from caffelungo.passes.view import View

JOINED = "all"
HEAD = "head"
AUTO = "auto"


@dataclass(frozen=True)
class ProbeCandidate:
    """``name`` is what the user reads, ``blobs`` what the classifier does; none for the net's own classifier."""

    name: str
    blobs: tuple[str, ...]

    @property
    def own(self) -> bool:
        """Whether it is the net's own classifier, reading what it reads now."""
        return not self.blobs


def candidates(view: View, words: Sequence[str]) -> list[ProbeCandidate]:
    """The candidates that ``words`` name: blobs, ``a+b``, "all", "head", or "auto" (each stage end, and all).

    UserError with everything that is no blob of the net, or is named twice.
    """
    found: list[ProbeCandidate] = []
    problems: list[Problem] = []
    for word in dict.fromkeys(words):
        if word == HEAD:
            found.append(ProbeCandidate(HEAD, ()))
        elif word in (AUTO, JOINED):
            stages = stage_ends(view)
            # All of one stage is that stage.
            if word == AUTO or len(stages) == 1:
                found += [ProbeCandidate(stage, (stage,)) for stage in stages]
            if len(stages) > 1:
                found.append(ProbeCandidate(JOINED, tuple(stages)))
        else:
            try:
                found.append(ProbeCandidate(word, tuple(find_blobs(view, [part.strip() for part in word.split("+")]))))
            except UserError as error:
                problems += error.problems
    if not words:
        problems.append(Problem("no layer is named", None, "--layers", "remove it to try every stage of the net"))
    elif not found and not problems:
        problems.append(
            Problem("the net has no layer below its classifier", Location(str(view.definition.path)), ", ".join(words),
                    "name a blob of pictures: --layers data")
        )  # fmt: skip
    if problems:
        raise UserError(problems)
    return list({(one.name, one.blobs): one for one in found}.values())
