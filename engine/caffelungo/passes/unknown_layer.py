"""What is said of a layer that a net does not have: the name that was probably meant, or the net's last ones."""

from __future__ import annotations

from collections.abc import Sequence

from caffelungo.errors import did_you_mean

LAST = 6
"""Layers that are named where none has a name like it."""


def suggestion(name: str, layers: Sequence[str]) -> str:
    """The remedy for ``name``, where ``layers`` are the names that there are, in the order of the net."""
    near = did_you_mean(name, layers)
    return f"did you mean `{near}`?" if near else f"its last layers are {', '.join(layers[-LAST:])}"
