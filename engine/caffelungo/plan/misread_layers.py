"""Which layers of a net that could be read in part are not as the user wrote them, so that nothing is said of what
follows from that alone."""

from __future__ import annotations

import re
from dataclasses import dataclass

from caffelungo.definition.definition import Definition
from caffelungo.definition.faults import Harm
from caffelungo.definition.partial import Rest


@dataclass(frozen=True)
class Doubt:
    """Layers by their indices. Of ``broken`` ones, which may lack fields, only what they have is judged: ranges, blobs.

    Of ``unwired`` ones the blobs are not judged either; of ``altered`` ones the tops' shapes are not known. ``lost`` is
    the text of what was left out (None: anything may be in it): an unknown bottom that it names is no further mistake.
    """

    broken: frozenset[int] = frozenset()
    altered: frozenset[int] = frozenset()
    unwired: frozenset[int] = frozenset()
    lost: str | None = ""

    def lacks(self, blob: str) -> bool:
        """Whether ``blob`` may be unknown because of what was left out."""
        return self.lost is None or re.search(rf"(?<!\w){re.escape(blob)}(?!\w)", self.lost) is not None


NONE = Doubt()


def of(definition: Definition, rest: Rest | None) -> Doubt:
    """The doubt in ``definition``, which was made of ``rest`` (None: it was read whole)."""
    if rest is None:
        return NONE
    starts = [definition.offset("layer", index) or 0 for index in range(len(definition.message.layer))]
    return Doubt(rest.among(starts, Harm.FIELD), rest.among(starts, Harm.SHAPE), rest.unwired(starts), rest.lost)
