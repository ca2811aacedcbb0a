from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Coroutine
from typing import Any

import numpy as np
import pytest

from caffelungo.serving.batcher import Batcher


class Net:
    """Remembers its batches; a picture's row is its first value."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.go = threading.Event()
        self.go.set()

    def __call__(self, images: Any) -> Any:
        self.go.wait(10)
        self.batches.append([int(image.flat[0]) for image in images])
        if any(image.flat[0] == 255 for image in images):
            raise RuntimeError("broken")
        return np.stack([image.reshape(-1)[:1].astype(np.float32) for image in images])


def picture(value: int, *shape: int) -> Any:
    return np.full(shape or (2, 2, 1), value, np.uint8)


def run(net: Net, most: int, deadline: float, work: Any) -> Any:
    async def all_of_it() -> Any:
        batcher = Batcher(net, most, deadline)
        batcher.start()
        try:
            return await work(batcher)
        finally:
            await batcher.stop()

    routine: Coroutine[Any, Any, Any] = all_of_it()
    return asyncio.run(routine)


def test_a_full_batch_leaves_at_once_and_each_gets_its_own_row() -> None:
    net = Net()

    async def work(batcher: Batcher) -> Any:
        return await asyncio.gather(*(batcher.submit(picture(k)) for k in range(12)))

    started = time.monotonic()
    rows = run(net, 4, 5, work)
    assert time.monotonic() - started < 4
    assert [float(row[0]) for row in rows] == list(range(12))
    assert net.batches == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]


def test_a_batch_waits_for_others_no_longer_than_its_deadline() -> None:
    net = Net()

    async def work(batcher: Batcher) -> float:
        started = time.monotonic()
        first = asyncio.create_task(batcher.submit(picture(1)))
        await asyncio.sleep(0.05)
        await asyncio.gather(first, batcher.submit(picture(2)))
        return time.monotonic() - started

    assert 0.19 < run(net, 8, 0.2, work) < 1.5
    assert net.batches == [[1, 2]]


def test_what_came_while_the_net_ran_goes_together() -> None:
    net = Net()
    net.go.clear()

    async def work(batcher: Batcher) -> None:
        first = asyncio.create_task(batcher.submit(picture(0)))
        await asyncio.sleep(0.05)
        rest = [asyncio.create_task(batcher.submit(picture(k))) for k in range(1, 6)]
        await asyncio.sleep(0.02)
        assert batcher.waiting == 5
        net.go.set()
        await asyncio.gather(first, *rest)

    run(net, 8, 0.001, work)
    assert net.batches == [[0], [1, 2, 3, 4, 5]]


def test_pictures_of_other_sizes_go_by_themselves() -> None:
    net = Net()

    async def work(batcher: Batcher) -> Any:
        return await asyncio.gather(*(batcher.submit(picture(k, 2, 2 + k % 2, 1)) for k in range(4)))

    assert [float(row[0]) for row in run(net, 4, 1, work)] == [0, 1, 2, 3]
    assert net.batches == [[0, 2], [1, 3]]


def test_a_failure_is_told_to_those_in_the_batch_and_the_next_one_runs() -> None:
    net = Net()

    async def work(batcher: Batcher) -> Any:
        failed = await asyncio.gather(*map(batcher.submit, (picture(255), picture(1))), return_exceptions=True)
        assert [str(each) for each in failed] == ["broken", "broken"]
        return await batcher.submit(picture(7))

    assert run(net, 2, 0.01, work)[0] == 7


def test_who_went_away_costs_the_net_nothing() -> None:
    net = Net()

    async def work(batcher: Batcher) -> None:
        gone = asyncio.create_task(batcher.submit(picture(1)))
        await asyncio.sleep(0.01)
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        await batcher.submit(picture(2))

    run(net, 2, 0.1, work)
    assert net.batches == [[2]]
