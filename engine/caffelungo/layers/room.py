"""Whether a planned net fits into memory, asked before any of it is taken. No torch."""

from __future__ import annotations

from pathlib import Path

from caffelungo.errors import UserError
from caffelungo.layers.base import count
from caffelungo.layers.plan import Plan, PlannedLayer

FLOAT = 4
"""Bytes of a number."""


def available() -> int | None:
    """Free bytes of this machine's memory, None where the system does not tell."""
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return None


def least(plan: Plan, *, every: bool = False) -> int:
    """Bytes that one forward pass of ``plan`` takes at least: the layer with the most bottoms and tops, or with
    ``every`` all blobs, which are kept to be looked at. Blobs of unknown size count nothing."""
    if every:
        return FLOAT * sum(count(value.shape) or 0 for value in plan.values if value.shape is not None)
    return max((_bytes(one) for one in plan.layers), default=0)


def check(plan: Plan, asked: str, *, every: bool = False) -> None:
    """UserError when one forward pass of ``plan`` cannot fit into the memory that is free; ``asked`` is the flag."""
    need, free = least(plan, every=every), available()
    if free is None or need <= free:
        return
    widest = max(plan.layers, key=_bytes)
    raise UserError(
        "the net does not fit into memory at this size",
        received=f"{asked}: {need / 1e9:.3g} GB at least, most of it at `{widest.name}`, and {free / 1e9:.3g} GB are "
        "free",
        remedy="ask for a smaller size, or for fewer pictures a batch",
    )


def _bytes(planned: PlannedLayer) -> int:
    return FLOAT * sum(count(shape) or 0 for shape in (*planned.bottom_shapes, *planned.top_shapes) if shape)
