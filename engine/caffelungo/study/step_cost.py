"""The cost of one training step of a net beyond its frozen part, so that arms can get equal time. No torch."""

from __future__ import annotations

from caffelungo.definition.schema import TRAIN
from caffelungo.passes.view import View
from caffelungo.plan.cost import costs

LONGEST = 10.0
"""At most so many times the iterations: a classifier alone costs next to nothing, and gains nothing by thousands."""


def operations(view: View) -> float:
    """Operations a sample of a step: three times those of each layer that learns, or that gradients pass through.

    What is frozen below them is computed once for all steps and not counted; a sum that lacks a size is that of the
    sizes known.
    """
    graph = view.graphs.get(TRAIN) or view.graph
    found = {one.name: one.operations or 0 for one in costs(graph.plan)}
    moving: set[int] = set()
    total = 0.0
    for planned in graph.plan.layers:
        learns = any(use.spec.learned and use.lr_mult != 0 for use in planned.params)
        if learns or moving.intersection(planned.bottom_values):
            moving.update(planned.top_values)
            total += 3.0 * found[planned.name]
    return total
