"""A test on several views of each picture: the class probabilities of its views are averaged.

    N V pictures -> scores (N V x C) -> probabilities, their mean over the V views of a picture (N x C) -> its logarithm

The logarithm takes the place of the scores in each loss, accuracy and count of predictions: its softmax is the mean.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from caffelungo.data.picture_views import Mirrored, TenCrops
from caffelungo.data.sources.images import ImageSource
from caffelungo.errors import Problem, UserError
from caffelungo.net.graph import GraphNet, LayerModule
from caffelungo.plan.plan import Plan, PlannedLayer
from caffelungo.solve.nets import OpenedNet

ONE, TEN, FLIP = "1", "10", "flip"
KINDS: dict[str, type[TenCrops] | type[Mirrored]] = {TEN: TenCrops, FLIP: Mirrored}
"""What serves the views, by the words of --crops."""
SMALLEST = torch.finfo(torch.float32).tiny


def with_views(opened: OpenedNet, crops: str) -> int:
    """Let ``opened`` read several views of each picture; returns how many. UserError where that is not possible."""
    if crops == ONE:
        return 1
    if crops not in KINDS:
        raise UserError("--crops takes 1, 10 or flip", received=f"--crops {crops}", remedy="write --crops 10")
    kind = KINDS[crops]
    source = opened.sources[0] if len(opened.sources) == 1 else None
    if not isinstance(source, ImageSource) or len(source.names) < 2:
        raise UserError(
            "only a net that reads pictures with labels (ImageData) can be tested on several views of them",
            where=opened.text.where(), received=f"--crops {crops}", remedy="remove --crops, or give --data photos/",
        )  # fmt: skip
    problems = [
        Problem(
            f"layer `{one.name}` ({one.layer.type}) does not judge classes, so views cannot be averaged for it",
            opened.text.where("layer", one.index), f"--crops {crops}", "remove --crops",
        )
        for one in opened.plan.consumers(opened.plan.layer(source.name).top_values[1])
        if not _judges(one)
    ]  # fmt: skip
    if problems:
        raise UserError(problems)
    opened.sources[0] = kind.of(source)
    return kind.views


def _judges(planned: PlannedLayer) -> bool:
    """Whether a layer compares scores of classes (bottom 0) with labels (bottom 1)."""
    return planned.layer.class_numbers(planned.bottom_shapes) is not None and (
        planned.layer.answer == "Softmax" or planned.layer.type == "Accuracy"
    )


def average(net: GraphNet, views: int) -> None:
    """Let the layers of ``net`` that judge classes see the mean over ``views``; before anything else looks at them."""
    judges = {id(one.layer): one for one in net.plan.layers if _judges(one)}
    for module in net.module.modules():
        if isinstance(module, LayerModule) and (planned := judges.get(id(module.layer))) is not None:
            module.register_forward_pre_hook(_hook(views, _axis(planned), _are_probabilities(net.plan, planned)))


def _hook(views: int, axis: int, probabilities: bool) -> Any:
    def mean(module: torch.nn.Module, bottoms: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        scores = bottoms[0].float()
        each = scores if probabilities else scores.softmax(axis)
        log = each.unflatten(0, (-1, views)).mean(1).clamp_min(SMALLEST).log()
        return (log, *bottoms[1:])

    return mean


def _axis(planned: PlannedLayer) -> int:
    param = planned.layer.param
    return int(param.accuracy_param.axis if planned.layer.type == "Accuracy" else param.softmax_param.axis)


def _are_probabilities(plan: Plan, planned: PlannedLayer) -> bool:
    """Whether a Softmax makes what ``planned`` reads."""
    return any(one.layer.type == "Softmax" and planned.bottom_values[0] in one.top_values for one in plan.layers)
