"""Frozen features computed once: a net is trained and tested from the values at its frontier instead of from pictures.

    <study>/features/<hash>.npy, <hash>.mirrored.npy     one row per picture, in the order of the list (float32)
    <study>/features/<hash>.pictures.npy                 decoded and resized pictures (uint8, N x H x W x C)

Draws stay as they are: batch k holds the same pictures, mirrored alike, so that a training from features equals one
from pictures but for rounding.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.lib.format import open_memmap
from numpy.typing import NDArray
from torch import Tensor

from caffelungo import locks
from caffelungo.data.source import DataSource, SampleBatch, to_device
from caffelungo.data.sources.images import ImageSource
from caffelungo.features import addresses, prefix
from caffelungo.features.new_npy import new_rows
from caffelungo.features.run_part import mirror
from caffelungo.files import written_whole
from caffelungo.net.graph import GraphNet
from caffelungo.net.store import Store
from caffelungo.plan.plan import ParamKey
from caffelungo.solve import memory
from caffelungo.solve.engine import Engine
from caffelungo.solve.nets import OpenedNet

FOLDER = "features"
SHARE = 0.5
"""Of the memory that is free, what features may take: they are fast only while the system holds them there."""
SPARE = 1 << 30
"""Bytes of disk left free."""
CLOSE = 1e-3
"""How far a stored row may be from one that is computed anew, relative to its largest value."""

Say = Callable[[float, float, str], None]


def silent(done: float, total: float, text: str) -> None:
    """Nobody hears how far the work is."""


@dataclass(frozen=True)
class Feature:
    """One value of the frontier for every picture. ``rows`` are as they are, and mirrored where that is drawn.

    Four axes lie in memory as N x H x W x C; ``channels_last`` says whether the net had them so.
    """

    blob: str
    shape: tuple[int, ...]
    rows: tuple[NDArray[np.float32], ...]
    channels_last: bool

    def take(self, index: NDArray[np.int64], mirrored: NDArray[np.int64]) -> NDArray[np.float32]:
        """The rows of the pictures ``index``."""
        found = np.empty((len(index), *self.rows[0].shape[1:]), np.float32)
        for version, rows in enumerate(self.rows):
            chosen = mirrored == version
            found[chosen] = rows[index[chosen]]
        return found

    def finish(self, rows: Tensor) -> Tensor:
        """Rows on the device as the net's layers made them."""
        if rows.dim() != 4:
            return rows
        rows = rows.permute(0, 3, 1, 2)
        return rows if self.channels_last else rows.contiguous()


class FeatureSource(DataSource):
    """Serves features in the batches of ``pictures``, then what else the net reads: the picture if ``bare``, labels."""

    def __init__(self, pictures: ImageSource, features: Sequence[Feature], bare: bool) -> None:
        super().__init__(pictures.param, pictures.opening)
        self.inner, self.features, self.bare = pictures, tuple(features), bare
        kept = slice(0 if bare else 1, None)
        self.names = (*(feature.blob for feature in features), *pictures.names[kept])
        batch = pictures.shapes[0][0]
        self.shapes = [*((batch, *feature.shape) for feature in features), *pictures.shapes[kept]]
        self.size, self.order, self.record = pictures.size, pictures.order, pictures.record
        self.pictures = pictures.pictures
        self.ahead = bare and pictures.ahead

    def __reduce__(self) -> tuple[Any, ...]:
        return FeatureSource, (self.inner, self.features, self.bare)

    def batch(self, k: int) -> SampleBatch:
        assert self.order is not None
        epoch, index = self.order.samples(k)
        mirrored = self.inner.mirrored(epoch, index)
        rows = [feature.take(index, mirrored) for feature in self.features]
        if self.bare:
            whole = self.inner.batch(k)
            return SampleBatch((*rows, *whole.arrays), whole.crops)
        targets = self.inner.targets(index)
        return SampleBatch((*rows, *(() if targets is None else (targets,))))

    def finish(self, batch: SampleBatch, device: str | torch.device = "cpu") -> list[Tensor]:
        count = len(self.features)
        rows = zip(self.features, batch.arrays[:count], strict=True)
        features = [feature.finish(to_device(array, device)) for feature, array in rows]
        others = batch.arrays[count:]
        if self.bare:
            self.inner.channels_last = self.channels_last
            return [*features, *self.inner.finish(SampleBatch(others, batch.crops), device)]
        return [*features, *(to_device(array, device).float() for array in others)]

    def labels(self) -> NDArray[np.int64] | None:
        return self.inner.labels()

    def blocks(self, top: int) -> Iterator[tuple[int, NDArray[Any]]]:
        if (own := top - len(self.features) + (0 if self.bare else 1)) >= 0:
            yield from self.inner.blocks(own)


