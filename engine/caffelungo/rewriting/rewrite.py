"""`lungo grow` and `lungo rewrite`: from a net and passes to the new net's file, its weights and a solver. No torch.

NET [weights] + passes or a recipe  ->  OUT.prototxt  [OUT.caffemodel, where old blobs change]  [OUT_solver.prototxt]
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from caffelungo import files, shell
from caffelungo.data import shapes_from_data as data_shapes
from caffelungo.definition import catalogue, editor
from caffelungo.definition.edits import ClearField, Edit, SetField
from caffelungo.definition.reader import Definition, read_solver
from caffelungo.definition.schema import TEST, TRAIN
from caffelungo.definition.template import meant_for
from caffelungo.errors import Location, UserError
from caffelungo.layers.base import Shape
from caffelungo.passes.base import Note, Result, Step, run
from caffelungo.passes.moves import Blobs, moved
from caffelungo.passes.tune import Tuning, tune_step
from caffelungo.passes.view import View
from caffelungo.plan import states
from caffelungo.plan.cost import Cost, costs
from caffelungo.plan.plan import Plan
from caffelungo.plan.read_net import read_net
from caffelungo.rewriting import data_paths, recipe_solver, recipes
from caffelungo.rewriting.folder_files import reference
from caffelungo.weights import formats
from caffelungo.weights.load import anywhere, load, split
from caffelungo.weights.match_layers import match
from caffelungo.weights.weights import Weights

_TRAINS = re.compile(r"^([ \t]*#[ \t]*)lungo train\b.*--solver\b.*$", re.MULTILINE)

SOLVER = "_solver.prototxt"
"""What the name of a solver that is written with a net ends in."""

Sources = Mapping[str, Sequence[Shape]]
"""The shapes of a data layer's tops, by its name."""


@dataclass(frozen=True)
class RewriteOptions:
    """What is asked. ``net`` is a path or a name of the catalogue (None: the recipe names it); ``output`` a prototxt,
    or a folder for a file of the same name. ``head``: of several classifiers the one meant (see ``View.heads``).

    ``steps`` come after those of the ``recipe``, and ``tune`` (see ``passes.tune.TUNE``) instead of the recipe's own.
    ``solver`` is copied beside the output, pointed at the new net, with a new snapshot prefix.
    ``shapes`` are those of blobs that the file leaves to its data, without the batch: ``{"data": (1, 28, 28)}``; what
    HDF5 files tell of them need not be given.
    """

    net: str | None
    output: str
    steps: Sequence[Step] = ()
    recipe: str | None = None
    tune: str | None = None
    weights: str | None = None
    solver: str | None = None
    variables: Mapping[str, Any] = field(default_factory=dict)
    stages: Sequence[str] = ()
    level: int = 0
    head: str | None = None
    shapes: Mapping[str, Sequence[int]] = field(default_factory=dict)
    overwrite: bool = False


@dataclass(frozen=True)
class Rewritten:
    """What was done: the passes' notes, the change as a unified diff, the files, what is worth a look, both nets.

    ``weights`` are those of the old net, as they were named.
    """

    notes: list[Note]
    diff: str
    written: list[Path]
    notices: list[str]
    before: Definition
    after: Definition
    shapes: Mapping[str, Sequence[int]] = field(default_factory=dict)
    weights: str | None = None

    def costs(self) -> tuple[list[Cost], list[Cost]]:
        """The cost of every layer before and after."""
        before, after = self.plans()
        return costs(before), costs(after)

    def plans(self) -> tuple[Plan, Plan]:
        """Both nets as they answer, or as they train where they do nothing else."""
        return _plan(self.before, self.shapes), _plan(self.after, self.shapes)


def rewrite(options: RewriteOptions) -> Rewritten:
    """Write the new files; UserError when there is nothing to do, a pass refuses, or a file would be lost."""
    opened = _recipe(options)
    name, variables = options.net, dict(options.variables)
    if opened is not None:
        name = name or (opened.beside(opened.message.net) if opened.message.net else None)
        variables = meant_for_net(name, options, variables)
    if name is None:
        raise UserError("no net is named", remedy='name its file, or write net: "train_val.prototxt" into the recipe')
    path, variables = catalogue.resolve(name, variables)
    read = read_net(path, variables or None)
    original = states.checked(read.within(options.stages, options.level, _solver_stages(options.solver)))
    steps = _steps(options, opened, name)
    target = _target(options.output, path)
    solver_target = target.with_name(f"{target.stem}{SOLVER}")
    weights_target = target.with_suffix(".caffemodel")
    head = options.head or (opened.message.classifier if opened is not None else None) or None
    shapes = {**data_shapes.in_files(original), **options.shapes}
    result = run(original, steps, sources(original, shapes), head)
    weights = options.weights or (_recipe_weights(opened) if opened is not None else None)
    notices = states.notices(original, answering=not states.stage_names(result.definition.message))
    new_weights = carried(original, result, weights, notices, shapes) if result.moves else None
    edits, moved_names = data_paths.kept(result.definition, target)
    if edits:
        result = replace(result, definition=editor.apply(result.definition, edits))
        notices.append(
            f"{', '.join(moved_names)} {'is' if len(moved_names) == 1 else 'are'} given by full path in {target}, "
            "since the net was written to another folder"
        )
    if weights is not None and not result.moves:
        notices.append(f"the rewrite changes no weights, so the old ones fit: --weights {shell.word(weights)}")
    changes = recipe_solver.solver_edits(opened.definition) if opened is not None else []
    if changes and options.solver is None:
        notices.append("the recipe changes the solver: add --solver to write a copy with the changes")
    targets = [target]
    targets += [solver_target] if options.solver else []
    targets += [weights_target] if new_weights is not None else []
    _refuse_overwriting(targets, options.overwrite)
    named = [reference(target.parent, weights_target.name)] if new_weights is not None else anywhere(weights)
    solver = _solver(options.solver, target, changes, named) if options.solver else None
    target.parent.mkdir(parents=True, exist_ok=True)
    if new_weights is not None:
        formats.write(weights_target, new_weights, result.definition.message)
    if solver is not None:
        files.write_text(solver_target, commented(solver.text, solver_target))
    files.write_text(target, result.definition.text)
    return Rewritten(
        notes=result.notes,
        diff=editor.diff(original, replace(result.definition, path=target)),
        written=targets,
        notices=notices,
        before=original,
        after=result.definition,
        shapes=shapes,
        weights=weights,
    )


