"""What every start of a training shares: what the linear model may read of a net, and the net with the best one.

net pointed at pictures -> features of every stage, and of all joined, computed once -> (a fit of each, by the caller)
-> the net whose last layer is the chosen one
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from torch import Tensor

from caffelungo import drafts
from caffelungo.data.image_list import Target
from caffelungo.definition.definition import Definition
from caffelungo.features.pooled import Pooled
from caffelungo.passes.base import Note
from caffelungo.passes.join import JoinedOptions, Read, columns
from caffelungo.passes.param_blocks import Rate
from caffelungo.passes.view import View
from caffelungo.probes.candidates import ProbeCandidate, candidates
from caffelungo.probes.choose_candidate import LinearHead
from caffelungo.probes.feature_matrix import Subject, matrix, read
from caffelungo.probes.write_net import extras, with_head
from caffelungo.solve.engine import Engine
from caffelungo.weights.load import load
from caffelungo.weights.weights import Weights
from caffelungo.wording import counted

SCALE = 10.0
"""Length of each part that the last layer reads. With it that layer's weights are about as large as those of
convolutions, so that one rate serves both."""
RATES: tuple[Rate, Rate] = ((1.0, 1.0), (1.0, 0.0))
"""The last layer is no newer than those below it: it learns at their pace."""

Row = TypeVar("Row")
Stage = Callable[[str, int, int], None]
"""What is done now, how much of it is, and of how much."""
Reader = Callable[[Sequence[tuple[str, Any]], Sequence[str], bool], Pooled | None]
"""Features that somebody has computed already, of pictures and blobs (mirrored, too); None where these are others."""


@dataclass(frozen=True)
class StartedNet(Generic[Row]):
    """The net that answers as ``head`` does, the weights it starts from, and how the candidates did (``rows``);
    ``notes`` is what was done to the net."""

    definition: Definition
    weights: Weights
    notes: list[Note]
    rows: list[Row]
    chosen: Row
    head: LinearHead


class StartCandidates:
    """What the last layer of ``definition`` may read, by ``layers``; ``weights`` are those of the frozen net.

    ``head``: the classifier that is replaced, where there are several; ``suffix`` ends the name of the new one.
    """

    def __init__(
        self,
        definition: Definition,
        weights: str,
        layers: Sequence[str],
        head: str | None = None,
        suffix: str = "joined",
    ) -> None:
        self.definition, self.weights, self.head = definition, weights, head
        self.view = View(definition)
        self.found = candidates(self.view, layers)
        self._options = {
            one.name: JoinedOptions(_reads(one), head, suffix=suffix, rates=RATES, scale=SCALE) for one in self.found
        }

    @contextmanager
    def features(
        self,
        entries: Sequence[tuple[str, Target]],
        engine: Engine,
        *,
        mirrored: bool,
        say: Stage,
        cache: Path | None = None,
        reader: Reader | None = None,
    ) -> Iterator[Callable[[ProbeCandidate], Tensor]]:
        """Within it: what a candidate reads of ``entries``, N x D, or 2N x D with the mirrored pictures behind.

        They are kept in ``cache`` where it is given; what ``reader`` has is not computed.
        """
        blobs = list(dict.fromkeys(blob for one in self.found for blob in one.blobs))
        what = f"features of {counted(len(entries), 'picture')}"

        def progress(done: float, total: float, text: str = "") -> None:
            say(what, int(done), int(total))

        with drafts.scratch() as folder:
            pooled = reader(entries, blobs, mirrored) if reader is not None else None
            pooled = pooled or read(
                Subject(self.definition, [self.weights], engine), entries, blobs, mirrored=mirrored,
                cache=cache or folder, say=progress,
            )  # fmt: skip

            def features(one: ProbeCandidate) -> Tensor:
                parts = [(blob, pool) for blob, pool, _ in columns(self.view, self._options[one.name])]
                return matrix(pooled, parts)

            yield features

    def net(
        self, chosen: ProbeCandidate, head: LinearHead, names: Sequence[str], entries: Sequence[tuple[str, Target]]
    ) -> tuple[Definition, Weights, list[Note]]:
        """The net whose last layer is ``head`` on what ``chosen`` reads, its weights, and what was done to the net."""
        main = self.view.heads(self.head)[-1]
        net, made = with_head(self.definition, load(self.weights), self._options[chosen.name], head, main)
        made.extras = extras(net.definition, names, entries)
        return net.definition, made, net.notes


def _reads(candidate: ProbeCandidate) -> tuple[Read, ...]:
    return tuple(Read(blob) for blob in candidate.blobs)
