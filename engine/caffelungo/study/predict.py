"""The predictions of a net in phase TEST for each picture of a list."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from caffelungo.errors import UserError
from caffelungo.net.graph import GraphNet, LayerModule
from caffelungo.net.store import Store
from caffelungo.plan.plan import Plan, PlannedLayer
from caffelungo.solve.engine import Engine
from caffelungo.solve.feed import Feed
from caffelungo.solve.nets import OpenedNet
from caffelungo.solve.tested_head import judge


@dataclass(frozen=True)
class Predictions:
    """For each picture in the list's order: the class with the highest score, all classes' probabilities, the label.

    ``classes`` and ``labels`` are N, ``probabilities`` N x classes. ``loss`` is the mean of -ln(probability of the
    label).
    """

    classes: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    labels: NDArray[np.int64]
    loss: float

    @property
    def accuracy(self) -> float:
        """Share of the pictures whose class is the label."""
        return float(np.mean(self.classes == self.labels))


@torch.no_grad()
def predict(
    opened: OpenedNet, store: Store, engine: Engine, each: Callable[[int, int], None] = lambda done, count: None
) -> Predictions:
    """Run ``opened`` (phase TEST, its data gone through once) over the weights of ``store``, batch by batch.

    The scores are what the last Accuracy layer counts, else what the last SoftmaxWithLoss reads. ``each`` hears how
    many batches of how many are done. UserError for a net without either.
    """
    planned = judge(opened.plan)
    if planned is None:
        raise UserError(
            "the net does not define which scores to evaluate",
            where=opened.text.where(),
            received="neither Accuracy nor SoftmaxWithLoss in phase TEST",
            remedy="add an Accuracy layer with the scores and the labels",
        )
    net = GraphNet(opened.plan, store)
    axis, classes = _scores(planned)
    probable = _softmax_before(opened.plan, planned)
    logs: list[Tensor] = []
    labels: list[Tensor] = []

    def see(module: torch.nn.Module, bottoms: tuple[Tensor, ...]) -> None:
        scores = bottoms[0].float().movedim(axis, -1).reshape(-1, classes)
        logs.append(scores.clamp_min(torch.finfo(torch.float32).tiny).log() if probable else scores.log_softmax(1))
        labels.append(bottoms[1].reshape(-1).long())

    for module in net.module.modules():
        if isinstance(module, LayerModule) and module.layer is planned.layer:
            module.register_forward_pre_hook(see)
    count = max(source.batches or 1 for source in opened.sources)
    for done, tensors in enumerate(Feed(opened, engine).batches(0, count)):
        each(done, count)
        with engine.arithmetic():
            net(*tensors)
    every, true = torch.cat(logs).cpu(), torch.cat(labels).cpu()
    loss = -every.gather(1, true[:, None]).double().mean()
    return Predictions(every.argmax(1).numpy(), every.exp().numpy(), true.numpy(), float(loss))


def _scores(planned: PlannedLayer) -> tuple[int, int]:
    """The axis of the classes in the scores that ``planned`` reads, and how many there are."""
    param = planned.layer.param
    shape = planned.bottom_shapes[0] or ()
    # A picture has one label, and the plan has seen to it that there is one row of scores for each label.
    axis = int(param.accuracy_param.axis if planned.layer.type == "Accuracy" else param.softmax_param.axis)
    return axis, int(shape[axis] or 0)


def _softmax_before(plan: Plan, planned: PlannedLayer) -> bool:
    """Whether what ``planned`` reads are probabilities already."""
    makers = [other for other in plan.layers if planned.bottom_values[0] in other.top_values]
    return planned.layer.type == "Accuracy" and bool(makers) and makers[-1].layer.type == "Softmax"
