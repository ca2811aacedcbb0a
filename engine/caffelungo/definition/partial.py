"""What of a text can be read although parts of it cannot: the rest, so that its own mistakes are found as well.

layer { ... num_output: x }      blanks in the place of `num_output: x`      a definition, and where it is
layer { ... hole: 2 }        ->  and of `hole: 2`, all else in its place  -> not what the user wrote
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from caffelungo.definition import typography
from caffelungo.definition.faults import Fault, Harm
from caffelungo.errors import Problem, UserError

if TYPE_CHECKING:
    from caffelungo.definition.definition import Definition


@dataclass(frozen=True)
class Rest:
    """``definition`` without its ``faults``, whose offsets are those in the text that was given.

    ``left_out``: the text of those that may have taken blobs with them.
    """

    definition: Definition
    faults: tuple[Fault, ...]
    left_out: str = ""

    def among(self, starts: Iterable[int], harm: Harm) -> frozenset[int]:
        """Which of the layers that begin at ``starts`` have a fault of this ``harm`` in them."""
        return _holders(starts, [fault for fault in self.faults if fault.harm is harm])

    def unwired(self, starts: Iterable[int]) -> frozenset[int]:
        """Which of the layers that begin at ``starts`` may lack blobs that the text gives them."""
        return _holders(starts, [fault for fault in self.faults if fault.lost])

    def written(self, text: str) -> dict[str, str]:
        """What ``text``, the one that was given, has in the place of each field that its message does not have."""
        return {fault.name: text[fault.start : fault.end] for fault in self.faults if fault.name}

    @property
    def lost(self) -> str | None:
        """What was left out, with the names of the blobs that may be missing; None where any may be."""
        return None if any(fault.states for fault in self.faults) else self.left_out


def _holders(starts: Iterable[int], faults: Iterable[Fault]) -> frozenset[int]:
    """Which of the blocks that begin at ``starts`` have one of ``faults`` in them."""
    begun = sorted((start, index) for index, start in enumerate(starts))
    found = set()
    for fault in faults:
        if fault.inside:
            found.update([index for start, index in begun if start <= fault.start][-1:])
    return frozenset(found)


class UnreadableError(UserError):
    """A text with mistakes in it, and what else can be read of it (None: nothing that could be relied on)."""

    def __init__(self, problems: list[Problem], rest: Rest | None) -> None:
        super().__init__(problems)
        self.rest = rest


def blanked(text: str, spans: Iterable[tuple[int, int, str]]) -> str:
    """``text`` with a replacement and blanks in the place of each span, so that all else keeps its place."""
    pieces, end = [], 0
    for start, stop, instead in sorted(spans, key=lambda span: (span[0], -span[1])):
        if stop <= end:
            continue
        start = max(start, end)
        blanks = "".join(c if c in "\r\n" else " " for c in text[start + len(instead) : stop])
        pieces += [text[end:start], instead, blanks]
        end = stop
    return "".join([*pieces, text[end:]])


def rest_of(text: str, faults: Iterable[Fault], read: Callable[[str], Definition]) -> Rest | None:
    """What ``read`` makes of ``text`` without its ``faults``; None where more than these is wrong with it."""
    faults = tuple(faults)
    readable, _ = typography.mended(text)
    spans = [(fault.start, fault.end, fault.instead) for fault in faults]
    try:
        definition = read(blanked(readable, spans))
    except UserError:
        return None
    return Rest(definition, faults, "\n".join(readable[fault.start : fault.end] for fault in faults if fault.lost))
