"""A recipe (``lungo.Recipe``) to the passes it asks for, in order: head, steps, what learns, how fast. No torch.

The fields of a step are what the passes say of their options (see ``passes.registry``). A step without a layer means
the layer that feeds the classifier, so that a recipe fits any net, and one that has grown already grows again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from caffelungo import files, resources
from caffelungo.definition.faults import Harm
from caffelungo.definition.numeric import range_problems
from caffelungo.definition.partial import Rest, UnreadableError
from caffelungo.definition.reader import Definition, read_recipe
from caffelungo.errors import Problem, UserError, did_you_mean
from caffelungo.passes import option_fields, recipe_block, registry
from caffelungo.passes.base import Step, step
from caffelungo.passes.freeze import FreezeOptions, freeze
from caffelungo.passes.head import HeadOptions, head
from caffelungo.passes.rates import RatesOptions, rates
from caffelungo.passes.tune import TUNE, tune_step
from caffelungo.passes.unfreeze import UnfreezeOptions, unfreeze
from caffelungo.rewriting.recipe_solver import solver_edits


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
        "there is no such file, and no recipe of this name ships with Caffelungo",
        received=name,
        remedy=(f"did you mean `{near}`? " if near else "") + f"There are {', '.join(known)}",
    )


def open_recipe(path: str | Path, variables: Mapping[str, Any] | None = None) -> Recipe:
    """The recipe in ``path``; UserError with every mistake found in it."""
    try:
        return recipe(read_recipe(path, variables))
    except UnreadableError as error:
        raise UserError([*error.problems, *_problems_of(error.rest)]) from None


def _problems_of(rest: Rest | None) -> list[Problem]:
    """What is wrong with a recipe of which only ``rest`` could be read; what lacks in the blocks with faults is not."""
    if rest is None:
        return []
    definition = rest.definition
    blocks: list[tuple[str | int, ...]] = [
        (name, k) for name in ("step", "rate", "solver") for k in range(len(getattr(definition.message, name)))
    ]
    blocks += [("head",)] if definition.message.HasField("head") else []
    doubtful = rest.among([definition.offset(*block) or 0 for block in blocks], Harm.FIELD)
    problems: list[Problem] = []
    _steps(definition, problems, {blocks[index] for index in doubtful})
    return problems


def recipe(definition: Definition) -> Recipe:
    """The passes of a recipe that was read; UserError with every mistake found in it."""
    problems: list[Problem] = []
    steps = _steps(definition, problems)
    if problems:
        raise UserError(problems)
    return Recipe(definition, steps)


def _steps(
    definition: Definition, problems: list[Problem], doubtful: Collection[tuple[str | int, ...]] = ()
) -> list[Step]:
    """The passes, and what is wrong with them to ``problems``; ``doubtful`` blocks may lack fields."""
    message = definition.message
    problems += range_problems(message, definition.where)
    steps: list[Step] = []
    if message.HasField("head"):
        given = message.head
        options = HeadOptions(given.classes or None, given.name or None, given.suffix)
        steps.append(step(head, options))
    for k, one in enumerate(message.step):
        steps += _step(definition, k, one, [] if ("step", k) in doubtful else problems)
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
            if ("rate", k) not in doubtful and (not one.layer or not one.HasField("lr_mult")):
                problems.append(_incomplete(definition, "layer and lr_mult", "rate", k))
            pairs.append((one.layer, one.lr_mult))
        decay = message.rate_decay if message.rate_decay != 1 else None
        steps.append(step(rates, RatesOptions(tuple(pairs), None if decay is None else float(f"{decay:.6g}"))))
    solver_edits(definition, problems)
    return steps


def _step(definition: Definition, k: int, message: Any, problems: list[Problem]) -> list[Step]:
    """Step number ``k`` of a recipe as its pass."""
    given = [descriptor.name for descriptor, _ in message.ListFields()]
    known = {name: one for name, one in registry.passes().items() if one.in_recipe}
    if len(given) != 1:
        problems.append(
            Problem(
                "a step contains exactly one pass",
                definition.where("step", k),
                ", ".join(given) or "none",
                f"write one step {{ }} for each of {', '.join(known)}",
            )
        )
        return []
    ((_, options),) = message.ListFields()
    one = known[given[0]]
    values, missing = recipe_block.read(options, one.fields, partial(definition.where, "step", k, one.name))
    problems += missing
    return [] if missing else [one.bind(option_fields.build(one.options, values))]


def _incomplete(definition: Definition, what: str, *path: str | int) -> Problem:
    return Problem(f"missing: {what}", definition.where(*path), None, f"write {what} with a value")
