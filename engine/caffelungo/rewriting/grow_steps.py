"""The options of `lungo grow`, or its recipe, as passes in order. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from caffelungo.errors import UserError
from caffelungo.layers.base import count
from caffelungo.passes import flags
from caffelungo.passes.base import Note, Step
from caffelungo.passes.new_units import UnitOptions
from caffelungo.passes.registry import GROW
from caffelungo.plan.plan import Plan
from caffelungo.rewriting.rewrite import RewriteOptions, Rewritten, rewrite

Units = Sequence[tuple[str, UnitOptions]]
"""(layer, how many units and how they are made) pairs."""


@dataclass(frozen=True)
class GrowOptions:
    """The options of `lungo grow`: what to add, in the order of these fields, and in ``files`` what to read and write.

    ``recursive`` is one chain of layers, from the bottom up, or only its upper end. ``more`` are the flags of further
    passes, by their names as variables.
    """

    files: RewriteOptions
    widen: Units = ()
    deepen: Units = ()
    joint: Units = ()
    recursive: Units = ()
    enlarge: Units = ()
    more: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Grown:
    """What was done: the passes' notes, the change as a unified diff, the files, and parameters before and after."""

    notes: list[Note]
    diff: str
    written: list[Path]
    parameters: tuple[int, int]
    notices: list[str]
    rewritten: Rewritten


def grow(options: GrowOptions) -> Grown:
    """Write the grown net; UserError when there is nothing to do, a pass refuses, or a file would be lost."""
    steps = growth_steps(options)
    if not steps and options.files.recipe is None:
        raise UserError(
            "nothing to add",
            received=f"lungo grow {options.files.net}",
            remedy="name what to add: --widen fc7:2048 or --deepen fc7:2048",
        )
    done = rewrite(replace(options.files, steps=(*steps, *options.files.steps)))
    before, after = done.plans()
    sizes = (_parameters(before), _parameters(after))
    return Grown(done.notes, done.diff, done.written, sizes, done.notices, done)


def growth_steps(options: GrowOptions) -> list[Step]:
    """The passes that ``options`` ask for, without those of the recipe."""
    given = {
        "widen": options.widen, "deepen": options.deepen, "joint": options.joint, "recursive": options.recursive,
        "enlarge": options.enlarge, **options.more,
    }  # fmt: skip
    return flags.steps(GROW, given)


def _parameters(plan: Plan) -> int:
    return sum(count(use.shape) or 0 for use in plan.params.values() if use.spec.learned)
