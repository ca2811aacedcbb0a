"""Parts of sentences that several messages share."""

from __future__ import annotations

from collections.abc import Iterable

SHOWN = 10
"""Items of a list that a message names."""


def listed(items: Iterable[object], shown: int = SHOWN, between: str = ", ", total: int | None = None) -> str:
    """``a, b, c and 5 more``; ``total`` is how many there are, where ``items`` are only the first of them."""
    texts = [str(item) for item in items]
    more = (len(texts) if total is None else total) - min(len(texts), shown)
    return between.join(texts[:shown]) + (f" and {more} more" if more > 0 else "")
