"""Counts the predictions of a net while it runs: the confusion matrix, the best five, each sample's answer."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from caffelungo.layers.base import count
from caffelungo.net.graph import GraphNet, LayerModule
from caffelungo.plan.plan import PlannedLayer
from caffelungo.report.classification_score import TOP, Classified


class PredictionCounter:
    """Counts predictions of ``net`` while it runs; on the device, without waiting for it.

    ``answers`` False: those of single samples are not kept.
    """

    def __init__(
        self, net: GraphNet, planned: PlannedLayer, names: Sequence[str] = (), *, answers: bool = True
    ) -> None:
        param = planned.layer.param
        accuracy = planned.layer.type == "Accuracy"
        self.axis = int(param.accuracy_param.axis if accuracy else param.softmax_param.axis)
        options = param.accuracy_param if accuracy else param.loss_param
        self.ignore = int(options.ignore_label) if options.HasField("ignore_label") else None
        shape = planned.bottom_shapes[0]
        assert shape is not None
        self.classes = int(shape[self.axis] or 0)
        self.names = list(names) if len(names) == self.classes else [str(number) for number in range(self.classes)]
        self.confusion: Tensor | None = None
        self.in_top: Tensor | None = None
        single = self.ignore is None and count((planned.bottom_shapes[1] or (1,))[1:]) == 1
        self.answers: list[Tensor] | None = [] if single and answers else None
        for module in net.module.modules():
            if isinstance(module, LayerModule) and module.layer is planned.layer:
                module.register_forward_pre_hook(self._see)

    @torch.no_grad()
    def _see(self, module: torch.nn.Module, bottoms: tuple[Tensor, ...]) -> None:
        scores = bottoms[0].detach().float().movedim(self.axis, -1).reshape(-1, self.classes)
        labels = bottoms[1].reshape(-1).long()
        if self.ignore is not None:
            used = labels != self.ignore
            scores, labels = scores[used], labels[used]
        labels = torch.where((labels < 0) | (labels >= self.classes), 0, labels)  # the layer itself says what is wrong
        true = scores.gather(1, labels[:, None])
        better = (scores >= true).sum(1) - 1
        # Caffe counts a tie with the true class as wrong, so the class predicted then is another one.
        others = scores.scatter(1, labels[:, None], -math.inf).argmax(1)
        predicted = torch.where(better == 0, labels, others)
        if self.answers is not None:
            self.answers.append(torch.stack([labels, predicted], 1))
        pairs = torch.bincount(labels * self.classes + predicted, minlength=self.classes**2)
        top = (better < TOP).sum()
        self.confusion = pairs if self.confusion is None else self.confusion + pairs
        self.in_top = top if self.in_top is None else self.in_top + top

    def restart(self) -> None:
        """Forget what was counted, before another test."""
        self.confusion = self.in_top = None
        self.answers = [] if self.answers is not None else None

    def result(self) -> Classified:
        """The counts so far."""
        assert self.confusion is not None
        assert self.in_top is not None
        matrix = self.confusion.cpu().numpy().reshape(self.classes, self.classes).astype(np.int64)
        answers = torch.cat(self.answers).cpu().numpy().astype(np.int64) if self.answers else None
        return Classified(matrix, int(self.in_top), self.names, answers)
