"""Parts of sentences that several messages share."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

SHOWN = 10
"""Items of a list that a message names."""


def listed(items: Iterable[object], shown: int = SHOWN, between: str = ", ", total: int | None = None) -> str:
    """``a, b, c and 5 more``; ``total`` is how many there are, where ``items`` are only the first of them."""
    texts = [str(item) for item in items]
    more = (len(texts) if total is None else total) - min(len(texts), shown)
    return between.join(texts[:shown]) + (f" and {more} more" if more > 0 else "")


def counted(count: object, thing: str, things: str = "") -> str:
    """``1 layer``, ``3 layers``, ``2 to 3 layers``, ``at least 1 layer``.

    ``things`` is the plural where no rule gives it: ``counted(many, "picture is", "pictures are")``.
    """
    return f"{count} {thing if str(count) in ('1', 'at least 1') else things or _plural(thing)}"


def sentence(text: str, width: int = 116) -> list[str]:
    """The lines of ``text`` with a capital and a full stop, of at most ``width`` characters; none without text."""
    lines = f"{text[:1].upper()}{text[1:]}." if text else ""
    return textwrap.wrap(lines, width, break_long_words=False, break_on_hyphens=False)


def _plural(thing: str) -> str:
    if thing.endswith(("axis", "basis")):
        return f"{thing[:-2]}es"
    if thing.endswith(("s", "x", "ch", "sh")):
        return f"{thing}es"
    if thing.endswith("y") and not thing.endswith(("ay", "ey", "oy", "uy")):
        return f"{thing[:-1]}ies"
    return f"{thing}s"
