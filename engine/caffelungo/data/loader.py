"""Loads batches onto the device, ahead of time where that pays off, always in order.

Small data that lies in memory is taken directly; decoding runs in worker processes (torch's DataLoader), or in one
thread when the decoded pictures will stay in memory. All three give identical bits, because a batch depends on its
number alone.
"""

from __future__ import annotations

import atexit
import functools
import itertools
import os
import queue
import signal
import sys
import threading
import warnings
from collections.abc import Generator, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from caffelungo import processes
from caffelungo.data.source import DataSource, SampleBatch
from caffelungo.errors import LungoError, RunError, UserError

if TYPE_CHECKING:
    from torch import Tensor, device

AHEAD = 3
"""Batches that are ready or in the making, for each worker or thread."""


class _Failure:
    """A mistake found in a worker, on its way to the process that reports it."""

    def __init__(self, error: LungoError) -> None:
        self.problems = error.problems if isinstance(error, UserError) else None
        self.text = str(error)

    def error(self) -> LungoError:
        return UserError(self.problems) if self.problems is not None else RunError(self.text)


class _Batches:
    """A map-style dataset for torch's DataLoader: item k is batch k of every source."""

    def __init__(self, sources: Sequence[DataSource]) -> None:
        self.sources = sources

    def __getitem__(self, k: int) -> list[SampleBatch] | _Failure:
        try:
            return [source.batch(k).tensors() for source in self.sources]
        except LungoError as error:
            return _Failure(error)


class Loader:
    """Yields the placeholders' tensors, sources and their tops in order, for batches ``start`` to ``stop`` - 1.

    ``stop``: None means on and on, or once through for sources opened so. ``workers``: None chooses; 0 means no
    worker process. Iterating again starts again at ``start``. Close an iterator early with its ``close()``.
    """

    def __init__(
        self,
        sources: Sequence[DataSource],
        start: int = 0,
        stop: int | None = None,
        workers: int | None = None,
        device: str | device = "cpu",
    ) -> None:
        self.sources, self.start, self.device = list(sources), start, device
        if stop is None:
            ends = [s.batches for s in self.sources if s.opening.once and s.batches is not None]
            stop = min(ends) if ends else None
        self.stop = stop
        self.workers = default_workers(self.sources) if workers is None else workers

    def __iter__(self) -> Generator[list[Tensor]]:
        numbers: Iterable[int] = itertools.count(self.start) if self.stop is None else range(self.start, self.stop)
        if self.workers and any(source.ahead for source in self.sources):
            batches = self._from_processes(numbers)
        elif any(source.ahead for source in self.sources):
            batches = self._from_thread(numbers)
        else:
            batches = ([source.batch(k) for source in self.sources] for k in numbers)
        try:
            for batch in batches:
                yield self._finished(batch)
        finally:
            close = getattr(batches, "close", None)
            if close is not None:
                close()

    def _finished(self, batch: Sequence[SampleBatch]) -> list[Tensor]:
        pairs = zip(self.sources, batch, strict=True)
        return [tensor for source, part in pairs for tensor in source.finish(part, self.device)]

    def _from_processes(self, numbers: Iterable[int]) -> Iterator[list[SampleBatch]]:
        import torch
        from torch.utils.data import DataLoader

        with warnings.catch_warnings():
            # The number of workers is the user's; and Python 3.12 warns of any fork beside threads, where these workers
            # take no lock of the parent's.
            warnings.filterwarnings("ignore", message=".*worker processes in total", category=UserWarning)
            warnings.filterwarnings("ignore", message=".*multi-threaded, use of fork", category=DeprecationWarning)
            loader: Any = DataLoader(
                _Batches(self.sources),  # type: ignore[arg-type]
                batch_size=None,
                sampler=numbers,
                num_workers=self.workers,
                prefetch_factor=AHEAD,
                pin_memory=torch.device(self.device).type == "cuda",
                worker_init_fn=functools.partial(_begin, os.getpid(), _main_thread()),
                multiprocessing_context="fork" if sys.platform == "linux" else None,
                generator=torch.Generator(),  # its own, so that the run's random numbers stay as they are
            )
            iterator = iter(loader)
        _running.add(iterator)
        atexit.unregister(_stop_workers)  # to come before what multiprocessing and torch do at exit
        atexit.register(_stop_workers)
        try:
            while True:
                try:
                    item = next(iterator)
                except StopIteration:
                    return
                except RuntimeError as error:
                    raise RunError(f"a data worker ended: {error}; fewer workers use less memory") from error
                if isinstance(item, _Failure):
                    raise item.error()
                yield item
        finally:
            iterator._shutdown_workers()

    def _from_thread(self, numbers: Iterable[int]) -> Iterator[list[SampleBatch]]:
        ready: queue.Queue[Any] = queue.Queue(AHEAD)
        stopped = threading.Event()

        def put(item: Any) -> None:
            while not stopped.is_set():
                try:
                    ready.put(item, timeout=0.1)
                    return
                except queue.Full:
                    continue

        def work() -> None:
            try:
                for k in numbers:
                    if stopped.is_set():
                        return
                    put([source.batch(k) for source in self.sources])
                put(None)
            except BaseException as error:
                put(error)

        thread = threading.Thread(target=work, name="batches", daemon=True)
        thread.start()
        try:
            while (item := ready.get()) is not None:
                if isinstance(item, BaseException):
                    raise item
                yield item
        finally:
            stopped.set()
            thread.join()


def default_workers(sources: Sequence[DataSource]) -> int:
    """Worker processes for ``sources``: none unless one is heavy, else the cores but one, at most 8."""
    if not any(source.heavy for source in sources):
        return 0
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(8, cores - 1))


_running: WeakSet[Any] = WeakSet()
"""Iterators with worker processes; a run that ends by an exception may still hold some."""


def _stop_workers() -> None:
    """Python waits for worker processes when it exits, and these do not end by its signal."""
    for iterator in list(_running):
        iterator._shutdown_workers()


def _main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _begin(parent: int, by_system: bool, _worker: int) -> None:
    """Signals meant for the run reach its workers too; the run decides, and ends them in order, if it can.

    A run that is killed cannot: torch's workers would wait for ever for somebody to take their batches.
    """
    for name in ("SIGINT", "SIGHUP", "SIGTERM"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    processes.end_with(parent, by_system)