def _steps(options: RewriteOptions, opened: recipes.Recipe | None, net: str) -> list[Step]:
    """Those of the recipe and of the options, of which one says what learns; UserError without any."""
    steps = [*(opened.steps if opened is not None else ()), *options.steps]
    if options.tune is not None:
        steps = [one for one in steps if not isinstance(one, Tuning)]
        steps.append(tune_step(options.tune))
    if not steps:
        raise UserError(
            "nothing to do",
            received=net if opened is None else f"{options.recipe} without a step",
            remedy="name a change, such as --freeze-to conv3; `lungo rewrite --help` lists all changes"
            if opened is None
            else 'write a step into the recipe, as `step { freeze { to: "conv3" } }`',
        )
    return steps


def sources(definition: Definition, shapes: Mapping[str, Sequence[int]]) -> Sources | None:
    """``shapes`` of blobs without the batch as ``View`` takes them: by the layer that gives them, all its tops."""
    if not shapes:
        return None
    found: dict[str, Sequence[Any]] = {}
    given: dict[str, Sequence[int]] = {}
    view = View(definition, [])
    for graph in view.graphs.values():
        for one in graph.plan.sources:
            if mine := {top: shapes[top] for top in one.tops if top in shapes}:
                given |= mine
                whole = [
                    (known[0] if known else None, *shapes[top]) if top in shapes else known
                    for top, known in zip(one.tops, one.top_shapes, strict=True)
                ]
                found[one.name] = max(found.get(one.name, ()), whole, key=len)
    if unknown := [blob for blob in shapes if blob not in given]:
        tops = dict.fromkeys(top for graph in view.graphs.values() for one in graph.plan.sources for top in one.tops)
        raise UserError(
            f"--shape names `{unknown[0]}`, which no data layer of the net outputs",
            where=Location(str(definition.path)),
            received=", ".join(unknown),
            remedy=f"name one of {', '.join(tops) or 'its inputs'}, as --shape data:3x227x227",
        )
    return found


def meant_for_net(name: str | None, options: RewriteOptions, variables: Mapping[str, Any]) -> dict[str, Any]:
    """Those of ``variables`` that are the net's: what the recipe reads and the net does not is the recipe's own."""
    if options.recipe is None or name is None:
        return dict(variables)
    recipe = recipes.find(options.recipe)
    mine = meant_for(recipe, variables) if recipe.suffix == ".j2" else {}
    path, _ = catalogue.resolve(name, {})
    read = meant_for(path, variables) if path.suffix == ".j2" else {}
    return {key: value for key, value in variables.items() if key in read or key not in mine}


def _recipe(options: RewriteOptions) -> recipes.Recipe | None:
    if options.recipe is None:
        return None
    path = recipes.find(options.recipe)
    known = meant_for(path, options.variables) if path.suffix == ".j2" else {}
    return recipes.open_recipe(path, known)


def _recipe_weights(opened: recipes.Recipe) -> str | None:
    return opened.beside(opened.message.weights) if opened.message.weights else None


def _target(output: str, net: Path) -> Path:
    """The file to write: ``output``, or in a folder one called as the net."""
    target = Path(output)
    if output.endswith("/") or target.is_dir():
        return target / net.name.removesuffix(".j2")
    if target.suffix == ".caffemodel":
        raise UserError(
            "the output is the net's file; weights are written next to it with the same name",
            received=f"-o {output}",
            remedy=f"-o {shell.word(target.with_suffix('.prototxt'))}",
        )
    return target


def _refuse_overwriting(targets: Sequence[Path], overwrite: bool) -> None:
    there = [str(path) for path in targets if path.exists()]
    if there and not overwrite:
        raise UserError(
            "the file exists and would be lost",
            received=", ".join(there),
            remedy="name another file, or add --overwrite",
        )


