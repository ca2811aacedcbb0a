"""A recipe (``lungo.Recipe``) to the passes it asks for, in order: head, steps, what learns, how fast. No torch.

A step without a layer means the layer that feeds the classifier, so that a recipe fits any net, and one that has grown
already grows again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from caffelungo import files, resources
from caffelungo.definition import solver_settings
from caffelungo.definition.edits import Edit, SetField
from caffelungo.definition.fields import message_info
from caffelungo.definition.numeric import range_problems
from caffelungo.definition.reader import Definition, read_recipe
from caffelungo.definition.schema import SolverParameter
from caffelungo.errors import Problem, UserError, did_you_mean
from caffelungo.features.blobs import stage_ends
from caffelungo.passes import parallel_units
from caffelungo.passes.adapters import AdapterOptions, adapters
from caffelungo.passes.base import Rewrite, Step, step
from caffelungo.passes.cast import CastOptions, cast
from caffelungo.passes.deepen import DeepenOptions, deepen
from caffelungo.passes.default_layers import read_by_top, top_layer, unit_layer
from caffelungo.passes.deploy import DeployOptions, deploy
from caffelungo.passes.enlarge import EnlargeOptions, enlarge
from caffelungo.passes.fold import FoldOptions, fold
from caffelungo.passes.freeze import FreezeOptions, freeze
from caffelungo.passes.head import HeadOptions, head
from caffelungo.passes.joined import JoinedOptions, Read, joined
from caffelungo.passes.joint import JointOptions, joint
from caffelungo.passes.layerwise import RatesOptions, rates
from caffelungo.passes.new_units import UnitOptions
from caffelungo.passes.normalize import NormalizeOptions, normalize
from caffelungo.passes.pooled_blobs import POOLS
from caffelungo.passes.read import ReadOptions, read
from caffelungo.passes.recursive import RecursiveOptions, below, recursive
from caffelungo.passes.remember import Remembering, RememberOptions
from caffelungo.passes.side import SideOptions, side
from caffelungo.passes.tune import TUNE, tune_step
from caffelungo.passes.unfreeze import UnfreezeOptions, unfreeze
from caffelungo.passes.view import View
from caffelungo.passes.widen import WidenOptions, widen


@dataclass(frozen=True)
class Recipe:
    """A recipe that was read: its ``definition`` (message and places) and the passes it asks for."""

    definition: Definition
    steps: list[Step] = field(default_factory=list)

    @property
    def message(self) -> Any:
        """The ``lungo.Recipe``."""
        return self.definition.message

    def beside(self, name: str) -> str:
        """A path in the recipe: as it is where there is such a file, else from the recipe's folder."""
        there = self.definition.path.parent / name
        return str(there) if not Path(name).exists() and there.exists() else name


CARD = ".prototxt.j2"


def cards() -> dict[str, Path]:
    """The recipes that ship, by name: ``wider``, ``deeper`` ..."""
    folder = resources.folder("solvers") / "growing"
    return {path.name.removesuffix(CARD): path for path in sorted(folder.glob(f"*{CARD}"))}


def find(name: str) -> Path:
    """A recipe's file: a path if there is such a file, else a card that ships; UserError when it is neither."""
    if Path(name).is_file() or Path(name).suffix:
        return files.find(name, what="recipe")
    known = cards()
    if name in known:
        return known[name]
    near = did_you_mean(name, known)
    raise UserError(
        "there is no such file, and no recipe of this name comes with Caffelungo",
        received=name,
        remedy=(f"did you mean `{near}`? " if near else "") + f"There are {', '.join(known)}",
    )


def open_recipe(path: str | Path, variables: Mapping[str, Any] | None = None) -> Recipe:
    """The recipe in ``path``; UserError with every mistake found in it."""
    return recipe(read_recipe(path, variables))


def recipe(definition: Definition) -> Recipe:
    """The passes of a recipe that was read; UserError with every mistake found in it."""
    message = definition.message
    problems = range_problems(message, definition.where)
    steps: list[Step] = []
    if message.HasField("head"):
        given = message.head
        options = HeadOptions(given.classes or None, given.name or None, given.suffix)
        steps.append(step(head, options))
    for k, one in enumerate(message.step):
        steps += _step(definition, k, one, problems)
    tuned = TUNE[message.tune]
    if tuned != "ALL":
        steps.append(tune_step(tuned))
    if message.freeze:
        steps.append(step(freeze, FreezeOptions(None, tuple(message.freeze))))
    if message.unfreeze:
        steps.append(step(unfreeze, UnfreezeOptions(tuple(message.unfreeze))))
    if message.rate or message.rate_decay != 1:
        pairs = []
        for k, one in enumerate(message.rate):
            if not one.layer or not one.HasField("lr_mult"):
                problems.append(_incomplete(definition, "layer and lr_mult", "rate", k))
            pairs.append((one.layer, one.lr_mult))
        decay = message.rate_decay if message.rate_decay != 1 else None
        steps.append(step(rates, RatesOptions(tuple(pairs), None if decay is None else float(f"{decay:.6g}"))))
    solver_edits(definition, problems)
    if problems:
        raise UserError(problems)
    return Recipe(definition, steps)


