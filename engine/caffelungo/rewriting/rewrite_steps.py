"""What `lungo rewrite` is told, as passes in a fixed order. No torch."""

from __future__ import annotations

from dataclasses import dataclass

from caffelungo.errors import UserError
from caffelungo.passes.adapters import AdapterOptions, adapters
from caffelungo.passes.base import Step, step
from caffelungo.passes.cast import CastOptions, cast
from caffelungo.passes.deploy import DeployOptions, deploy
from caffelungo.passes.fold import FoldOptions, fold
from caffelungo.passes.freeze import FreezeOptions, freeze
from caffelungo.passes.head import HeadOptions, head
from caffelungo.passes.layerwise import RatesOptions, rates
from caffelungo.passes.normalize import NormalizeOptions, normalize
from caffelungo.passes.read import ReadOptions, read
from caffelungo.passes.remember import Remembering, RememberOptions
from caffelungo.passes.resize import ResizeOptions, resized
from caffelungo.passes.side import SideOptions, side
from caffelungo.passes.tune import tune_step
from caffelungo.passes.unfreeze import UnfreezeOptions, unfreeze
from caffelungo.rewriting.recipes import join_step

EVERY = "all"
"""Instead of layers' names: all that it can be done to."""


@dataclass(frozen=True)
class Changes:
    """Fields in the order in which they are done; each is that of its pass's options."""

    classes: int | None = None
    suffix: str = "new"
    join: tuple[str, ...] = ()
    normalize: str | None = None
    learned: bool = True
    read: tuple[str, ...] = ()
    scale: float = 20.0
    keep_head: bool = False
    remember: bool = False
    remember_weight: float = 1.0
    temperature: float = 2.0
    side: str | None = None
    side_from: str | None = None
    adapters: tuple[str, ...] = ()
    kind: str = "parallel"
    rank: int | None = None
    tune: str | None = None
    freeze_to: str | None = None
    freeze: tuple[str, ...] = ()
    unfreeze: tuple[str, ...] = ()
    unfreeze_from: str | None = None
    rates: tuple[tuple[str, float], ...] = ()
    rate_decay: float | None = None
    deploy: bool = False
    cast: tuple[str, ...] = ()
    size: tuple[int, int] | None = None
    fold: bool = False

    def steps(self) -> list[Step]:
        """The passes that are asked for; UserError for what does not go together."""
        if self.join and self.keep_head:
            raise UserError(
                "a classifier that reads other features cannot be kept",
                received="--join with --keep-head",
                remedy="leave --keep-head out",
            )
        result: list[Step] = []
        if self.join:
            result.append(join_step(_layers(self.join), self.suffix, self.classes))
        elif self.classes is not None:
            result.append(step(head, HeadOptions(self.classes, suffix=self.suffix)))
        if self.normalize is not None:
            given = NormalizeOptions(self.normalize, self.scale, self.learned, self.keep_head)
            result.append(step(normalize, given))
        if self.read:
            result.append(step(read, ReadOptions(self.read, scale=self.scale, keep_head=self.keep_head)))
        if self.remember:
            result.append(Remembering(RememberOptions(self.remember_weight, self.temperature)))
        if self.side is not None:
            result.append(step(side, SideOptions(self.side, self.side_from)))
        if self.adapters:
            result.append(step(adapters, AdapterOptions(_layers(self.adapters, "*"), self.kind, self.rank)))
        if self.tune is not None:
            result.append(tune_step(self.tune))
        if self.freeze_to is not None or self.freeze:
            result.append(step(freeze, FreezeOptions(self.freeze_to, self.freeze)))
        if self.unfreeze or self.unfreeze_from is not None:
            result.append(step(unfreeze, UnfreezeOptions(self.unfreeze, self.unfreeze_from)))
        if self.rates or self.rate_decay is not None:
            result.append(step(rates, RatesOptions(self.rates, self.rate_decay)))
        if self.deploy:
            result.append(step(deploy, DeployOptions()))
        if self.cast:
            result.append(step(cast, CastOptions(_layers(self.cast), self.size)))
        elif self.size is not None:
            result.append(step(resized, ResizeOptions(self.size)))
        if self.fold:
            result.append(step(fold, FoldOptions()))
        return result


def _layers(words: tuple[str, ...], every: str | None = None) -> tuple[str, ...]:
    """``words``, or what a pass takes for all layers."""
    if EVERY not in words:
        return words
    return () if every is None else (every,)
