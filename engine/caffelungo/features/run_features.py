"""`lungo features`: blobs of a net for every picture of a folder or a list, in a file.

    <output>.part/      rows that are there; gone when the file is whole

A run that is killed goes on where it was when the same command is given again. Rows are computed once, and the file is
written from them, so that a million pictures take no more memory than a batch and a piece of the file.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from caffelungo import locks, option_ranges
from caffelungo.data.lmdb_writer import would_be_lost
from caffelungo.data.picture_table import PictureColumns
from caffelungo.data.picture_views import CROPS
from caffelungo.errors import Location, Problem, RunError, UserError
from caffelungo.features import addresses, formats
from caffelungo.features.formats import lmdb
from caffelungo.features.formats.feature_table import FeatureTable
from caffelungo.features.open_net import MEAN, Ready, find_net, make_ready
from caffelungo.features.picture_list import FLAT, Listing, listing
from caffelungo.features.pooled import CHUNK
from caffelungo.features.rows import Rows
from caffelungo.features.run_part import PartRunner
from caffelungo.files import obstacle
from caffelungo.solve import memory
from caffelungo.solve.engine import make_engine, out_of_memory
from caffelungo.solve.options import EngineOptions
from caffelungo.wording import counted

POOLS = ("mean", "max", "none")
PART = ".part"
SPARE = 64 << 20
"""Bytes of disk left free."""
UNCOUNTED = 256 << 20
"""Bytes of rows after which they are put on disk, whatever their number."""

Told = Callable[[str, int, int], None]


@dataclass
class FeatureOptions(EngineOptions):
    """`lungo features`. ``blobs`` empty: the ends of the net's stages. ``weights`` None: those that come with the net.

    ``crops``: 1, or 10 (corners, centre, mirrored; their features are averaged). ``pool``: "mean" or "max" over the
    plane, or "none". ``size``: the net's input in pixels.
    """

    net: str = ""
    data: str | Path = ""
    output: str | Path = ""
    weights: str | None = None
    blobs: Sequence[str] = ()
    size: int | None = None
    crops: int = 1
    pool: str = "mean"
    batch_size: int | None = None
    path_column: str | None = None
    label_column: str | None = None
    corrections: str | None = None
    variables: Mapping[str, Any] = field(default_factory=dict)
    stages: Sequence[str] = ()
    level: int = 0
    overwrite: bool = False


@dataclass(frozen=True)
class WrittenFeatures:
    """What was written: ``shapes`` of one picture's features by blob; ``before`` rows were there from a broken run."""

    path: Path
    shapes: Mapping[str, tuple[int, ...]]
    count: int
    before: int
    labelled: bool
    notices: tuple[str, ...]


def extract(options: FeatureOptions, say: Told = lambda what, done, total: None) -> WrittenFeatures:
    """Write the features that ``options`` ask for; ``say`` is called with what is done, and how much of how much.

    Raises UserError for all that is wrong before anything is computed, RunError where another process writes them.
    """
    path = Path(options.output)
    _check(options, path)
    part = path.with_name(path.name + PART)
    with _alone(part):
        engine = make_engine(options)
        net = find_net(options.net, options.weights, dict(options.variables), options.stages, options.level)
        columns = PictureColumns(options.path_column, options.label_column)
        found = listing(
            options.data, part, lambda done, total: say("looking for pictures", done, total), columns,
            options.corrections,
        )  # fmt: skip
        ready = make_ready(
            net, found, list(options.blobs), engine, part, size=options.size, crops=options.crops,
            batch_size=options.batch_size or (32 if options.crops == 1 else 8),
        )  # fmt: skip
        running = PartRunner(ready.part, ready.store, engine)
        shapes = _shapes(ready, options.pool)
        formats.check(path, shapes)
        identity = _identity(running, ready, found, options)
        with Rows(part, list(shapes.values()), identity) as rows:
            before = rows.done
            _check_room(part, list(shapes.values()), running.count, before)
            _compute(running, rows, options, say)
        say("writing the file", 0, 0)
        arrays = {blob: rows.array(number) for number, blob in enumerate(shapes)}
        labels = found.pictures.labels if found.labelled else None
        formats.write(path, FeatureTable(arrays, labels, found.pictures.names, ready.extras))
        rows.remove()
        _take_away(part)
    return WrittenFeatures(path, shapes, running.count, before, found.labelled, (*engine.notices(), *ready.notices))


# -- what may be asked