@dataclass(frozen=True)
class Shortened:
    """``opened`` is what is left to run. ``why_not`` says why nothing was taken away; None where something was.

    ``bytes`` is the size of the features, ``blobs`` their names.
    """

    opened: OpenedNet
    why_not: str | None = None
    blobs: tuple[str, ...] = ()
    bytes: int = 0


def shorten(
    opened: OpenedNet,
    store: Store,
    changing: frozenset[ParamKey],
    engine: Engine,
    study: Path,
    say: Say = silent,
) -> Shortened:
    """``opened`` from its frontier on, where a training changes the blobs ``changing`` of ``store`` only.

    What is missing in ``study`` is computed and written whole; several processes may ask at once. Where nothing can be
    taken away, decoded pictures are still kept, and ``opened`` is served from them.
    """
    source = next((each for each in opened.sources if isinstance(each, ImageSource)), None)
    if source is None:
        return Shortened(opened, "the pictures are not read by an ImageData layer")
    if source.pairs:
        return Shortened(opened, "the pictures come in pairs")
    planned = next(each for each in opened.plan.sources if each.name == source.name)
    folder = study / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    source.channels_last = engine.memory_format == torch.channels_last
    _keep_pictures(source, folder, say)
    if not source.repeats:
        return Shortened(opened, "pictures are cropped or augmented at random, so every pass differs")
    start = prefix.find(opened.plan, planned, changing, store.key)
    if not start.frontier:
        return Shortened(opened, "no layer after the pictures is frozen")
    features = _features(opened, source, start, store, engine, folder, say)
    if isinstance(features, str):
        return Shortened(opened, features)
    served = FeatureSource(source, features, start.bare)
    others = [served if each is source else each for each in opened.sources]
    left = replace(opened, plan=prefix.rest(opened.plan, start), sources=others)
    size = sum(rows.nbytes for feature in features for rows in feature.rows)
    return Shortened(left, None, tuple(feature.blob for feature in features), size)


# -- pictures


def _keep_pictures(source: ImageSource, folder: Path, say: Say) -> None:
    """Let ``source`` read its pictures from a file where they all have one size; decode them into it if need be."""
    if not source.resize[0]:
        return
    path = folder / f"{addresses.decoded(source)}.pictures.npy"
    first = source.picture(0).transpose(1, 2, 0)
    size = first.nbytes * len(source.pictures)
    if _no_room(size, 0 if path.exists() else size, folder):
        return
    with locked([path]):
        rows = _mapped(path, np.uint8, len(source.pictures), first[None])
        if rows is None:
            _decode(source, path, say)
            rows = open_memmap(path, "r")
    source.keep(rows)


def _decode(source: ImageSource, path: Path, say: Say) -> None:
    count = len(source.pictures)
    first = source.picture(0).transpose(1, 2, 0)
    with written_whole(path) as temporary:
        rows = new_rows(temporary, np.uint8, (count, *first.shape))
        for index in range(count):
            rows[index] = source.picture(index).transpose(1, 2, 0)
            if index % 50 == 0:
                say(index, count, "decoding pictures")
        rows.flush()


def _mapped(path: Path, dtype: type, count: int, first: NDArray[Any]) -> Any:
    """The array in the file ``path``; None unless it is there, has ``count`` rows, and begins with ``first``."""
    try:
        rows = open_memmap(path, "r")
    except (OSError, ValueError):
        return None
    if rows.shape != (count, *first.shape[1:]) or rows.dtype != dtype:
        return None
    limit = CLOSE * float(np.abs(first).max(initial=0))
    return rows if bool((np.abs(rows[: len(first)].astype(np.float32) - first) <= limit).all()) else None


# -- features


def _features(
    opened: OpenedNet, source: ImageSource, start: prefix.Prefix, store: Store, engine: Engine, folder: Path, say: Say
) -> list[Feature] | str:
    """The features of the frontier, from files or computed into them; why not, where there is no room."""
    maker = _Maker(opened, source, start, store, engine)
    names = prefix.digests(opened.plan, start, lambda layer, i: _array(store, layer, i), addresses.prepared(source))
    ending = (".npy", ".mirrored.npy")[: 1 + source.mirrors]
    paths = {value: [folder / f"{names[value]}{end}" for end in ending] for value in start.frontier}
    samples = maker.samples()
    needed = {path: _size(samples[value][0], maker.count) for value in start.frontier for path in paths[value]}
    missing = sum(size for path, size in needed.items() if not path.exists())
    if why := _no_room(sum(needed.values()), missing, folder):
        return why
    with locked(list(needed)):
        # A file that was damaged, or made where the arithmetic is another one, must not be believed.
        lacking = [value for value in start.frontier if not all(map(maker.agrees, paths[value], samples[value]))]
        if lacking:
            maker.write({value: paths[value] for value in lacking}, say)
    features = []
    for value in start.frontier:
        rows = tuple(open_memmap(path, "r") for path in paths[value])
        sample = samples[value][0]
        last = sample.dim() == 4 and sample.is_contiguous(memory_format=torch.channels_last)
        features.append(Feature(opened.plan.values[value].blob, tuple(sample.shape[1:]), rows, last))
    return features


