"""Work on many pictures at once: decoding leaves Python's lock, so threads are enough."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

Progress = Callable[[int, int], None]
"""Called with how many are done, and of how many."""

CHUNK = 64


def in_order(
    function: Callable[[Item], Result], items: Sequence[Item], progress: Progress | None = None
) -> Iterator[tuple[Item, Result]]:
    """Pairs (item, function(item)) in the order of ``items``; at most ``CHUNK`` results wait."""
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for start in range(0, len(items), CHUNK):
            part = items[start : start + CHUNK]
            yield from zip(part, pool.map(function, part), strict=True)
            if progress is not None:
                progress(start + len(part), len(items))
