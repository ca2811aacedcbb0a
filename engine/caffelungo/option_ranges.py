"""The legal range of every numeric option of every verb, and the message for a number out of range.

The command line judges all options of a verb before it does anything else; functions that take the same options in a
dataclass call ``judge``. An option is found by its name, or by ``verb.name`` where one verb means something else by it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from caffelungo.bounds import ANY, COUNT, LARGEST, NOT_NEGATIVE, POSITIVE, WHOLE, Bounds
from caffelungo.errors import Problem, UserError

MOST_WORKERS = 1024
"""Processes or threads: more are a slip of the keyboard, and starting them takes the machine down."""
SEED = Bounds(0, 2**63 - 1)
BODY = Bounds(1024, 2**63 - 1)
PIXELS = Bounds(1, 2**63 - 1)
WORKERS = Bounds(0, MOST_WORKERS)
THREADS = Bounds(1, MOST_WORKERS)
PART = Bounds(0, 1, below=True)

OPTIONS: dict[str, Bounds] = {
    "batch": COUNT,
    "batch_size": COUNT,
    "batches": replace(COUNT, usual="8"),
    "bench.threads": WORKERS,
    "classes": COUNT,
    "compare.workers": WORKERS,
    "convert.scale": ANY,
    "crops": COUNT,
    "deadline_ms": NOT_NEGATIVE,
    "decoders": WORKERS,
    "delay": WHOLE,
    "early_stop": WHOLE,
    "extend": WHOLE,
    "folds": Bounds(2, LARGEST, usual="5"),
    "infer.threads": WORKERS,
    "instances": COUNT,
    "iterations": replace(COUNT, advice="remove it, or write at least 1"),
    "keep": COUNT,
    "kernel": COUNT,
    "keep_last": replace(COUNT, advice="remove it to keep all"),
    "level": Bounds(-(2**31), LARGEST),
    "max_batch": COUNT,
    "max_bytes": BODY,
    "max_pixels": PIXELS,
    "minutes": POSITIVE,
    "new_scale": POSITIVE,
    "noise": NOT_NEGATIVE,
    "opset": COUNT,
    "passes": COUNT,
    "penalty": replace(POSITIVE, advice="remove it to choose automatically"),
    "per_class": COUNT,
    "port": Bounds(0, 65535),
    "queue": COUNT,
    "random": COUNT,
    "rank": COUNT,
    "rate_decay": POSITIVE,
    "remember_weight": NOT_NEGATIVE,
    "resize": COUNT,
    "resize_height": WHOLE,
    "resize_width": WHOLE,
    "rounds": COUNT,
    "scale": POSITIVE,
    "seconds": POSITIVE,
    "seed": SEED,
    "seeds": COUNT,
    "serve.threads": WORKERS,
    "size": replace(COUNT, usual="112"),
    "temperature": POSITIVE,
    "threads": THREADS,
    "tolerance": NOT_NEGATIVE,
    "top": COUNT,
    "val": PART,
    "version": COUNT,
    "workers": WORKERS,
}

IN_WORDS: dict[str, Bounds] = {
    "--batch": COUNT,
    "--deepen": COUNT,
    "--enlarge": COUNT,
    "--gpus": WHOLE,
    "--iterations": COUNT,
    "--joint": COUNT,
    "--mean": ANY,
    "--preferred": COUNT,
    "--rate": ANY,
    "--rates": POSITIVE,
    "--recursive": COUNT,
    "--scale": replace(POSITIVE, usual="20"),
    "--unit-rates": NOT_NEGATIVE,
    "--units": COUNT,
    "--widen": COUNT,
}
"""Options whose text holds numbers (`8,16`, `fc7:2048`, `conv*=0.1`): the range of each."""


def bounds(verb: str, name: str) -> Bounds | None:
    """The range of the option ``name`` of ``verb``; None for one that the table does not know."""
    return OPTIONS.get(f"{verb}.{name}") or OPTIONS.get(name)


def problems(verb: str, given: Mapping[str, Any]) -> list[Problem]:
    """A Problem for each number among ``given`` (option -> value) that is out of its range."""
    found = []
    for name, value in given.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or (range_ := bounds(verb, name)) is None:
            continue
        found += wrong(f"--{name.replace('_', '-')}", [value], range_)
    return found


def wrong(flag: str, values: Iterable[float], range_: Bounds, text: str = "") -> list[Problem]:
    """A Problem for each of ``values`` of ``flag`` that is out of ``range_``; ``text`` is what was typed."""
    return [
        Problem(f"{flag} must be {range_.must(value)}", None, f"{flag} {text or value}", range_.remedy(flag, value))
        for value in values
        if not range_.admits(value)
    ]


def judge(verb: str, options: Any) -> None:
    """UserError with all numbers of ``options`` (a dataclass) that are out of range."""
    if found := problems(verb, vars(options)):
        raise UserError(found)
