"""Where a group of new units may be placed: beside which layer or block, what it reads, and what follows the old units.

fc6 -> fc7 -> relu7 -> drop7 -> fc8            beside fc7: reads fc6; before: relu7, after: drop7
fire9/squeeze -> two branches -> fire9/concat  beside fire9/concat: reads what the whole block reads
"""

from __future__ import annotations

from dataclasses import dataclass

from caffelungo.layers.kinds import HEADS, NEURONS
from caffelungo.passes import new_units
from caffelungo.passes.base import Refusal
from caffelungo.passes.view import Graph, View
from caffelungo.plan.plan import PlannedLayer

BLOCKS = frozenset({"Concat", "Eltwise", "Scale"})
"""Layers that, with several bottoms, end a block of several branches (Scale: the gate of an SE block)."""


@dataclass
class Place:
    """Where new units go: what they read, the chain that the old ones pass, and the block's last branch to copy.

    ``before`` are the neurons before Normalize, ``after`` the Dropout behind it.
    """

    target: PlannedLayer
    reads: int
    branch: list[PlannedLayer]
    before: list[PlannedLayer]
    after: list[PlannedLayer]
    joined: bool = False
    """Whether the block joins groups of units that are normalized already."""

    @property
    def chain(self) -> list[PlannedLayer]:
        return [*self.before, *self.after]

    @property
    def last(self) -> PlannedLayer:
        """The last layer of the old units' chain."""
        return (self.chain or [self.target])[-1]

    @property
    def base(self) -> str:
        """What the place is called: the layer, or the blob of the block it ends."""
        return self.target.tops[0] if self.target.layer.type not in HEADS else self.target.name


def find_place(view: View, graph: Graph, layer: str, option: str) -> Place:
    """Where units beside ``layer`` would go; Refusal when the layer has no units or is the classifier."""
    target = view.find(layer, option)
    new_units.refuse_rules(view, target)
    new_units.refuse_head(view, target, graph)
    before, after = new_units.split_chain(graph.chain(target))
    if target.layer.type in HEADS:
        return Place(target, target.bottom_values[0], [target], before, after)
    if target.layer.type in BLOCKS and len(target.bottoms) > 1:
        reads = graph.dominator(target.bottom_values)
        if reads is None:
            raise Refusal(
                f"the branches that end in `{target.name}` have no common input",
                view.where(target.index),
                received=", ".join(target.bottoms),
                remedy="widen a layer further up",
            )
        return Place(
            target, reads, _longest_branch(graph, target, reads), before, after, joins_normalized(graph, target)
        )
    raise Refusal(
        f"`{target.name}` ({target.layer.type}) has no units to widen",
        view.where(target.index),
        received=f"{option} {layer}",
        remedy="name an InnerProduct, a Convolution, or the Concat or Eltwise that ends a block",
    )


def joins_normalized(graph: Graph, target: PlannedLayer) -> bool:
    """Whether every bottom of a Concat comes out of a Normalize, or of another such Concat."""
    for value in target.bottom_values if target.layer.type == "Concat" else ():
        maker = graph.producer.get(value)
        while maker is not None and maker.layer.type == "Dropout":
            maker = graph.producer.get(maker.bottom_values[0])
        if maker is None or (maker.layer.type != "Normalize" and not joins_normalized(graph, maker)):
            return False
    return target.layer.type == "Concat"


def _longest_branch(graph: Graph, target: PlannedLayer, reads: int) -> list[PlannedLayer]:
    """The convolution with the most neurons behind it among those that end in ``target``, and those neurons."""
    found: list[PlannedLayer] = []
    for value in target.bottom_values[: 1 if target.layer.type == "Scale" else None]:
        trail: list[PlannedLayer] = []
        while value in graph.producer and value != reads:
            maker = graph.producer[value]
            trail.insert(0, maker)
            if maker.layer.type not in NEURONS or len(maker.bottoms) != 1:
                break
            value = maker.bottom_values[0]
        if trail and trail[0].layer.type in HEADS and len(trail) >= len(found):
            found = trail
    return found


def channels(graph: Graph, one: PlannedLayer) -> int | None:
    """How many channels the top of ``one`` has."""
    shape = graph.shape(one.top_values[0])
    return shape[1] if shape is not None and len(shape) > 1 else None
