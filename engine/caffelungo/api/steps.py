"""The options of growing and rewriting as passes: what ``cl.grow``, ``Net.grow`` and their likes share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from typing import Any

from caffelungo import option_text
from caffelungo.api import values
from caffelungo.api.values import Name, Settings, Side, Units, Words
from caffelungo.errors import UserError
from caffelungo.passes import flags
from caffelungo.passes.base import Step
from caffelungo.passes.new_units import UnitOptions
from caffelungo.passes.registry import GROW, REWRITE
from caffelungo.rewriting.grow_steps import GrowOptions, growth_steps
from caffelungo.rewriting.rewrite import RewriteOptions
from caffelungo.rewriting.rewrite_steps import Changes

Rates = Mapping[str, float] | str | Sequence[str]
"""Learning rate multipliers by layers' pattern: ``{"conv*": 0.1}``, or ``"conv*=0.1"``."""


@dataclass(frozen=True)
class Growth:
    """What is added, and how the new units are made: the fields are the options of ``cl.grow``."""

    widen: Units | None = None
    deepen: Units | None = None
    joint: Units | None = None
    recursive: Units | None = None
    enlarge: Units | None = None
    normalize: bool = True
    scale: float | str = "20"
    filler: str | None = None
    start: str = "filler"
    noise: float = 0.1
    seed: int = 0
    keep_head: bool = False
    new_scale: float | None = None
    kernel: int | None = None
    unit_suffix: str = "new"
    unit_rates: str = "10:1,20:0"
    more: Mapping[str, Any] = field(default_factory=dict)

    def options(self, files: RewriteOptions, measured: Any = None) -> GrowOptions:
        """As the room takes it. ``measured(layer, flag)`` measures the scale where that is asked for."""

        def made(given: Units | None, flag: str) -> list[tuple[str, UnitOptions]]:
            return [(layer, unit(layer, count, flag)) for layer, count in values.units(given, flag)]

        def unit(layer: str, count: int, flag: str) -> UnitOptions:
            scale = self._scale(layer, flag, measured) if self.normalize else 1.0
            return UnitOptions(
                count, self.normalize, scale, self.new_scale, self.unit_suffix, self.kernel, self.filler,
                option_text.unit_rates(self.unit_rates, "--unit-rates"), self.start, self.noise, self.seed,
                self.keep_head,
            )  # fmt: skip

        enlarged = values.units(self.enlarge, "--enlarge")
        return GrowOptions(
            files, made(self.widen, "--widen"), made(self.deepen, "--deepen"), made(self.joint, "--joint"),
            made(self.recursive, "--recursive"),
            [(layer, UnitOptions(count, seed=self.seed)) for layer, count in enlarged],
            {name: made(given, flag) if flag else given for name, (given, flag) in self._further().items()},
        )  # fmt: skip

    def _further(self) -> dict[str, tuple[Any, str]]:
        """The options of further passes by name, each with its flag where it takes units."""
        known, given = flags.known(GROW), flags.judged(GROW, self.more)
        found: dict[str, tuple[Any, str]] = {}
        for name, value in given.items():
            one, option = known[name]
            found[name] = (value, one.flag if option is None and flags.units_of(one) else "")
        return found

    def steps(self) -> list[Step]:
        """The passes."""
        return growth_steps(self.options(RewriteOptions(None, "")))

    def _scale(self, layer: str, flag: str, measured: Any) -> float:
        if self.scale == "measured":
            if measured is None:
                raise UserError(
                    "the scale can be measured only with a net and its weights",
                    received="--scale measured",
                    remedy="grow the files (cl.grow) with weights, or give a number",
                )
            return float(measured(layer, flag))
        try:
            number = float(self.scale)
        except ValueError:
            raise UserError(
                "--scale takes a number or `measured`", received=f"--scale {self.scale}", remedy="write --scale 20"
            ) from None
        option_text.in_range("--scale", [number], str(self.scale))
        return number


def changes(
    *, classes: int | None, suffix: str, join: Words | None, normalize: str | None, constant: bool, read: Words | None,
    scale: float, keep_head: bool, remember: bool, remember_weight: float, temperature: float, side: str | None,
    side_from: str | None, adapters: Words | None, kind: str, rank: int | None, freeze_to: str | None,
    freeze: Words | None, unfreeze: Words | None, unfreeze_from: str | None, rate: Rates | None,
    rate_decay: float | None, deploy: bool, cast: Words | None, size: Side | None, fold: bool, tune: str | None,
    more: Mapping[str, Any],
) -> list[Step]:  # fmt: skip
    """The passes that the options of ``cl.rewrite`` ask for, in their order."""
    return Changes(
        classes=classes, suffix=suffix, join=tuple(values.words(join)), normalize=normalize, learned=not constant,
        read=tuple(values.repeated(read)), scale=scale, keep_head=keep_head, remember=remember,
        remember_weight=remember_weight, temperature=temperature, side=side, side_from=side_from,
        adapters=tuple(values.repeated(adapters)), kind=kind, rank=rank, tune=depth(tune), freeze_to=freeze_to,
        freeze=tuple(values.repeated(freeze)), unfreeze=tuple(values.repeated(unfreeze)), unfreeze_from=unfreeze_from,
        rates=tuple(rates(rate)), rate_decay=rate_decay, deploy=deploy, cast=tuple(values.repeated(cast)),
        size=values.side(size), fold=fold, more=flags.judged(REWRITE, more),
    ).steps()  # fmt: skip


def depth(tune: str | None) -> str | None:
    """``tune`` as a recipe spells it."""
    return None if tune is None else tune.upper().replace("-", "_")


def rates(given: Rates | None) -> list[tuple[str, float]]:
    """(layers' pattern, multiple of the learning rate) pairs."""
    if isinstance(given, Mapping):
        given = [f"{layers}={number}" for layers, number in given.items()]
    return [option_text.layer_rate(word, "--rate") for word in values.repeated(given)]


def of_recipe(recipe: Name, variables: Settings | None) -> tuple[list[Step], str | None]:
    """The passes of a recipe, and the classifier that it names."""
    from caffelungo.definition.template import meant_for
    from caffelungo.rewriting import recipes

    path = recipes.find(str(recipe) if isinstance(recipe, PathLike) else recipe)
    known = meant_for(path, values.variables(variables)) if path.suffix == ".j2" else {}
    opened = recipes.open_recipe(path, known)
    return list(opened.steps), opened.message.classifier or None
