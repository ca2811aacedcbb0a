"""Blobs of a net averaged and maximised over the plane, for every picture of a list: what probes and heads read.

    <cache>/<hash>.npy           one pooled blob: N x C float32, in the order of the list
    <cache>/<hash>.part/         rows of a call that has not come to its end (``rows``)

With a cache nothing is computed twice, and a call that is killed loses at most the chunk in work.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.lib.format import open_memmap
from numpy.typing import NDArray
from torch import Tensor

from caffelungo.data.source import DataSource
from caffelungo.errors import UserError
from caffelungo.features import addresses
from caffelungo.features.frozen_features import Say, locked, silent
from caffelungo.features.new_npy import new_rows
from caffelungo.features.rows import Rows
from caffelungo.features.run_part import PartRunner
from caffelungo.features.sample_names import files_of, sample_labels
from caffelungo.features.upstream import Upstream, upstream
from caffelungo.files import written_whole
from caffelungo.layers.base import shape_text
from caffelungo.net.store import Store
from caffelungo.solve.engine import Engine
from caffelungo.solve.nets import OpenedNet

POOLS = ("mean", "max")
CHUNK = 512
"""Pictures after which rows are put on disk."""

Key = tuple[str, str, int]
"""Blob, "mean" or "max", and version: 0 as it is, 1 mirrored."""


@dataclass(frozen=True)
class Pooled:
    """Rows of N pictures in the order of their list.

    ``rows`` has an N x C array for each (blob, "mean" or "max", version), version 0 of the pictures as they are and 1
    of the mirrored ones; a blob without a plane has "mean" only, its values as they are. ``labels`` are N, -1 where
    the data has none; ``files`` are the pictures' paths.
    """

    blobs: tuple[str, ...]
    rows: Mapping[Key, NDArray[np.float32]]
    labels: NDArray[np.int64]
    files: tuple[str, ...]


def pooled(
    opened: OpenedNet,
    store: Store,
    blobs: Sequence[str],
    engine: Engine,
    *,
    pools: Sequence[str] = POOLS,
    mirrored: bool = False,
    cache: Path | None = None,
    say: Say = silent,
) -> Pooled:
    """``blobs`` of ``opened`` (phase TEST, ``once``) over the weights of ``store``, pooled over the plane.

    A blob is the value that its in-place neurons leave. Only the layers that the blobs need run. Blobs of two axes are
    taken as they are. With ``cache`` (a folder) what was computed before is read, and what is missing is kept there;
    several processes may ask at once. ``say`` hears how many pictures of how many are done.
    UserError for a blob that is unknown or has no row for each picture, and for data without an end.
    """
    part = upstream(opened, blobs)
    keys = _keys(part, pools, mirrored)
    running = PartRunner(part, store, engine)
    if mirrored and not any(len(shapes) == 4 for shapes in _picture_shapes(part)):
        raise UserError(
            "only pictures can be mirrored",
            where=opened.text.where(),
            received=", ".join(f"{source.name}: {shape_text(source.shapes[0])}" for source in part.opened.sources),
            remedy="do not mirror, or read pictures",
        )
    source = part.opened.sources[0]
    given = _given(part.opened.sources) if cache is not None else None
    if cache is None or given is None:
        found = _computed(running, keys, say)
    else:
        found = _kept(running, keys, _addresses(running, keys, given), cache, say)
    return Pooled(tuple(blobs), found, sample_labels(opened.sources, running.count), files_of(source, running.count))


def _keys(part: Upstream, pools: Sequence[str], mirrored: bool) -> dict[Key, int]:
    """The arrays that are wanted, with their widths; UserError for pools and blobs that cannot be."""
    if not pools or not set(pools) <= set(POOLS):
        raise UserError("unknown pooling", received=", ".join(pools) or "none", remedy="one or both of mean, max")
    found = {}
    for version in range(1 + mirrored):
        for blob, shape in zip(part.blobs, part.shapes, strict=True):
            if len(shape) not in (1, 3):
                raise UserError(
                    f"blob `{blob}` has neither a plane nor one row per picture",
                    where=part.opened.text.where(),
                    received=f"shape {shape_text((None, *shape))}",
                    remedy="name blobs of four axes, or of two",
                )
            for pool in _pools_of(shape, pools):
                found[blob, pool, version] = shape[0]
    return found


def _pools_of(shape: tuple[int, ...], pools: Sequence[str]) -> list[str]:
    return [pool for pool in POOLS if pool in pools] if len(shape) == 3 else ["mean"]


def _picture_shapes(part: Upstream) -> list[tuple[int, ...]]:
    return [source.shapes[0] for source in part.opened.sources]


# -- computing


class _Pooling:
    """From the blobs of a batch to one tensor, N x columns: the arrays of one version, side by side."""

    def __init__(self, part: Upstream, pools: Sequence[str]) -> None:
        self.pools = [_pools_of(shape, pools) for shape in part.shapes]

    def __call__(self, blobs: list[Tensor]) -> list[Tensor]:
        parts = []
        for blob, pools in zip(blobs, self.pools, strict=True):
            values = blob.float()
            if values.dim() == 4:
                parts += [values.mean((2, 3)) if pool == "mean" else values.amax((2, 3)) for pool in pools]
            else:
                parts.append(values)
        return [torch.cat(parts, 1)]


def _pooling(running: PartRunner, keys: Mapping[Key, int]) -> _Pooling:
    return _Pooling(running.part, [pool for pool in POOLS if any(key[1] == pool for key in keys)])


def _computed(running: PartRunner, keys: Mapping[Key, int], say: Say) -> dict[Key, NDArray[np.float32]]:
    """The arrays in memory."""
    found = {key: np.empty((running.count, width), np.float32) for key, width in keys.items()}
    spans = _spans(keys)
    done = 0
    for made in running.rows(0, _pooling(running, keys), _mirrors(keys)):
        for key, (version, span) in spans.items():
            found[key][done : done + len(made[0])] = made[version][:, span]
        done += len(made[0])
        say(done, running.count, "computing features")
    return found


def _mirrors(keys: Mapping[Key, int]) -> bool:
    return any(version for _, _, version in keys)


def _spans(keys: Mapping[Key, int]) -> dict[Key, tuple[int, slice]]:
    """Which columns of which version's tensor each array is."""
    found, ends = {}, {0: 0, 1: 0}
    for key, width in keys.items():
        version = key[2]
        found[key] = (version, slice(ends[version], ends[version] + width))
        ends[version] += width
    return found


