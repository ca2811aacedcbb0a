"""The pictures that a net is looked at with: batches for the net, and single pictures as the net sees them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from caffelungo.definition.schema import Preprocessing
from caffelungo.errors import UserError
from caffelungo.plan.plan import PlannedLayer
from caffelungo.solve.test_net import TestNet


@dataclass(frozen=True)
class SampleBlock:
    """Samples of one batch: their numbers in the order of the data, the net's inputs, and their labels."""

    numbers: NDArray[np.int64]
    tensors: list[Tensor]
    labels: NDArray[np.int64]


class Samples:
    """The test data of ``net``, of each class at most ``per_class`` samples (None: all); the same ones at each pass.

    ``judge`` is the layer that compares scores with labels. UserError when its labels do not come from the data.
    """

    def __init__(self, net: TestNet, judge: PlannedLayer, per_class: int | None = None) -> None:
        self.net, self.per_class = net, per_class
        plan = net.opened.plan
        inputs = [(planned, top) for planned in plan.sources for top in planned.top_values]
        places = [place for place, (_, value) in enumerate(inputs) if value == judge.bottom_values[1]]
        if not places:
            raise UserError(
                f"the labels of `{judge.name}` do not come directly from the data",
                where=net.opened.text.where("layer", judge.index),
                received=f"bottom {judge.bottoms[1]}",
                remedy="inspect a net whose label is the second top of its data layer",
            )
        self.label = places[0]
        self.source = next(
            (source for source in net.opened.sources if source.name == inputs[places[0]][0].name),
            net.opened.sources[0],
        )
        self._batch: tuple[int, Any] | None = None

    def __iter__(self) -> Iterator[SampleBlock]:
        seen: dict[int, int] = {}
        start = 0
        for tensors in self.net.feed.batches(0, self.net.batches):
            labels = tensors[self.label].reshape(-1).cpu().numpy().astype(np.int64)
            numbers = np.arange(start, start + len(labels))
            start += len(labels)
            if self.per_class is not None:
                kept = []
                for row, label in enumerate(labels.tolist()):
                    seen[label] = seen.get(label, 0) + 1
                    if seen[label] <= self.per_class:
                        kept.append(row)
                if not kept:
                    continue
                tensors = [tensor[kept] for tensor in tensors]
                numbers, labels = numbers[kept], labels[kept]
            yield SampleBlock(numbers, tensors, labels)

    def watched(self, each: Callable[[int, int], None]) -> Iterator[SampleBlock]:
        """The same, and ``each`` hears how many batches of how many are done."""
        for done, part in enumerate(self):
            yield part
            each(done + 1, self.net.batches)

    def image(self, number: int) -> NDArray[np.uint8] | None:
        """Sample ``number`` as the net sees it, H x W x 3 RGB or H x W x 1; None when it is no picture."""
        size = self.net.opened.batch_size
        k, row = divmod(int(number), size)
        if self._batch is None or self._batch[0] != k:
            self._batch = (k, self.source.batch(k).arrays[0])
        picture = np.asarray(self._batch[1][row])
        if picture.ndim != 3 or picture.shape[0] not in (1, 3) or min(picture.shape[1:]) < 2:
            return None
        if picture.dtype != np.uint8:
            low, high = float(picture.min()), float(picture.max())
            picture = np.round((picture - low) * (255 / (high - low) if high > low else 0)).astype(np.uint8)
        record = self.source.record
        turned = picture.transpose(1, 2, 0)
        if turned.shape[2] == 3 and (record is None or record.channel_order != Preprocessing.RGB):
            turned = turned[:, :, ::-1]
        return np.ascontiguousarray(turned)

    def images(self, numbers: Any) -> dict[int, NDArray[np.uint8] | None]:
        """The pictures of all ``numbers``, each batch read once."""
        return {number: self.image(number) for number in sorted({int(one) for one in numbers})}

    def name(self, number: int) -> str:
        """What sample ``number`` is called: its file, or its number."""
        pictures = getattr(self.source, "pictures", None)
        return str(pictures.names[number]) if pictures is not None else f"sample {number}"
