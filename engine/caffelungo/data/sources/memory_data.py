"""MemoryData: arrays that the user's program hands over (Caffe: MemoryDataLayer)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from caffelungo.data.sample_order import SampleOrder
from caffelungo.data.source import DataSource, Opening, SampleBatch, stacked
from caffelungo.errors import RunError, UserError


class MemorySource(DataSource):
    """Give it arrays with ``reset`` before the first batch."""

    def __init__(self, param: Any, opening: Opening) -> None:
        super().__init__(param, opening)
        options = param.memory_data_param
        self.batch_size = int(options.batch_size)
        self.sample = (int(options.channels), int(options.height), int(options.width))
        self.shapes = [(self.batch_size, *self.sample), (self.batch_size,)][: max(1, len(self.names))]
        self.data: NDArray[np.float32] | None = None
        self.values: NDArray[np.float32] | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        kept = {name: getattr(self, name) for name in ("data", "values", "size", "order")}
        return (*super().__reduce__()[:2], kept)

    def reset(self, data: ArrayLike, labels: ArrayLike) -> None:
        """Use ``data`` (n x channels x height x width) and ``labels`` (n), n a multiple of the batch size."""
        picked = np.ascontiguousarray(data, np.float32)
        values = stacked(np.asarray(labels, np.float32).reshape(-1))  # type: ignore[arg-type]
        fits = picked.ndim == 4 and picked.shape[1:] == self.sample and len(picked) == len(values)
        if not fits or not len(picked) or (len(picked) % self.batch_size and not self.opening.once):
            raise UserError(
                f"the arrays do not fit layer `{self.name}`",
                where=self.opening.where,
                received=f"data {picked.shape}, labels {values.shape}",
                remedy=f"pass n x {' x '.join(map(str, self.sample))} and n labels, n a multiple of {self.batch_size}",
            )
        self.data, self.values = picked, values
        self.size = len(picked)
        self.order = SampleOrder(self.size, self.batch_size, once=self.opening.once)

    def batch(self, k: int) -> SampleBatch:
        if self.order is None or self.data is None or self.values is None:
            raise RunError(f"layer `{self.name}` (MemoryData) was given no arrays; call reset(data, labels) first")
        _, index = self.order.samples(k)
        return SampleBatch((self.data[index], self.values[index])[: max(1, len(self.names))])

    def labels(self) -> NDArray[np.int64] | None:
        return None if self.values is None else self.values.astype(np.int64)
