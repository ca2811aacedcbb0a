"""`lungo grow`: new units and layers, told on the command line or by a recipe, as passes in their order. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from caffelungo.errors import UserError
from caffelungo.layers.base import count
from caffelungo.passes.base import Note, Step, step
from caffelungo.passes.deepen import DeepenOptions, deepen
from caffelungo.passes.enlarge import EnlargeOptions, enlarge
from caffelungo.passes.joint import JointOptions, joint
from caffelungo.passes.new_units import UnitOptions
from caffelungo.passes.recursive import RecursiveOptions, recursive
from caffelungo.passes.widen import WidenOptions, widen
from caffelungo.plan.plan import Plan
from caffelungo.rewriting.rewrite import RewriteOptions, Rewritten, rewrite

Units = Sequence[tuple[str, UnitOptions]]
"""(layer, how many units and how they are made) pairs."""


@dataclass(frozen=True)
class GrowOptions:
    """What `lungo grow` is told: what to add, in the order of these fields, and in ``files`` what to read and write.

    ``recursive`` is one chain of layers, from the bottom up, or only its upper end.
    """

    files: RewriteOptions
    widen: Units = ()
    deepen: Units = ()
    joint: Units = ()
    recursive: Units = ()
    enlarge: Units = ()


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
            remedy="say what: --widen fc7:2048 or --deepen fc7:2048",
        )
    done = rewrite(replace(options.files, steps=(*steps, *options.files.steps)))
    before, after = done.plans()
    sizes = (_parameters(before), _parameters(after))
    return Grown(done.notes, done.diff, done.written, sizes, done.notices, done)


def growth_steps(options: GrowOptions) -> list[Step]:
    """The passes that ``options`` ask for, without those of the recipe."""
    steps = [step(widen, WidenOptions(layer, unit)) for layer, unit in options.widen]
    steps += [step(deepen, DeepenOptions(layer, unit)) for layer, unit in options.deepen]
    steps += [step(joint, JointOptions(layer, unit)) for layer, unit in options.joint]
    if options.recursive:
        steps.append(step(recursive, RecursiveOptions(tuple(options.recursive))))
    steps += [step(enlarge, EnlargeOptions(layer, unit.units, unit.seed)) for layer, unit in options.enlarge]
    return steps


def _parameters(plan: Plan) -> int:
    return sum(count(use.shape) or 0 for use in plan.params.values() if use.spec.learned)
