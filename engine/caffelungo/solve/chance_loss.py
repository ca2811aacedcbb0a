"""A loss that stays where guessing leaves it: compared, heard, and said once. Runs that grow worse: ``diverging``."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from caffelungo.data import labels
from caffelungo.layers.class_balance import ClassBalanced
from caffelungo.layers.types.softmax_with_loss import SoftmaxWithLoss
from caffelungo.report.glog import number
from caffelungo.solve import cannot_learn
from caffelungo.solve.loss_heads import LossHead, loss_heads
from caffelungo.solve.observer import Observer
from caffelungo.solve.training import Training

NEAR = 0.01
"""Relative distance from ln(classes) that counts as stuck there."""
ABOVE = 0.15
"""As ``NEAR``, for a loss that hovers above it: a net at too high a rate that answers nothing but class shares."""
STRETCHES = 5
"""Parts of the patience, each of whose mean losses must be near."""
SATURATED = 87.3365
"""-ln of the smallest float: what Caffe's loss shows when the true class has probability 0."""


class StuckLoss(Observer):
    """Hears every loss: compares the first with that of guessing, and says once when it stays there, or saturates.

    A net whose outputs do not depend on its input has at best the entropy of the classes' shares, which is ln(classes)
    where all have as many samples.
    """

    def __init__(self, training: Training, say: Callable[[str], None]) -> None:
        found = list(loss_heads(training.opened))
        weights = [w for planned in training.plan.layers for w in planned.loss_weights if w]
        self.chance = sum(head.weight * math.log(head.classes) for head in found)
        self.classes = ", ".join(dict.fromkeys(str(head.classes) for head in found))
        # ln(classes) tells something only when nothing else adds to the loss, and the loss is a mean over samples.
        self.known = (
            bool(found) and len(weights) == len([head for head in found if head.weight]) and all(map(_mean, found))
        )
        self.shares = sum(head.weight * entropy(head) for head in found) if self.known else self.chance
        self.fresh = all(training.loaded.fresh(head.scores.name) for head in found)
        self.blank = bool(
            cannot_learn.blank_statistics(training.plan, training.loaded.table.arrays if training.loaded.table else {})
        )
        self.say = say
        self.patience = patience(training.param)
        self.sum, self.count, self.saturated, self.reported = 0.0, 0, 0, False
        self.near: list[float] = []
        """Mean losses of stretches in a row, each a fifth of the patience, all near that of guessing or just above."""

    def on_loss(self, iteration: int, loss: float) -> None:
        if not self.known:
            return
        if iteration == 0 and self.fresh and not self.blank and self.chance and loss > 1.5 * self.chance:
            self.say(
                f"the loss begins at {number(loss)}, far above ln({self.classes}) = {number(self.chance)} of a fresh "
                "classifier that guesses: lower the std of its weight_filler, or check the scale of the input"
            )
        self._watch(loss)

    def _watch(self, loss: float) -> None:
        if self.reported:
            return
        self.saturated = self.saturated + 1 if abs(loss - SATURATED) < 0.01 else 0
        self.sum, self.count = self.sum + loss, self.count + 1
        if self.saturated == 20:
            self._tell(f"the loss stays at {SATURATED}: the net is certain of wrong classes; divide base_lr by ten")
        elif self.count >= self.patience // STRETCHES and self.chance:
            mean, self.sum, self.count = self.sum / self.count, 0.0, 0
            self.near = [*self.near, mean] if self._hovers(mean) else []
            self._judge()

    def _hovers(self, mean: float) -> bool:
        return self.shares > 0 and self.shares * (1 - NEAR) < mean < self.chance * (1 + ABOVE)

    def _judge(self) -> None:
        """A loss that falls through that of guessing is near it on average, but not stretch by stretch."""
        last = self.near[-STRETCHES:]
        for value, named in ((self.chance, f"ln({self.classes})"), (self.shares, "the entropy of the classes' shares")):
            if len(last) == STRETCHES and all(abs(mean - value) < NEAR * value for mean in last):
                self._tell(
                    f"the loss has stayed within 1 % of {named} = {number(value)} for {self.patience} "
                    "iterations: the outputs do not depend on the input. Check the classifier's learning rate, the "
                    "labels and the weights"
                )
                return
        old, new = self.near[-2 * STRETCHES : -STRETCHES], self.near[-STRETCHES:]
        if len(old) == STRETCHES and sum(new) > 0.995 * sum(old):
            self._tell(
                f"the loss has hovered about {number(sum(new) / STRETCHES)} for {2 * self.patience} iterations, not "
                f"below {number(self.shares)}, the loss of a net that answers class shares: base_lr may be too high"
            )

    def _tell(self, text: str) -> None:
        self.reported = True
        self.say(text)


def patience(solver: Any) -> int:
    """Iterations after which a run that does not learn is reported: a quarter of all, from 50 to 500."""
    return max(50, min(500, solver.max_iter // 4))


def entropy(head: LossHead) -> float:
    """The loss of a classifier that answers each class as often as it comes; ln(classes) where labels are not known.

    Where classes are weighed, a class comes as often as its samples weigh.
    """
    values = head.source.labels() if head.source is not None else None
    if values is None or not len(values):
        return math.log(head.classes)
    weighing = head.loss.layer.weights if isinstance(head.loss.layer, ClassBalanced) else None
    weights = dict(enumerate(weighing or ()))
    masses = [count * weights.get(label, 1.0) for label, count in labels.scan(values).counts.items()]
    shares = [mass / sum(masses) for mass in masses if mass]
    return -sum(share * math.log(share) for share in shares)


def _mean(head: LossHead) -> bool:
    """Whether the loss of ``head`` is a mean over samples of -log p: neither a sum, nor over all places of a map."""
    loss = head.loss.layer
    if isinstance(loss, SoftmaxWithLoss) and not loss.mean_cross_entropy:
        return False
    options = head.loss.layer.param.loss_param
    by_batch = options.HasField("normalize") and not options.normalize and not options.HasField("normalization")
    if options.normalization == options.NONE:
        return False
    shape = head.loss.bottom_shapes[0] or ()
    return not (by_batch or options.normalization == options.BATCH_SIZE) or len(shape) <= 2
