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


def counted(count: object, thing: str, things: str = "") -> str:
    """``1 layer``, ``3 layers``, ``2 to 3 layers``.

    ``things`` is the plural where no rule gives it: ``counted(many, "picture is", "pictures are")``.
    """
    return f"{count} {thing if str(count) == '1' else things or _plural(thing)}"


def _plural(thing: str) -> str:
    if thing.endswith(("axis", "basis")):
        return f"{thing[:-2]}es"
    if thing.endswith(("s", "x", "ch", "sh")):
        return f"{thing}es"
    if thing.endswith("y") and not thing.endswith(("ay", "ey", "oy", "uy")):
        return f"{thing[:-1]}ies"
    return f"{thing}s"