class _Maker:
    """Runs a prefix over all pictures of a source."""

    def __init__(
        self, opened: OpenedNet, source: ImageSource, start: prefix.Prefix, store: Store, engine: Engine
    ) -> None:
        self.frontier, self.engine = start.frontier, engine
        self.source = source.once()
        self.source.channels_last = source.channels_last
        self.count = len(source.pictures)
        self.names = prefix.outputs(start)
        self.net = GraphNet(prefix.part(opened.plan, start), store)

    @torch.no_grad()
    def run(self, picture: Tensor) -> list[Tensor]:
        """The values of the frontier for a batch of pictures."""
        with self.engine.arithmetic():
            _, found = self.net(picture)
        return [found[name].float() for name in self.names]

    def samples(self) -> dict[int, list[Tensor]]:
        """The values for the first two pictures, as they are and mirrored."""
        picture = self.source.finish(self.source.batch(0), self.engine.device)[0][:2]
        versions = [self.run(picture), self.run(mirror(picture))]
        return {value: [found[i] for found in versions] for i, value in enumerate(self.frontier)}

    def agrees(self, path: Path, sample: Tensor) -> bool:
        """Whether the file ``path`` is there, whole, and begins with ``sample``."""
        return _mapped(path, np.float32, self.count, _rows(sample)) is not None

    def write(self, paths: dict[int, list[Path]], say: Say) -> None:
        """Compute the values named in ``paths`` into files: as they are, and mirrored where there are two."""
        order = self.source.order
        assert order is not None
        versions = max(len(each) for each in paths.values())
        with ExitStack() as stack:
            rows: dict[Path, Any] = {}
            temporary = {path: stack.enter_context(written_whole(path)) for each in paths.values() for path in each}
            for k in range(order.batches):
                say(k * order.batch_size, self.count, "computing frozen features")
                _, index = order.samples(k)
                picture = self.source.finish(self.source.batch(k), self.engine.device)[0]
                for version in range(versions):
                    found = self.run(mirror(picture) if version else picture)
                    for value, values in zip(self.frontier, found, strict=True):
                        if version < len(paths.get(value, ())):
                            self._put(rows, temporary, paths[value][version], index, values)
            for each in rows.values():
                each.flush()

    def _put(
        self, rows: dict[Path, Any], temporary: dict[Path, Path], path: Path, index: NDArray[np.int64], values: Tensor
    ) -> None:
        array = _rows(values)
        if path not in rows:
            rows[path] = new_rows(temporary[path], np.float32, (self.count, *array.shape[1:]))
        rows[path][index] = array


def _array(store: Store, layer: str, position: int) -> NDArray[np.float32]:
    found: NDArray[np.float32] = store.tensor(layer, position).detach().float().cpu().contiguous().numpy()
    return found


def _size(sample: Tensor, count: int) -> int:
    return count * (sample.numel() // len(sample)) * sample.element_size()


def _rows(values: Tensor) -> NDArray[np.float32]:
    """``values`` as they lie in a file."""
    found: NDArray[np.float32] = (values.permute(0, 2, 3, 1) if values.dim() == 4 else values).cpu().numpy()
    return found


# -- room


def _no_room(total: int, missing: int, folder: Path) -> str | None:
    """Why ``total`` bytes, ``missing`` of them not yet written, do not fit; None when they do."""
    free = memory.available(torch.device("cpu"))
    if free is not None and total > SHARE * free:
        return f"the features take {memory.size(total)}, and {memory.size(free)} of memory are free"
    disk = shutil.disk_usage(folder).free
    if missing and missing + SPARE > disk:
        return f"the features need {memory.size(missing)} more on disk, where {memory.size(disk)} are free"
    return None


@contextmanager
def locked(paths: Sequence[Path]) -> Iterator[None]:
    """While entered, no other process writes ``paths``."""
    with ExitStack() as stack:
        for path in sorted({path.with_name(f"{path.name.split('.')[0]}.lock") for path in paths}):
            while (handle := locks.take(path)) is None:
                time.sleep(0.1)
            stack.callback(locks.release, handle)
        yield
