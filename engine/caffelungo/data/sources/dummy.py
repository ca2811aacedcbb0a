"""DummyData: tops filled by fillers (Caffe: DummyDataLayer)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caffelungo.data import random_numbers
from caffelungo.data.source import DataSource, Opening, SampleBatch
from caffelungo.definition.schema import FillerParameter
from caffelungo.layers import registry


class DummySource(DataSource):
    """Constant tops are filled once, others anew for each batch."""

    def __init__(self, param: Any, opening: Opening) -> None:
        super().__init__(param, opening)
        fillers = list(param.dummy_data_param.data_filler) or [FillerParameter(type="constant")]
        layer = registry.find("DummyData")
        assert layer is not None
        self.shapes = [
            tuple(int(size or 0) for size in shape or ()) for shape in layer(param, opening.phase).shapes(())
        ]
        self.fillers = fillers * len(self.names) if len(fillers) == 1 else fillers
        self._constant: dict[int, NDArray[np.float32]] = {}

    def batch(self, k: int) -> SampleBatch:
        return SampleBatch(tuple(self._filled(k, top) for top in range(len(self.names))))

    def blocks(self, top: int) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """What a constant top holds; nothing of one that is drawn anew each time."""
        if self.fillers[top].type == "constant":
            yield 0, self._filled(0, top)

    def _filled(self, k: int, top: int) -> NDArray[np.float32]:
        from caffelungo.layers.fillers import fill

        if top in self._constant:
            return self._constant[top]
        rng = random_numbers.generator(self.opening.seed, random_numbers.FILL, k, top)
        values = np.asarray(fill(self.fillers[top], self.shapes[top], rng), np.float32)
        if self.fillers[top].type == "constant":
            values.flags.writeable = False  # so that each batch gets a copy, which a layer may overwrite
            self._constant[top] = values
        return values
