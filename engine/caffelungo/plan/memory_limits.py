"""Whether a planned net fits into memory, asked before any of it is taken. No torch.

``check`` is for a size that a flag asks for, and looks at what is free now. ``problems`` is for what a file says, in
`lungo check` as in training: it looks at all that the machine has, so that its answer does not change by the hour.
"""

from __future__ import annotations

import contextlib
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

from caffelungo.errors import Problem, UserError
from caffelungo.layers.base import count, shape_text
from caffelungo.plan.build_plan import Where
from caffelungo.plan.plan import Plan, PlannedLayer

FLOAT = 4
"""Bytes of a number."""
LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
"""Where Linux says how much a container may use: a number; a word, or a huge number, where it may use all."""
MOST = 2**63
SIZES = ("batch_size", "num_output", "tiles")
"""Fields that may have made a blob large, in the order in which they are pointed at."""


def available() -> int | None:
    """Free bytes of this machine's memory, None where the system does not say."""
    return _meminfo("MemAvailable")


def installed() -> int | None:
    """Bytes of this machine's memory, or of the part that a container may use; None where the system does not say."""
    whole = _meminfo("MemTotal")
    for file in LIMITS:
        with contextlib.suppress(OSError, ValueError):
            whole = min(int(file.read_text()), whole or MOST)
    return whole


def _meminfo(name: str) -> int | None:
    with contextlib.suppress(OSError):
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * 1024
    return None


@cache
def largest_gpu() -> int:
    """Bytes of the largest NVIDIA GPU, as its driver says; 0 where there is none."""
    try:
        listed = subprocess.run(
            ["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits"],
            capture_output=True, text=True, timeout=10, check=True,
        ).stdout  # fmt: skip
        return max((int(line) << 20 for line in listed.split()), default=0)
    except (OSError, subprocess.SubprocessError, ValueError):
        return 0


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
        remedy="use a smaller size, or a smaller batch",
    )


def problems(plan: Plan, where: Where) -> list[Problem]:
    """A Problem about the first layer of ``plan`` that this machine has no memory for, if there is one.

    What a layer takes at least are its bottoms, or its tops, which may lie in the same memory, on the CPU or a GPU, and
    parameters, which start on the CPU. Blobs of unknown size count nothing.
    """
    here = installed()
    if here is None:
        return []
    held = 0
    for planned in plan.layers:
        held += FLOAT * sum(count(use.shape) or 0 for use in planned.params if use.owner)
        if held > here:
            shapes = ", ".join(f"{use.spec.name} {shape_text(use.shape)}" for use in planned.params)
            return [_problem(planned, "the parameters of the net up to it", held, here, shapes, where)]
        for what, made in (("its bottoms", planned.bottom_shapes), ("its tops", planned.top_shapes)):
            need = FLOAT * sum(count(shape) or 0 for shape in made if shape)
            if need > here and need > (most := max(here, largest_gpu())):
                return [_problem(planned, what, need, most, ", ".join(map(shape_text, made)), where)]
    return []


def _problem(planned: PlannedLayer, what: str, need: int, has: int, shapes: str, where: Where) -> Problem:
    path: tuple[str | int, ...] = ("layer", planned.index)
    field = planned.layer.options_field
    size = next((name for name in SIZES if field and _has(planned.layer.options, name)), None)
    return Problem(
        f"layer `{planned.name}`: {what} do not fit into the memory of this machine",
        where(*path, field, size) if field and size else where(*path),
        f"{need / 1e9:.3g} GB at least ({shapes}), and the machine has {has / 1e9:.3g} GB",
        "use a smaller size, or a smaller batch",
    )


def _has(options: Any, name: str) -> bool:
    return name in options.DESCRIPTOR.fields_by_name and options.HasField(name)


def _bytes(planned: PlannedLayer) -> int:
    return FLOAT * sum(count(shape) or 0 for shape in (*planned.bottom_shapes, *planned.top_shapes) if shape)
