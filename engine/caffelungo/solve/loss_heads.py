"""Classifiers under a softmax loss: the layer that makes the scores, its classes, the data of its labels. No torch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from caffelungo.data.source import DataSource
from caffelungo.plan.plan import Plan, PlannedLayer
from caffelungo.solve.nets import OpenedNet


@dataclass(frozen=True)
class LossHead:
    """A classifier under a loss: the loss layer, the layer that makes its scores, its classes, and its labels."""

    loss: PlannedLayer
    scores: PlannedLayer
    classes: int
    weight: float
    data: PlannedLayer | None
    source: DataSource | None


def loss_heads(opened: OpenedNet) -> Iterator[LossHead]:
    """Every SoftmaxWithLoss of the net."""
    sources = {source.name: source for source in opened.sources}
    makers = {value: planned for planned in opened.plan.layers for value in planned.top_values}
    for planned in opened.plan.layers:
        if planned.layer.type != "SoftmaxWithLoss" or len(planned.bottom_values) < 2:
            continue
        shape = planned.bottom_shapes[0]
        axis = planned.layer.param.softmax_param.axis
        classes = shape[axis] if shape and -len(shape) <= axis < len(shape) else None
        if classes is None:
            continue
        data = _source_of(opened.plan, planned.bottom_values[1])
        scores = _learning_below(opened.plan, makers[planned.bottom_values[0]])
        source = sources.get(data.name) if data else None
        yield LossHead(planned, scores, classes, planned.loss_weights[0] if planned.loss_weights else 0.0, data, source)


def _source_of(plan: Plan, value: int) -> PlannedLayer | None:
    """The data layer whose second top is ``value``: that is where class labels come from."""
    for planned in plan.sources:
        if value in planned.top_values[1:2]:
            return planned
    return None


def _learning_below(plan: Plan, planned: PlannedLayer) -> PlannedLayer:
    """The nearest layer with parameters at or below ``planned``, along first bottoms."""
    makers = {value: other for other in plan.layers for value in other.top_values}
    while not planned.params and planned.bottom_values:
        planned = makers[planned.bottom_values[0]]
    return planned
