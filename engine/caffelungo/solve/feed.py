"""The tensors of a net's inputs, batch by batch, on the device and in the memory format of the run."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing

import torch
from torch import Tensor

from caffelungo.data.loader import Loader
from caffelungo.solve.engine import Engine
from caffelungo.solve.nets import OpenedNet


class Feed:
    """Batches of the sources of ``opened``. Batch k is a function of the seed and k, whoever prepares it."""

    def __init__(self, opened: OpenedNet, engine: Engine, workers: int | None = None) -> None:
        self.sources, self.engine, self.workers = opened.sources, engine, workers
        for source in self.sources:
            source.channels_last = engine.memory_format == torch.channels_last

    def batches(self, start: int, stop: int) -> Generator[list[Tensor]]:
        """Batches ``start`` to ``stop`` - 1, prepared ahead where that is worth it."""
        with closing(iter(Loader(self.sources, start, stop, self.workers, self.engine.device))) as batches:
            yield from batches

    def one(self, k: int) -> list[Tensor]:
        """Batch ``k`` alone."""
        return [tensor for source in self.sources for tensor in source.finish(source.batch(k), self.engine.device)]