def solver_edits(definition: Definition, problems: list[Problem] | None = None) -> list[Edit]:
    """The changes of the solver that a recipe asks for; mistakes are raised, or added to ``problems``."""
    found: list[Problem] = []
    edits: list[Edit] = []
    info = message_info(SolverParameter.DESCRIPTOR.full_name)
    for k, setting in enumerate(definition.message.solver):
        known = info.fields.get(setting.name)
        if known is None or known.kind == "message":
            near = did_you_mean(setting.name, [name for name, other in info.fields.items() if other.kind != "message"])
            found.append(
                Problem(
                    "the solver has no such field",
                    definition.where("solver", k, "name"),
                    setting.name or "no name",
                    f"did you mean `{near}`?" if near else "name a field of the solver, as base_lr",
                )
            )
            continue
        place = definition.where("solver", k, "value")
        try:
            value = solver_settings.value((setting.name,), setting.value)
            edits.append(SetField((setting.name,), value))
            found += range_problems(SolverParameter(**{setting.name: value}), lambda *path, place=place: place)
        except UserError as error:
            found += [Problem(one.what, place, one.received, one.remedy) for one in error.problems]
    if problems is not None:
        problems += found
    elif found:
        raise UserError(found)
    return edits


def _step(definition: Definition, k: int, one: Any, problems: list[Problem]) -> list[Step]:
    given = [descriptor.name for descriptor, _ in one.ListFields()]
    if len(given) != 1:
        names = ", ".join(descriptor.name for descriptor in one.DESCRIPTOR.fields)
        problems.append(
            Problem(
                "a step is exactly one pass",
                definition.where("step", k),
                ", ".join(given) or "none",
                f"write one step {{ }} for each of {names}",
            )
        )
        return []
    name = given[0]
    message = getattr(one, name)
    if name in ("widen", "deepen", "joint", "recursive", "enlarge") and not message.HasField("units"):
        problems.append(_incomplete(definition, "units", "step", k, name))
        return []
    return [_STEPS[name](message)]


def _incomplete(definition: Definition, what: str, *path: str | int) -> Problem:
    return Problem(f"this lacks {what}", definition.where(*path), None, f"write {what} with a value")


def unit_options(message: Any, units: int | None = None) -> UnitOptions:
    """A ``lungo.Grow`` as the growth passes take it."""
    return UnitOptions(
        units=units or message.units,
        normalize=message.normalize,
        scale=message.scale,
        new_scale=message.new_scale if message.HasField("new_scale") else None,
        kernel=message.kernel or None,
        filler=message.filler or None,
        start=("filler", "copy", "net2net")[message.start],
        noise=float(f"{message.noise:.6g}"),
        seed=message.seed,
        keep_head=message.keep_head,
    )


def _widen(given: Any) -> Step:
    return lambda view: widen(view, WidenOptions(given.layer or unit_layer(view), unit_options(given)))


def _deepen(given: Any) -> Step:
    return lambda view: deepen(view, DeepenOptions(given.layer or top_layer(view), unit_options(given)))


def _joint(given: Any) -> Step:
    deep = given.deep_units or None
    return lambda view: joint(view, JointOptions(given.layer or unit_layer(view), unit_options(given), deep))


def _recursive(given: Any) -> Step:
    def run(view: View) -> Rewrite:
        upper = given.layer or unit_layer(view)
        layers = [(upper, unit_options(given))]
        if given.below or given.below_units:
            place = below(view, view.graph, parallel_units.find_place(view, view.graph, upper, "recursive"))
            lower = given.below or (place.target.name if place is not None else "")
            if lower:
                layers.insert(0, (lower, unit_options(given, given.below_units or max(1, given.units // 2))))
        return recursive(view, RecursiveOptions(tuple(layers)))

    return run


def _enlarge(given: Any) -> Step:
    return lambda view: enlarge(view, EnlargeOptions(given.layer or unit_layer(view), given.units, given.seed))


def _normalize(given: Any) -> Step:
    return lambda view: normalize(
        view, NormalizeOptions(given.layer or top_layer(view), given.scale, given.learned, given.keep_head)
    )


def _read(given: Any) -> Step:
    def run(view: View) -> Rewrite:
        layers = tuple(given.layer) or (read_by_top(view),)
        return read(view, ReadOptions(layers, None, given.normalize, given.scale, given.keep_head))

    return run


def _join(given: Any) -> Step:
    pools = tuple(POOLS[one] for one in given.pool) or POOLS
    return join_step(tuple(given.blob), given.suffix, pools=pools, normalize=given.normalize)


def join_step(
    blobs: Sequence[str],
    suffix: str = "probe",
    classes: int | None = None,
    pools: tuple[str, ...] = POOLS,
    normalize: bool = True,
) -> Step:
    """A classifier on pooled features of ``blobs``; without any, of the end of every stage of the net."""

    def run(view: View) -> Rewrite:
        reads = tuple(Read(blob, pools, normalize) for blob in blobs or stage_ends(view))
        return joined(view, JoinedOptions(reads, classes=classes, suffix=suffix))

    return run


def _adapters(given: Any) -> Step:
    kind = ("parallel", "residual")[given.kind]
    layers = tuple(given.layer) or ("*",)
    return step(adapters, AdapterOptions(layers, kind, given.rank or None))


def _side(given: Any) -> Step:
    return lambda view: side(view, SideOptions(given.layer or top_layer(view), given.start or None))


def _cast(given: Any) -> Step:
    size = (given.height or given.width, given.width or given.height) if given.height or given.width else None
    return step(cast, CastOptions(tuple(given.layer), size))


def _remember(given: Any) -> Step:
    return Remembering(RememberOptions(given.weight, given.temperature, given.head or None))


_STEPS = {
    "widen": _widen, "deepen": _deepen, "joint": _joint, "recursive": _recursive, "enlarge": _enlarge,
    "normalize": _normalize,
    "read": _read, "join": _join, "adapters": _adapters, "side": _side, "cast": _cast, "remember": _remember,
    "fold": lambda given: step(fold, FoldOptions()), "deploy": lambda given: step(deploy, DeployOptions()),
}  # fmt: skip
