"""The layer that is meant where a pass names none: what feeds the classifier, so that a recipe fits any net.

before:  ... -> fc6 -> relu6 -> fc7 -> relu7 -> drop7 -> fc8 -> loss
after:   top_layer, unit_layer: fc7; read_by_top: relu6. Where a classifier reads pooled features of several layers,
         unit_layer is the last of those
"""

from __future__ import annotations

from caffelungo.passes import joined_units, unit_places
from caffelungo.passes.base import Refusal
from caffelungo.passes.new_units import feeding
from caffelungo.passes.view import ClassifierLayer, View


def top_classifier(view: View) -> ClassifierLayer:
    """The (last) classifier; that of any label, where all read the same layer. UserError when it is not clear which."""
    answers = view.answers
    if view.head is None and len({one.label for one in answers}) > 1:
        below = {
            (feeding(view.graph, one), *(top.name for top in joined_units.read_by(view.graph, one.head)))
            for one in answers
        }
        if len(below) == 1:
            return answers[-1]
    return view.heads()[-1]


def top_layer(view: View) -> str:
    """The layer that feeds the (last) classifier; Refusal when there is none."""
    one = top_classifier(view)
    found = feeding(view.graph, one)
    if found is None:
        raise Refusal(
            f"`{one.name}` reads the data itself: there is no layer to grow",
            view.where(one.head.index),
            remedy="use a net with at least one layer before the classifier",
        )
    return found


def unit_layer(view: View) -> str:
    """The layer whose units feed the (last) classifier, through the pooling of joined features, too."""
    joined = joined_units.read_by(view.graph, top_classifier(view).head)
    return joined[-1].name if joined else top_layer(view)


def read_by_top(view: View) -> str:
    """The layer whose output the layer that feeds the classifier reads: what new units beside that would read."""
    graph = view.graph
    place = unit_places.find_place(view, graph, top_layer(view), "read")
    maker = graph.producer.get(place.reads)
    while maker is not None and maker.layer.type == "Dropout":
        maker = graph.producer.get(maker.bottom_values[0])
    if maker is None or maker.layer.source:
        raise Refusal(
            f"`{place.base}` reads the picture itself, which has no features",
            view.where(place.target.index),
            remedy="name the layers to read: read { layer: ... }",
        )
    return maker.name
