"""A test net inside a training: Caffe's test_iter batches, or the whole set once.

Caffe: Solver::Test.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence

import torch
from torch import Tensor

from caffelungo.net.graph import GraphNet
from caffelungo.net.store import Store
from caffelungo.solve import average_views, labels_outside
from caffelungo.solve.engine import Engine
from caffelungo.solve.feed import Feed
from caffelungo.solve.nets import OpenedNet
from caffelungo.solve.prediction_counter import PredictionCounter
from caffelungo.solve.test_result import Score, TestResult
from caffelungo.solve.tested_head import judge
from caffelungo.solve.watched_output import MEASURES
from caffelungo.solve.whole_test import WholeTest, measures_of


class TestNet:
    """A net in phase TEST over the trained weights.

    ``iterations`` batches make one test, and the next one goes on where it ended (``position``); None: the whole set
    once, the last batch short.
    """

    __test__ = False

    def __init__(
        self, opened: OpenedNet, store: Store, engine: Engine, iterations: int | None, workers: int | None
    ) -> None:
        self.opened, self.engine, self.iterations = opened, engine, iterations
        self.net = GraphNet(opened.plan, store)
        self.whole = WholeTest(self.net)
        if engine.compile:
            self.net.compile()
        self.feed = Feed(opened, engine, workers)
        self.weights = output_weights(self.net)
        self.position = 0
        self.views = 1
        self.names: list[str] = []
        """Class names, where known."""
        self.names_of: dict[str, list[str]] = {}
        """Those of each classifier, by its layer, where several are tested."""
        self.head: str | None = None
        """The classifier that alone is to be judged; None: all that have a label."""
        self.counter: PredictionCounter | None = None

    def measure(self) -> None:
        """Count balanced accuracy and macro F1 in each test from now on, where the net has a classifier and labels."""
        judging = judge(self.opened.plan)
        if self.counter is None and judging is not None:
            self.counter = PredictionCounter(self.net, judging, answers=False)

    def average(self, views: int) -> None:
        """From now on the data have ``views`` of each picture, whose class probabilities are averaged."""
        self.views = views
        if views > 1:
            average_views.average(self.net, views)

    @property
    def batches(self) -> int:
        """Batches of one test."""
        if self.iterations is not None:
            return self.iterations
        return max((source.batches or 1 for source in self.opened.sources), default=1)

    def run(
        self, stop: Callable[[], bool] = lambda: False, each: Callable[[int, int], None] = lambda done, count: None
    ) -> TestResult | None:
        """One test; ``stop`` is asked before each batch, and None comes back when it says so.

        ``each`` hears how many batches of how many are done.
        """
        count = self.batches
        self.whole.restart()
        if self.counter is not None:
            self.counter.restart()
        first = self.position if self.iterations is not None else 0
        loss_sum = torch.zeros((), device=self.engine.device)
        sums: dict[str, Tensor] = {}
        samples = 0
        with torch.no_grad():
            for done, tensors in enumerate(self._batches(first, count)):
                if stop():
                    return None
                each(done, count)
                with self.engine.arithmetic():
                    loss, outputs = self.net(*tensors)
                size = int(tensors[0].shape[0]) // self.views if tensors and tensors[0].dim() else 1
                share = float(size) if self.iterations is None else 1.0
                loss_sum = loss_sum if loss is None else loss_sum + loss.float() * share
                rows = {blob: output.reshape(-1).float() * share for blob, output in outputs.items()}
                # What has a value a sample has no mean over batches of different sizes.
                sums = {
                    blob: sums[blob] + row if done else row
                    for blob, row in rows.items()
                    if not done or (blob in sums and sums[blob].shape == row.shape)
                }
                samples += size
        if self.iterations is not None:
            self.position += count
        total = torch.cat([loss_sum.reshape(1), *sums.values()])
        mean = [value / (count if self.iterations is not None else samples) for value in total.tolist()]
        if any(math.isnan(value) for value in mean):
            wrong = labels_outside.first(self.net.plan, self.net.store, self._batches(first, count))
            if wrong:
                raise labels_outside.LabelError(wrong)
        values, whole = iter(mean[1:]), self.whole.values()
        found = {blob: whole.get(blob, [next(values) for _ in row]) for blob, row in sums.items()}
        scores = [Score(blob, value, self.weights[blob]) for blob, row in found.items() for value in row]
        return TestResult(mean[0], scores, samples, self._measures(whole), self.whole.thresholds())

    def _measures(self, whole: Mapping[str, Sequence[float]]) -> dict[str, float]:
        plan, names = self.opened.plan, [one.name for one in self.opened.text.message.lungo.number]
        measures = {name: whole[blob][place] for name, (blob, place) in measures_of(plan, names).items()}
        if self.counter is not None and self.counter.confusion is not None:
            found = self.counter.result()
            measures |= {name: float(getattr(found, name)) for name in MEASURES}
        return measures

    def _batches(self, first: int, count: int) -> Iterator[list[Tensor]]:
        yield from self.feed.batches(first, first + count)


def output_weights(net: GraphNet) -> dict[str, float]:
    """The loss weight of each output blob of ``net``."""
    weights = {}
    for blob in net.outputs:
        value = net.plan.value_of(blob)
        weights[blob] = next(
            weight
            for planned in net.plan.layers
            for top, weight in zip(planned.top_values, planned.loss_weights, strict=True)
            if top == value
        )
    return weights
