"""How well a net classifies a whole test set: accuracy with its interval, each class, the confusion matrix."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from caffelungo.layers.base import count
from caffelungo.net.graph import LayerModule, Net
from caffelungo.plan.plan import PlannedLayer

TOP = 5
CONFIDENCE = 1.959963984540054
"""Standard deviations of a 95 % interval."""


@dataclass(frozen=True)
class Classified:
    """Counts over a test set. ``confusion[true, predicted]``; ``names`` are the classes' (numbers where unknown).

    ``answers``: (true, predicted) of each sample, N x 2, in the order of the data; None where a sample has several
    labels, or some are ignored.
    """

    confusion: NDArray[np.int64]
    in_top: int
    names: list[str]
    answers: NDArray[np.int64] | None = None

    @property
    def samples(self) -> int:
        return int(self.confusion.sum())

    @property
    def right(self) -> int:
        return int(np.trace(self.confusion))

    @property
    def accuracy(self) -> float:
        return self.right / self.samples if self.samples else 0.0

    @property
    def top(self) -> float:
        """Share of samples whose class is among the five highest scores."""
        return self.in_top / self.samples if self.samples else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        return wilson(self.right, self.samples)

    def per_class(self) -> list[tuple[str, int, int, float, float]]:
        """(name, samples, right, recall, precision) of each class; NaN where there is nothing to divide by."""
        rows = self.confusion.sum(1)
        columns = self.confusion.sum(0)
        right = np.diag(self.confusion)
        return [
            (name, int(n), int(k), _ratio(int(k), int(n)), _ratio(int(k), int(m)))
            for name, n, k, m in zip(self.names, rows, right, columns, strict=True)
        ]


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else math.nan


def wilson(right: int, total: int, z: float = CONFIDENCE) -> tuple[float, float]:
    """The 95 % interval of a share of ``right`` in ``total`` (Wilson 1927)."""
    if not total:
        return 0.0, 1.0
    share, square = right / total, z * z
    centre = (share + square / (2 * total)) / (1 + square / total)
    half = z * math.sqrt(share * (1 - share) / total + square / (4 * total * total)) / (1 + square / total)
    low = 0.0 if right == 0 else max(0.0, centre - half)
    return low, 1.0 if right == total else min(1.0, centre + half)


class Counter:
    """Counts predictions of ``net`` while it runs; on the device, without waiting for it."""

    def __init__(self, net: Net, planned: PlannedLayer, names: Sequence[str] = ()) -> None:
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
        self.answers: list[Tensor] | None = [] if single else None
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

    def result(self) -> Classified:
        """The counts so far."""
        assert self.confusion is not None
        assert self.in_top is not None
        matrix = self.confusion.cpu().numpy().reshape(self.classes, self.classes).astype(np.int64)
        answers = torch.cat(self.answers).cpu().numpy().astype(np.int64) if self.answers else None
        return Classified(matrix, int(self.in_top), self.names, answers)