def _check(options: FeatureOptions, path: Path) -> None:
    problems = option_ranges.problems("features", vars(options))
    if (wrong := formats.suffix_problem(path)) is not None:
        problems.append(wrong)
    where = Location(str(path))
    if path.suffix == ".lmdb" and path.is_dir():
        if not options.overwrite:
            problems.append(_exists(where))
        elif not any(path.rglob("data.mdb")):
            problems.append(
                Problem("this folder is not a database", where, str(path.absolute()), "choose another output")
            )
        elif foreign := lmdb.other_files(path):
            problems.append(would_be_lost(path, foreign))
    elif (there := obstacle(path)) is not None:
        problems.append(there)
    elif path.exists() and not options.overwrite:
        problems.append(_exists(where))
    if options.crops not in (1, CROPS):
        problems.append(Problem("--crops takes 1 or 10", None, f"--crops {options.crops}", "write --crops 10"))
    if options.pool not in POOLS:
        problems.append(Problem("unknown pooling", None, f"--pool {options.pool}", f"use one of: {', '.join(POOLS)}"))
    if problems:
        raise UserError(problems)


def _exists(where: Location) -> Problem:
    return Problem("the output exists", where, None, "choose another name, or replace it with --overwrite")


def _shapes(ready: Ready, pool: str) -> dict[str, tuple[int, ...]]:
    """The shape of one picture's features, by blob."""
    shapes = dict(zip(ready.part.blobs, ready.part.shapes, strict=True))
    return {blob: shape[:1] if len(shape) == 3 and pool != "none" else shape for blob, shape in shapes.items()}


def _identity(running: PartRunner, ready: Ready, found: Listing, options: FeatureOptions) -> str:
    """Stands for all that the rows follow from. Pictures are known by name, size and time."""
    pictures = found.pictures
    seen = addresses.glance(pictures.path(index) for index in range(len(pictures)))
    sources = ready.part.opened.sources
    records = [b"" if each.record is None else each.record.SerializeToString(deterministic=True) for each in sources]
    made = running.addresses([addresses.hashed(seen, record) for record in records])
    return addresses.hashed(
        addresses.FORMAT, [made[value] for value in ready.part.values], ready.part.blobs, options.crops, options.pool,
        running.engine.precision,
    )  # fmt: skip


def _check_room(folder: Path, shapes: Sequence[tuple[int, ...]], count: int, done: int) -> None:
    """RunError unless the rows that are missing and the file fit on the disk."""
    row = 4 * sum(int(np.prod(shape, dtype=np.int64)) for shape in shapes)
    needed = row * (count - done) + row * count + SPARE
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise RunError(
            f"{folder}: the features of {counted(count, 'picture')} take {memory.size(needed)} on disk "
            f"while they are written, and {memory.size(free)} are free\n"
            "  to do: use --pool mean, fewer --blobs, or another disk"
        )


@contextmanager
def _alone(part: Path) -> Iterator[None]:
    """The folder ``part``, made if need be; UserError while another process writes into it."""
    fresh = not part.exists()
    if part.exists() and not part.is_dir():
        raise UserError("a file is in the place of the folder that collects rows", where=Location(str(part)),
                        remedy="move it")  # fmt: skip
    with locks.alone(part, "these features"):
        part.mkdir(exist_ok=True)
        try:
            yield
        except UserError:
            if fresh and part.exists() and {entry.name for entry in part.iterdir()} <= {FLAT, MEAN}:
                _take_away(part)
            raise


def _take_away(part: Path) -> None:
    """Remove what is left of ``part`` once its rows are gone; what somebody else put there stays."""
    for name in (FLAT, MEAN):
        (part / name).unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        part.rmdir()


# -- computing


class _Keeping:
    """What is kept of the blobs of a batch: pooled over the plane, and the mean of the crops of a picture."""

    def __init__(self, pool: str, crops: int) -> None:
        self.pool, self.crops = pool, crops

    def __call__(self, blobs: list[Tensor]) -> list[Tensor]:
        return [self._kept(blob.float()) for blob in blobs]

    def _kept(self, blob: Tensor) -> Tensor:
        if blob.dim() == 4 and self.pool != "none":
            blob = blob.mean((2, 3)) if self.pool == "mean" else blob.amax((2, 3))
        if self.crops > 1:
            blob = blob.unflatten(0, (-1, self.crops)).mean(1)
        return blob


def _compute(running: PartRunner, rows: Rows, options: FeatureOptions, say: Told) -> None:
    committed, size = rows.done, 4 * sum(int(np.prod(shape, dtype=np.int64)) for shape in rows.shapes)
    say("computing features", rows.done, running.count)
    try:
        for made in running.rows(rows.done, _Keeping(options.pool, options.crops)):
            rows.append(made)
            if rows.done - committed >= CHUNK or (rows.done - committed) * size >= UNCOUNTED:
                rows.commit()
                committed = rows.done
            say("computing features", rows.done, running.count)
    except RuntimeError as error:
        if readable := out_of_memory(error, f"a batch of {running.batch_size} on {running.engine.device}"):
            raise RunError(str(readable).replace("halve batch_size and double iter_size, which keeps the effective "
                                                 "batch", "use a smaller --batch-size")) from error  # fmt: skip
        raise
    rows.commit()
