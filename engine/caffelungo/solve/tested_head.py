"""Finds the classifier that a net's graph compares with the label, and attaches another that ``choose_head`` chose.

before:  fc8 -> prob      fc8_birds -> loss, accuracy
after:   fc8 -> prob, loss, accuracy      fc8_birds                  (``pointed`` at `fc8`, for data of its task)

No torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from caffelungo.definition.filter import included
from caffelungo.layers.kinds import CLASS_LOSSES
from caffelungo.passes.view import Graph, onward
from caffelungo.plan.build_plan import build_plan
from caffelungo.plan.plan import Plan, PlannedLayer

if TYPE_CHECKING:
    from caffelungo.solve.net_text import NetText


def judge(plan: Plan) -> PlannedLayer | None:
    """The layer whose scores and labels are to be counted: the last top-1 Accuracy, else the last softmax loss."""
    return _best(plan.layers)


def judges(plan: Plan) -> list[PlannedLayer]:
    """For each label of the data the layer whose scores are to be counted, as ``judge`` finds it among those on it.

    Several classifiers on one label are one (GoogLeNet's earlier ones serve training only).
    """
    on: dict[int, list[PlannedLayer]] = {}
    for one in plan.layers:
        if _best([one]) is not None and len(one.bottom_values) > 1:
            on.setdefault(one.bottom_values[1], []).append(one)
    found = [best for layers in on.values() if (best := _best(layers)) is not None]
    return sorted(found, key=lambda one: one.index)


def _best(layers: Sequence[PlannedLayer]) -> PlannedLayer | None:
    found = [p for p in layers if p.layer.type == "Accuracy" and p.layer.param.accuracy_param.top_k == 1]
    found = found or [p for p in layers if p.layer.type == "Accuracy"]
    found = found or [p for p in layers if p.layer.type == "SoftmaxWithLoss"]
    return found[-1] if found else None


def judged_head(plan: Plan) -> str | None:
    """The name of the classifier whose scores ``judge`` compares with the labels; None where there is no such."""
    found = judge(plan)
    return head_of(plan, found) if found is not None else None


def head_of(plan: Plan, judging: PlannedLayer) -> str | None:
    """The name of the classifier whose scores ``judging`` compares; None where they are not one classifier's."""
    one = Graph(plan).head_of(judging.bottom_values[0])
    return one.name if one is not None else None


def pointed(text: NetText, state: Any, head: str) -> NetText:
    """``text`` with the losses and accuracies of ``state`` on the scores of the classifier ``head``, where they are."""
    plan = build_plan(text.message, state, where=text.where, problems=[])
    graph = Graph(plan)
    classifier = plan.layer(head)
    passed, softmax = onward(graph, classifier.top_values[0])
    last = passed[-1] if passed else classifier
    scores = softmax.bottoms[0] if softmax is not None else last.tops[0]
    message = type(text.message)()
    message.CopyFrom(text.message)
    for layer in message.layer:
        if layer.type in CLASS_LOSSES | {"Accuracy"} and len(layer.bottom) > 1 and included(layer, state):
            layer.bottom[0] = scores
    return replace(text, message=message)
