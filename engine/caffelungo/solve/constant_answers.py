"""Nets that give one answer for every sample of a test: seen in the answers themselves, while they are tested."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from caffelungo.net.graph import LayerModule
from caffelungo.plan.plan import PlannedLayer
from caffelungo.solve.observer import Observer
from caffelungo.solve.test_net import TestNet
from caffelungo.solve.test_result import TestResult
from caffelungo.solve.training import Training

LEAST = 10
"""Samples of a test below which one answer for all may be chance."""


class Answers:
    """Least and largest class that a classifier of ``test`` answers, and that its labels name, batch by batch.

    It stays on the device: nothing waits for it before ``take``.
    """

    def __init__(self, test: TestNet, planned: PlannedLayer) -> None:
        self.planned = planned
        options = planned.layer.param
        self.axis = int((options.accuracy_param if planned.layer.type == "Accuracy" else options.softmax_param).axis)
        self.ends: Tensor | None = None
        for module in test.net.module.modules():
            if isinstance(module, LayerModule) and module.layer is planned.layer:
                module.register_forward_pre_hook(self._see)

    @torch.no_grad()
    def _see(self, module: torch.nn.Module, bottoms: tuple[Tensor, ...]) -> None:
        scores, labels = bottoms[0], bottoms[1]
        answers = scores.argmax(self.axis)
        ends = torch.stack([-answers.amin(), answers.amax(), -labels.amin().long(), labels.amax().long()])
        self.ends = ends if self.ends is None else torch.maximum(self.ends, ends)

    def take(self) -> int | None:
        """The one class of all answers since the last call; None when there were several, or one label only."""
        ends, self.ends = self.ends, None
        if ends is None:
            return None
        least, most, first, last = ends.tolist()
        return int(most) if -least == most and -first != last else None


class ConstantAnswers(Observer):
    """Says once of each test net when, after ``patience`` iterations, it answers the same for all samples."""

    def __init__(self, training: Training, patience: int, say: Callable[[str], None]) -> None:
        self.training, self.patience, self.say = training, patience, say
        self.answers = [] if training.engine.compile else [_answers(test) for test in training.tests]
        self.reported: set[int] = set()

    def on_test(self, iteration: int, net: int, result: TestResult) -> None:
        seen = self.answers[net] if self.answers else None
        if seen is None:
            return
        answer = seen.take()
        late = iteration >= self.patience or iteration == self.training.param.max_iter > 0
        if answer is None or not late or net in self.reported or result.samples < LEAST:
            return
        self.reported.add(net)
        names = self.training.tests[net].names or list(self.training.opened.text.message.lungo.label)
        name = f" ({names[answer]})" if answer < len(names) else ""
        self.say(
            f"after {iteration} iterations the net answers class {answer}{name} for all {result.samples} test samples, "
            "so it does not distinguish classes: start again with base_lr divided by ten; if that does not help, "
            "check the labels, the scale of the input and the weights it starts from"
        )


def _answers(test: TestNet) -> Answers | None:
    """The first classifier of ``test`` that an Accuracy, or else a softmax loss, compares with labels."""
    for kind in ("Accuracy", "SoftmaxWithLoss"):
        for planned in test.opened.plan.layers:
            if planned.layer.type == kind and len(planned.bottoms) == 2:
                return Answers(test, planned)
    return None
