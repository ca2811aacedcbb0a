"""Batches pictures of many requests: a batch starts when it is full or its first picture has waited long enough.

The net runs in one separate thread, one batch at a time; while it runs the next batch gathers.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from caffelungo import threads

Pixels = NDArray[np.uint8]
Rows = NDArray[np.float32]
T = TypeVar("T")


@dataclass(frozen=True)
class _Waiting:
    image: Pixels
    answer: asyncio.Future[Rows]
    since: float = field(default_factory=time.monotonic)


class Batcher:
    """``run`` takes pictures of one shape and gives a row for each. ``deadline`` in seconds.

    ``watch(pictures, seconds)`` is called after each run. Pictures of another shape than the first run right
    after it.
    """

    def __init__(
        self,
        run: Callable[[Sequence[Pixels]], Rows],
        most: int,
        deadline: float,
        watch: Callable[[int, float], None] = lambda pictures, seconds: None,
    ) -> None:
        self._run, self._most, self._deadline, self._watch = run, most, deadline, watch
        self._waiting: deque[_Waiting] = deque()
        self._news = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="net", initializer=threads.step_back)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to serve; to be called on the event loop."""
        self._task = asyncio.create_task(self._serve())

    async def stop(self) -> None:
        """Let go of the thread; nothing may be waiting any more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._thread.shutdown(wait=True, cancel_futures=True)

    @property
    def waiting(self) -> int:
        """Pictures that wait for the net."""
        return len(self._waiting)

    async def submit(self, image: Pixels) -> Rows:
        """The row of ``image``; what the net raised, where it failed."""
        item = _Waiting(image, asyncio.get_running_loop().create_future())
        self._waiting.append(item)
        self._news.set()
        return await item.answer

    async def alone(self, function: Callable[..., T], *given: Any) -> T:
        """``function(*given)`` in the net's thread, between two batches."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *given)

    async def _serve(self) -> None:
        while True:
            for group in _by_shape(await self._gather()):
                await self._answer(group)

    async def _gather(self) -> list[_Waiting]:
        while not self._waiting:
            self._news.clear()
            await self._news.wait()
        leave = self._waiting[0].since + self._deadline
        while len(self._waiting) < self._most and (left := leave - time.monotonic()) > 0:
            self._news.clear()
            try:
                async with asyncio.timeout(left):
                    await self._news.wait()
            except TimeoutError:
                break
        taken = [self._waiting.popleft() for _ in range(min(self._most, len(self._waiting)))]
        return [item for item in taken if not item.answer.done()]  # a client may have gone

    async def _answer(self, group: list[_Waiting]) -> None:
        started = time.monotonic()
        try:
            rows = await self.alone(self._run, [item.image for item in group])
        except Exception as error:  # each request tells of it in its own answer
            for item in group:
                if not item.answer.done():
                    item.answer.set_exception(error)
            return
        self._watch(len(group), time.monotonic() - started)
        for item, row in zip(group, rows, strict=True):
            if not item.answer.done():
                item.answer.set_result(row)


def _by_shape(items: list[_Waiting]) -> list[list[_Waiting]]:
    groups: dict[tuple[int, ...], list[_Waiting]] = {}
    for item in items:
        groups.setdefault(item.image.shape, []).append(item)
    return list(groups.values())
