"""The options of `lungo rewrite` as passes in a fixed order. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from caffelungo.errors import UserError
from caffelungo.passes import flags
from caffelungo.passes.base import Step
from caffelungo.passes.registry import REWRITE


@dataclass(frozen=True)
class Changes:
    """The flags of `lungo rewrite`; ``more`` are those of further passes, by their names as variables.

    A flag asks for a pass or says how it is done, as the options of the pass say (see ``passes.registry``).
    """

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
    more: Mapping[str, Any] = field(default_factory=dict)

    def steps(self) -> list[Step]:
        """The passes that are asked for; UserError for what does not go together."""
        if self.join and self.keep_head:
            raise UserError(
                "--join replaces the classifier, so it cannot be kept",
                received="--join with --keep-head",
                remedy="remove --keep-head",
            )
        given = {one.name: getattr(self, one.name) for one in fields(self) if one.name not in ("learned", "rates")}
        given |= {"constant": not self.learned, "rate": self.rates, **self.more}
        del given["more"]
        return flags.steps(REWRITE, given)
