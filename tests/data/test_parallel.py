"""Results come in order, and progress tells how far."""

from __future__ import annotations

import time

import pytest

from caffelungo.data.parallel import CHUNK, in_order


def test_results_are_in_order() -> None:
    told: list[tuple[int, int]] = []

    def slow_at_first(item: int) -> int:
        time.sleep(0.002 if item % 7 == 0 else 0)
        return item * item

    items = range(CHUNK + 10)
    found = list(in_order(slow_at_first, items, lambda done, total: told.append((done, total))))
    assert found == [(item, item * item) for item in items]
    assert told == [(CHUNK, CHUNK + 10), (CHUNK + 10, CHUNK + 10)]


def test_a_failure_comes_through() -> None:
    with pytest.raises(ZeroDivisionError):
        list(in_order(lambda item: 1 // item, [1, 0, 2]))
