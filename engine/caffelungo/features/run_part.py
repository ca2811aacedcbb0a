"""The blobs of a list of pictures, batch by batch, as fast as the layers that make them run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from caffelungo.errors import UserError
from caffelungo.features import addresses, prefix
from caffelungo.features.upstream import Upstream
from caffelungo.net.graph import GraphNet
from caffelungo.net.store import Store
from caffelungo.solve.engine import Engine
from caffelungo.solve.feed import Feed

Reduce = Callable[[list[Tensor]], list[Tensor]]
"""From the blobs of a batch, on the device, to what is kept of them: tensors with one row per picture."""


def as_they_are(blobs: list[Tensor]) -> list[Tensor]:
    """The blobs in float32."""
    return [blob.float() for blob in blobs]


class PartRunner:
    """Runs ``part`` over the weights of ``store``: over all its data once, opened so, or over so many ``batches``."""

    def __init__(self, part: Upstream, store: Store, engine: Engine, batches: int | None = None) -> None:
        self.part, self.store, self.engine = part, store, engine
        self.batch_size = part.opened.batch_size
        self.count = samples(part) if batches is None else batches * self.batch_size
        self.net = GraphNet(part.opened.plan, store)
        engine.lay_out(store.tensors.values())

    def of(self, blobs: Sequence[str]) -> PartRunner:
        """The same for some of the blobs: only what these need runs."""
        return PartRunner(self.part.of(blobs), self.store, self.engine)

    def addresses(self, given: Sequence[str]) -> dict[int, str]:
        """For each value that runs a hash of all it follows from, but for the machine's rounding.

        ``given`` identifies the samples of each source.
        """
        tops = {
            value: addresses.hashed(samples, position)
            for planned, samples in zip(self.part.opened.plan.sources, given, strict=True)
            for position, value in enumerate(planned.top_values)
        }

        def blob(layer: str, index: int) -> NDArray[np.float32]:
            return np.asarray(self.store.tensor(layer, index).detach().float().cpu().contiguous().numpy())

        return prefix.addresses(self.part.layers, tops, blob)

    def rows(
        self, start: int = 0, reduce: Reduce = as_they_are, mirrored: bool = False
    ) -> Iterator[list[NDArray[np.float32]]]:
        """What ``reduce`` keeps of each batch, from sample ``start`` on, with ``mirrored`` also of mirrored pictures.

        The arrays of the mirrored pictures follow those of the pictures as they are. On a GPU a batch is fetched while
        the next one runs.
        """
        first, skip = divmod(start, self.batch_size)
        batches = -(-self.count // self.batch_size)
        if first >= batches:
            return
        waiting: _Coming | None = None
        with closing(Feed(self.part.opened, self.engine).batches(first, batches)) as feed:  # type: ignore[type-var]
            for tensors in feed:
                made = self._run(tensors, reduce)
                if mirrored:
                    made += self._run(self._mirrored(tensors), reduce)
                coming = _Coming([rows[skip:] for rows in made])
                skip = 0
                if waiting is not None:
                    yield waiting.arrays()
                waiting = coming
            if waiting is not None:
                yield waiting.arrays()

    def _run(self, tensors: list[Tensor], reduce: Reduce) -> list[Tensor]:
        with torch.no_grad(), self.engine.arithmetic():
            _, found = self.net(*tensors)
        return reduce([found[name] for name in self.part.names])

    def _mirrored(self, tensors: list[Tensor]) -> list[Tensor]:
        return [mirror(tensor) if tensor.dim() == 4 else tensor for tensor in tensors]


class _Coming:
    """Tensors on their way to the memory of the CPU."""

    def __init__(self, tensors: list[Tensor]) -> None:
        self.event: torch.cuda.Event | None = None
        if not tensors[0].is_cuda:
            self.tensors = tensors
            return
        self.tensors = [torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True) for tensor in tensors]
        for here, there in zip(self.tensors, tensors, strict=True):
            here.copy_(there, non_blocking=True)
        self.event = torch.cuda.Event()  # type: ignore[no-untyped-call]
        self.event.record(torch.cuda.current_stream(tensors[0].device))

    def arrays(self) -> list[NDArray[np.float32]]:
        if self.event is not None:
            self.event.synchronize()
        return [tensor.contiguous().numpy() for tensor in self.tensors]


def mirror(picture: Tensor) -> Tensor:
    """``picture`` (N x C x H x W) turned left to right, laid out in memory as it was."""
    last = picture.is_contiguous(memory_format=torch.channels_last)
    return picture.flip(3).contiguous(memory_format=torch.channels_last if last else torch.contiguous_format)


def samples(part: Upstream) -> int:
    """How many samples the data of ``part`` has. UserError where it has no end or several ends."""
    sizes = {source.name: source.size for source in part.opened.sources}
    if len(set(sizes.values())) == 1 and (size := next(iter(sizes.values()))):
        return size
    raise UserError(
        "the data is endless, so it cannot be read once" if None in sizes.values() else
        "the data layers have different numbers of samples",
        where=part.opened.text.where(),
        received=", ".join(f"{name}: {'without end' if size is None else size}" for name, size in sizes.items()),
        remedy="read pictures of a list (ImageData), a database (Data) or HDF5 files, equally many in each",
    )  # fmt: skip