def carried(
    original: Definition,
    result: Result,
    given: str | None,
    notices: list[str],
    shapes: Mapping[str, Sequence[int]] | None = None,
) -> Weights:
    """The weights for the new net: those of ``given``, moved as the passes say. UserError when there are none."""
    if given is None:
        raise UserError(
            "this rewrite changes pre-trained weights, so it needs them",
            where=Location(str(original.path)),
            received="; ".join(move.what for move in result.moves[:4]) + (" ..." if len(result.moves) > 4 else ""),
            remedy="name them: --weights net.caffemodel",
        )
    weights = load(given)
    new = moved(fitted(original, weights, shapes), result.moves)
    plan = View(result.definition, sources=_still(result.definition, shapes or {})).plan
    names = {one.name for one in plan.layers}
    layers = {name: arrays for name, arrays in new.items() if name in names}
    made = replace(weights, layers=layers, types={name: kind for name, kind in weights.types.items() if name in names})
    table = match(plan, made)
    if table.problems:
        raise UserError(table.problems)
    fresh = table.layers("new")
    if fresh:
        notices.append(f"start from their fillers: {', '.join(fresh)}")
    return made


def fitted(definition: Definition, weights: Weights, shapes: Mapping[str, Sequence[int]] | None = None) -> Blobs:
    """The blobs of ``weights`` in the shapes of ``definition``; UserError when they are not this net's."""
    view = View(definition, sources=sources(definition, shapes or {}))
    blobs: Blobs = {}
    for graph in view.graphs.values():
        table = match(graph.plan, weights, where=definition.where)
        if table.problems:
            raise UserError(table.problems)
        for one in graph.plan.layers:
            arrays = [table.arrays[use.key] for use in one.params if use.key in table.arrays]
            if one.params and len(arrays) == len(one.params):
                blobs[one.name] = list(arrays)
    return blobs


def _solver_stages(path: str | None) -> dict[int, tuple[str, ...]]:
    """The stages in which the solver at ``path`` trains and (first) tests its net."""
    if path is None:
        return {}
    message = read_solver(path).message
    tests = message.test_state[0].stage if message.test_state else ()
    return {phase: tuple(stages) for phase, stages in ((TRAIN, message.train_state.stage), (TEST, tests)) if stages}


def _solver(path: str, net: Path, changes: Sequence[Edit], weights: Sequence[str] = ()) -> Definition:
    """The solver at ``path`` for the net at ``net``: the same but for the net it names, its snapshots, ``changes``.

    ``weights``: what training starts from, as the file is to name it; none: what the solver names already, which is
    then found from its new place, too.
    """
    solver = read_solver(path)
    if not solver.message.net:
        raise UserError(
            "the solver does not name its net in `net`, so it cannot be pointed at the new one",
            where=Location(path),
            remedy='write net: "train_val.prototxt" instead of train_net and test_net',
        )
    named = {edit.path for edit in changes if isinstance(edit, SetField)}
    edits: list[Edit] = [SetField(("net",), reference(net.parent, net.name))] if ("net",) not in named else []
    if solver.message.snapshot_prefix and ("snapshot_prefix",) not in named:
        # Without one, snapshots are beside the solver under its own name, which is a new one.
        prefix = Path(solver.message.snapshot_prefix).with_name(net.stem)
        edits.append(SetField(("snapshot_prefix",), str(prefix)))
    if ("weights",) not in named:
        edits += _weights(solver, weights or [_found(one, path) for one in solver.message.weights])
    return editor.apply(solver, [*edits, *changes])


def _weights(solver: Definition, names: Sequence[str]) -> list[Edit]:
    """Edits that make the solver name the weights ``names``."""
    old = list(solver.message.weights)
    if list(names) == old:
        return []
    edits: list[Edit] = [SetField(("weights", index), name) for index, name in enumerate(names)]
    return edits + [ClearField(("weights", index)) for index in range(len(names), len(old))]


def _found(given: str, solver: str) -> str:
    """The comma list ``given`` in the solver's file, each file by its whole path where it is beside the solver."""
    names = []
    for name in split(given):
        beside = Path(solver).parent / name
        names.append(str(beside.resolve()) if not Path(name).exists() and beside.exists() else name)
    return ",".join(names)


def commented(text: str, solver: Path) -> str:
    """``text`` of the solver at ``solver``, with the commands that its comments give for the one it was made from
    replaced by its own."""
    return _TRAINS.sub(lambda match: f"{match[1]}{shell.command('lungo', 'train', '--solver', solver)}", text)


def _still(definition: Definition, shapes: Mapping[str, Sequence[int]]) -> Sources | None:
    """``sources`` of a rewritten net, whose data layers may be gone."""
    tops = {top for layer in definition.message.layer for top in layer.top}
    return sources(definition, {blob: shape for blob, shape in shapes.items() if blob in tops})


def _plan(definition: Definition, shapes: Mapping[str, Sequence[int]]) -> Plan:
    view = View(definition, sources=_still(definition, shapes))
    return (view.graphs.get(TEST) or view.graph).plan
