"""The pictures passed to a model: files, folders and lists; read ahead in threads, one batch at a time."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from caffelungo.data.decode import SUFFIXES
from caffelungo.errors import Location, Problem, UserError
from caffelungo.files import candidates, read_text, refuse_special
from caffelungo.inference import picture_input
from caffelungo.wording import counted

Item = TypeVar("Item")
LISTS = frozenset({".txt", ".lst", ".list"})
LONGEST_LIST = 256 * 2**20
"""Most bytes of a list."""


@dataclass
class Given:
    """``paths`` of pictures in order, and of each the class and the place where a list told it (None elsewhere)."""

    paths: list[Path] = field(default_factory=list)
    classes: list[int | None] = field(default_factory=list)
    places: list[Location | None] = field(default_factory=list)

    def add(self, paths: Sequence[Path]) -> None:
        """Pictures that no list tells of."""
        self.extend(Given(list(paths), [None] * len(paths), [None] * len(paths)))

    def extend(self, other: Given) -> None:
        """``other`` behind these."""
        self.paths += other.paths
        self.classes += other.classes
        self.places += other.places

    def placed(self, index: int, problem: Problem) -> Problem:
        """``problem`` of picture ``index``, at its line where it came from a list."""
        place = self.places[index]
        if place is None:
            return problem
        path = self.paths[index]
        tried = [path] if path.exists() else candidates(path, place.file)
        names = " and ".join(os.path.abspath(one) for one in tried)
        return Problem(problem.what, place, f"{names}: {problem.received}", problem.remedy)


def gather(given: Sequence[str | Path]) -> Given:
    """Files, folders and lists (.txt: a path per line, after it a class or nothing) as pictures.

    Whether pictures are there is found when they are read. UserError for empty folders and lists that are none.
    """
    result, problems = Given(), []
    for one in map(Path, given):
        try:
            if one.is_dir():
                found = picture_input.picture_files([one])
                if not found:
                    raise UserError("this folder contains no pictures", where=Location(str(one)),
                                    received=str(one.absolute()),
                                    remedy="name a folder with pictures, or the pictures themselves")  # fmt: skip
                result.add(found)
            elif one.suffix.lower() in LISTS:
                result.extend(read_list(one))
            else:
                result.add([one])
        except UserError as error:
            problems += error.problems
    if problems:
        raise UserError(problems)
    return result


def read_list(path: Path) -> Given:
    """What a list tells; relative names are tried from the working directory and from the list's folder."""
    if not path.exists():
        raise UserError("list of pictures not found", where=Location(str(path)), received=str(path.absolute()),
                        remedy="correct the path")  # fmt: skip
    size = refuse_special(path)
    if size > LONGEST_LIST:
        raise UserError("the list of pictures is too large", where=Location(str(path)),
                        received=counted(size, "byte"), remedy="split it")  # fmt: skip
    try:
        lines = read_text(path).splitlines()
    except UnicodeDecodeError as error:
        raise UserError("a list of pictures must be text", where=Location(str(path)), received=str(error),
                        remedy="write one path per line, as UTF-8") from error  # fmt: skip
    listed = Given()
    for number, line in enumerate(map(str.strip, lines), 1):
        if not line:
            continue
        name, _, last = line.rpartition(" ")
        labelled = bool(name) and last.isdecimal() and Path(line).suffix.lower() not in SUFFIXES
        listed.paths.append(_place(name.strip() if labelled else line, path))
        listed.classes.append(int(last) if labelled else None)
        listed.places.append(Location(str(path), number, 1, line))
    if not listed.paths:
        raise UserError("this list contains no pictures", where=Location(str(path)), received="no line",
                        remedy="write one path per line")  # fmt: skip
    return listed


def _place(name: str, listed: Path) -> Path:
    here, beside = Path(name), listed.parent / name
    return beside if not here.exists() and beside.exists() else here


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass
class PictureBatch:
    """``images`` (uint8, batch x height x width x colours) of items ``indices``; ``failed``: (index, problem) pairs."""

    indices: list[int]
    images: NDArray[np.uint8]
    failed: list[tuple[int, Problem]] = field(default_factory=list)

    @property
    def problems(self) -> list[Problem]:
        return [problem for _, problem in self.failed]


def batches(
    items: Sequence[Item], read: Callable[[Item], Any], size: int, *, decoders: int = 0, most: int | None = None
) -> Iterator[PictureBatch]:
    """``read(item)`` of every item (a picture, or a UserError that is given back), in order, ``size`` at a time.

    ``decoders`` threads (0: one a core, up to four) read up to two batches ahead: decoding and resizing leave Python's
    lock. Whoever takes the batches reads, too, while there is nothing to do but wait. A batch ends early where the
    pictures change their size. One without a picture tells the problems of the end. ``most`` is for pictures of any
    size: how many pixels a batch may have; then little is read ahead, too.
    """
    workers = decoders or min(4, cores())
    ahead = 2 * size + workers if most is None else 2 * workers
    waiting: deque[tuple[Future[Any], Item]] = deque()
    rest = iter(items)
    indices: list[int] = []
    images: list[NDArray[np.uint8]] = []
    failed: list[tuple[int, Problem]] = []

    def cut() -> PictureBatch:
        made = PictureBatch(list(indices), np.stack(images) if images else np.empty(0, np.uint8), list(failed))
        for one in (indices, images, failed):
            one.clear()  # type: ignore[attr-defined]
        return made

    pool = ThreadPoolExecutor(workers, thread_name_prefix="read")
    try:
        for index in range(len(items)):
            while len(waiting) < ahead and (item := next(rest, _END)) is not _END:
                waiting.append((pool.submit(read, item), item))  # type: ignore[arg-type]
            while not waiting[0][0].done() and _helped(waiting, read, size - len(images)):
                pass
            got = waiting.popleft()[0].result()
            if isinstance(got, UserError):
                failed += [(index, problem) for problem in got.problems]
                continue
            if images and images[0].shape != got.shape:
                yield cut()
            indices.append(index)
            images.append(got)
            if len(images) == size or (most and (len(images) + 1) * got.shape[0] * got.shape[1] > most):
                yield cut()
        if images or failed:
            yield cut()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _helped(waiting: deque[tuple[Future[Any], Item]], read: Callable[[Item], Any], many: int) -> bool:
    """Read one of the next ``many`` items on this thread, which has to wait anyway; False when all have been begun."""
    for place in range(min(many, len(waiting)) - 1, 0, -1):
        future, item = waiting[place]
        if future.cancel():
            mine: Future[Any] = Future()
            mine.set_result(read(item))
            waiting[place] = mine, item
            return True
    return False


_END: Any = object()