# -- keeping


def _given(sources: Sequence[DataSource]) -> list[str] | None:
    """What identifies the samples of each source; None if one has no address."""
    found = [addresses.sample(source) for source in sources]
    return [each for each in found if each is not None] if None not in found else None


def _addresses(running: PartRunner, keys: Mapping[Key, int], given: Sequence[str]) -> dict[Key, str]:
    """A hash for each array of everything it follows from, but for the machine's rounding."""
    part, made = running.part, running.addresses(given)
    value = dict(zip(part.blobs, part.values, strict=True))
    precision = running.engine.precision
    return {key: addresses.hashed("pooled", made[value[key[0]]], *key[1:], precision) for key in keys}


def _kept(
    running: PartRunner, keys: Mapping[Key, int], names: Mapping[Key, str], cache: Path, say: Say
) -> dict[Key, NDArray[np.float32]]:
    """The arrays in files of ``cache``; what is missing there is computed into it."""
    cache.mkdir(parents=True, exist_ok=True)
    paths = {key: cache / f"{name}.npy" for key, name in names.items()}
    with locked(list(paths.values())):
        lacking = {key: width for key, width in keys.items() if _read(paths[key], running.count, width) is None}
        if lacking:
            _complete(running, lacking, paths, cache, say)
    found = {key: _read(paths[key], running.count, width) for key, width in keys.items()}
    return {key: rows for key, rows in found.items() if rows is not None}


def _read(path: Path, count: int, width: int) -> NDArray[np.float32] | None:
    """The array in the file ``path``; None where there is none of this shape."""
    try:
        rows = open_memmap(path, "r")
    except (OSError, ValueError):
        return None
    return rows if rows.shape == (count, width) and rows.dtype == np.float32 else None


def _complete(
    running: PartRunner, lacking: Mapping[Key, int], paths: Mapping[Key, Path], cache: Path, say: Say
) -> None:
    """Compute the arrays ``lacking`` into their files, going on where a call that was killed stood."""
    # Only the layers that these blobs need.
    blobs = tuple(dict.fromkeys(blob for blob, _, _ in lacking))
    if blobs != running.part.blobs:
        running = running.of(blobs)
    # A pool or a version that is there already costs little more beside the one that is not.
    pools = [pool for pool in POOLS if any(key[1] == pool for key in lacking)]
    keys = _keys(running.part, pools, _mirrors(lacking))
    identity = addresses.hashed(*sorted(paths[key].name for key in lacking), running.count, sorted(keys.items()))
    widths = {version: sum(width for key, width in keys.items() if key[2] == version) for version in (0, 1)}
    shapes = [(width,) for width in widths.values() if width]
    with Rows(cache / f"{identity}.part", shapes, identity) as rows:
        counted = rows.done
        for made in running.rows(rows.done, _pooling(running, keys), _mirrors(keys)):
            rows.append(made)
            if rows.done - counted >= CHUNK:
                rows.commit()
                counted = rows.done
            say(rows.done, running.count, "computing features")
        rows.commit()
        for key, (version, span) in _spans(keys).items():
            if key in lacking:
                _write(paths[key], rows.array(version), span)
    rows.remove()


def _write(path: Path, rows: NDArray[np.float32], span: slice) -> None:
    with written_whole(path) as temporary:
        target = new_rows(temporary, np.float32, (len(rows), span.stop - span.start))
        for start in range(0, len(rows), CHUNK):
            target[start : start + CHUNK] = rows[start : start + CHUNK, span]
        target.flush()
