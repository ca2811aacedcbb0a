"""Which layers of a grown net are its new units, and what of the old net they read. No torch.

before:  fc6 -> relu6 -> fc7 -> relu7 -> fc8
after:   fc6 -> relu6 -> fc7 -> relu7 -------------.
                  `-> fc7_new -> relu7_new -> fc7_wide -> fc8_wide        units: fc7_new, reads: fc6 (behind relu6)
"""

from __future__ import annotations

from caffelungo.definition.reader import Definition
from caffelungo.definition.schema import TRAIN
from caffelungo.layers.kinds import HEADS
from caffelungo.passes.view import Graph, View
from caffelungo.plan.plan import PlannedLayer


def new_units(before: Definition, after: Definition) -> list[str]:
    """The layers of new units: with weights, in ``after`` and not in ``before``, and no classifier."""
    return [planned.name for planned in _units(_names(before), View(after))]


def reads(before: Definition, after: Definition) -> list[str]:
    """The layers of ``before`` whose outputs (behind their neurons) the new units of ``after`` read, in file order."""
    known, view = _names(before), View(after)
    graph = _graph(view)
    found: dict[int, str] = {}
    queue = [value for unit in _units(known, view) for value in unit.bottom_values]
    seen: set[int] = set()
    while queue:
        value = queue.pop()
        maker = graph.producer.get(value)
        if value in seen or maker is None or maker.layer.source:
            continue
        seen.add(value)
        # A Dropout in place is none of the features, and behind the layers that a pass inserted come old ones.
        if maker.name in known and maker.layer.type != "Dropout":
            found[maker.index] = maker.name
        else:
            queue += maker.bottom_values
    return [found[index] for index in sorted(found)]


def _units(known: frozenset[str], view: View) -> list[PlannedLayer]:
    heads = {one.name for one in view.classifiers}
    return [
        planned
        for planned in _graph(view).plan.layers
        if planned.layer.type in HEADS and planned.name not in known | heads
    ]


def _graph(view: View) -> Graph:
    return view.graphs.get(TRAIN) or view.graph


def _names(net: Definition) -> frozenset[str]:
    return frozenset(layer.name for layer in net.message.layer)
