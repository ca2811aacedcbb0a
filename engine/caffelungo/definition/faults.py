"""The parts of a text that cannot be read: where each is, and what a net may lack without it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Harm(Enum):
    """What a net lacks once a part that cannot be read is left out."""

    NONE = "nothing: the field of a fork says how a net is computed"
    SHAPE = "what comes out of the layer that it is in"
    FIELD = "something that its layer may need"


@dataclass(frozen=True)
class Fault:
    """A part of a text that cannot be read. ``inside``: it is in a layer; ``lost``: blobs may go with it.

    Those are the blobs that it names, or, where it is about ``states``, any: it may say which layers there are.
    ``instead`` is what is read in its place, ``name`` that of a field that its message does not have.
    """

    start: int
    end: int
    harm: Harm = Harm.FIELD
    inside: bool = False
    lost: bool = True
    states: bool = False
    instead: str = ""
    name: str = ""
