"""Which layers of a net that could be read in part are not as the user wrote them, so that nothing is said of what
follows from that alone."""

from __future__ import annotations

from dataclasses import dataclass

from caffelungo.definition.definition import Definition
from caffelungo.definition.faults import Harm
from caffelungo.definition.partial import Rest


@dataclass(frozen=True)
class Doubt:
    """Layers by their indices: ``broken`` ones are not judged, of ``altered`` ones the tops' shapes are not known.

    ``lost``: layers or names of blobs may lack, so that an unknown bottom is none of the user's mistakes.
    """

    broken: frozenset[int] = frozenset()
    altered: frozenset[int] = frozenset()
    lost: bool = False


NONE = Doubt()


def of(definition: Definition, rest: Rest | None) -> Doubt:
    """The doubt in ``definition``, which was made of ``rest`` (None: it was read whole)."""
    if rest is None:
        return NONE
    starts = [definition.offset("layer", index) or 0 for index in range(len(definition.message.layer))]
    return Doubt(rest.among(starts, Harm.FIELD), rest.among(starts, Harm.SHAPE), rest.lost)
