"""Batches in which every class comes equally often, however many samples it has."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from caffelungo.data import random_numbers
from caffelungo.data.sample_order import Index, SampleOrder
from caffelungo.definition import layer_options
from caffelungo.wording import counted

if TYPE_CHECKING:
    from caffelungo.data.source import DataSource


class ClassBalancedOrder(SampleOrder):
    """Turns of all classes in an order drawn for each turn; each class goes through its samples again and again, each
    time in another order, so that all of them come equally often.

    The pass number that comes with a sample counts how often it came before, so that augmentations differ each time.
    A pass over the data still is as many samples as there are. ``labels`` are those of all samples.
    """

    def __init__(self, labels: NDArray[np.int64], batch_size: int, *, seed: int = 0, skip: int = 0) -> None:
        super().__init__(len(labels), batch_size, seed=seed, shuffle=True, skip=skip)
        self.members = [np.flatnonzero(labels == one) for one in np.unique(labels)]
        self._orders: dict[tuple[int, int], Index] = {}

    @property
    def ratio(self) -> float:
        """How many times as often a sample of the smallest class comes as one of the largest."""
        sizes = [len(one) for one in self.members]
        return max(sizes) / min(sizes)

    def samples(self, k: int) -> tuple[Index, Index]:
        start = k * self.batch_size + self.skip
        turns, places = np.divmod(np.arange(start, start + self.batch_size, dtype=np.int64), len(self.members))
        epochs, index = np.empty_like(turns), np.empty_like(turns)
        for turn in range(int(turns[0]), int(turns[-1]) + 1):
            drawn = random_numbers.bits(self.seed, random_numbers.CLASS, turn, np.arange(len(self.members)))
            order = np.argsort(drawn, kind="stable")
            for at in np.flatnonzero(turns == turn):
                chosen = int(order[places[at]])
                epoch, position = divmod(turn, len(self.members[chosen]))
                epochs[at], index[at] = epoch, self._order_of(chosen, epoch)[position]
        return epochs, index

    def _order_of(self, chosen: int, epoch: int) -> Index:
        """The samples of a class in the order of its pass number ``epoch``."""
        order = self._orders.get((chosen, epoch))
        if order is None:
            self._orders.pop((chosen, epoch - 2), None)
            members = self.members[chosen]
            drawn = random_numbers.bits(self.seed, random_numbers.MEMBER, epoch, members)
            order = self._orders[chosen, epoch] = members[np.argsort(drawn, kind="stable")]
        return order


def class_balanced(
    source: DataSource, labels: Callable[[], NDArray[np.int64]], options: Any
) -> ClassBalancedOrder | None:
    """The order of ``source`` where its layer asks for this one; None where it does not, or goes through its data once.

    ``labels`` reads those of all samples. ``options`` are those of its layer that hold batch_size and rand_skip.
    """
    layer_options.load()
    asked = layer_options.value(source.param.lungo, layer_options.key(source.param.type)).class_balanced
    if source.opening.once or not asked:
        return None
    order = ClassBalancedOrder(labels(), options.batch_size or 1, seed=source.opening.seed, skip=options.rand_skip)
    source.notice(
        f"each of the {counted(len(order.members), 'class')} is drawn equally often (class_balanced): "
        f"a sample of the smallest comes {order.ratio:.1f} times as often as one of the largest"
    )
    return order
