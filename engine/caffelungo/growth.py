"""`lungo grow`: from a net and what to add to it to the grown net's file, and a solver that trains it. No torch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from caffelungo import catalogue, files
from caffelungo.definition import editor
from caffelungo.definition.edits import SetField
from caffelungo.definition.reader import Definition, read_net, read_solver
from caffelungo.errors import Location, UserError, did_you_mean
from caffelungo.layers.base import count
from caffelungo.layers.fillers import FILLERS
from caffelungo.passes.base import Note, run, step
from caffelungo.passes.branch import UnitOptions
from caffelungo.passes.deepen import DeepenOptions, deepen
from caffelungo.passes.view import View
from caffelungo.passes.widen import WidenOptions, widen


@dataclass(frozen=True)
class GrowOptions:
    """What `lungo grow` is told: (layer, units) pairs to widen and then to deepen, and the files to read and write.

    ``solver`` is copied beside ``output``, pointed at the grown net, with a snapshot prefix of its own.
    """

    net: str
    output: str
    widen: Sequence[tuple[str, UnitOptions]] = ()
    deepen: Sequence[tuple[str, UnitOptions]] = ()
    solver: str | None = None
    variables: Mapping[str, Any] = field(default_factory=dict)
    overwrite: bool = False


@dataclass(frozen=True)
class Grown:
    """What was done: the passes' notes, the change as a unified diff, the files, and parameters before and after."""

    notes: list[Note]
    diff: str
    written: list[Path]
    parameters: tuple[int, int]


def grow(options: GrowOptions) -> Grown:
    """Write the grown net; UserError when there is nothing to do, a pass refuses, or a file would be lost."""
    if not options.widen and not options.deepen:
        raise UserError(
            "nothing to add",
            received=f"lungo grow {options.net}",
            remedy="say what: --widen fc7:2048 or --deepen fc7:2048",
        )
    for _, unit in (*options.widen, *options.deepen):
        _refuse_numbers(unit)
    target = Path(options.output)
    solver_target = target.with_name(f"{target.stem}_solver.prototxt")
    targets = [target, solver_target] if options.solver else [target]
    there = [str(path) for path in targets if path.exists()]
    if there and not options.overwrite:
        raise UserError(
            "the file exists and would be lost",
            received=", ".join(there),
            remedy="name another file, or add --overwrite",
        )
    path, variables = catalogue.resolve(options.net, options.variables)
    original = read_net(path, variables or None)
    steps = [step(widen, WidenOptions(layer, unit)) for layer, unit in options.widen]
    steps += [step(deepen, DeepenOptions(layer, unit)) for layer, unit in options.deepen]
    result = run(original, steps)
    solver = _solver(options.solver, target) if options.solver else None
    target.parent.mkdir(parents=True, exist_ok=True)
    files.write_text(target, result.definition.text)
    if solver is not None:
        files.write_text(solver_target, solver.text)
    return Grown(
        notes=result.notes,
        diff=editor.diff(original, replace(result.definition, path=target)),
        written=targets,
        parameters=(_parameters(original), _parameters(result.definition)),
    )


def _refuse_numbers(unit: UnitOptions) -> None:
    """UserError for what the layers would refuse later, in words of the command line."""
    if unit.filler is not None and unit.filler not in FILLERS:
        near = did_you_mean(unit.filler, FILLERS)
        raise UserError(
            "unknown filler type",
            received=f"--filler {unit.filler}",
            remedy=(f"did you mean {near}? " if near else "") + f"There are {', '.join(FILLERS)}",
        )
    if not (unit.scale > 0 and math.isfinite(unit.scale)):
        raise UserError(
            "the learned scale must start above 0",
            received=f"--scale {unit.scale:g}",
            remedy="write --scale 20, or the norm that was measured",
        )


def _solver(path: str, net: Path) -> Definition:
    """The solver at ``path`` for the net at ``net``: the same but for the net it names and where its snapshots go."""
    solver = read_solver(path)
    if not solver.message.net:
        raise UserError(
            "the solver does not name its net in `net`, so it cannot be pointed at the grown one",
            where=Location(path),
            remedy='write net: "train_val.prototxt" instead of train_net and test_net',
        )
    edits = [SetField(("net",), net.name)]
    if solver.message.snapshot_prefix:
        # Without one, snapshots stand beside the solver under its own name, which is a new one.
        prefix = Path(solver.message.snapshot_prefix).with_name(net.stem)
        edits.append(SetField(("snapshot_prefix",), str(prefix)))
    return editor.apply(solver, edits)


def _parameters(definition: Definition) -> int:
    plan = View(definition).plan
    return sum(count(use.shape) or 0 for use in plan.params.values())
