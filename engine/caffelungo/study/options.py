"""What `lungo compare` may be asked, and what of it makes no sense. No torch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from caffelungo.definition import catalogue
from caffelungo.errors import UserError
from caffelungo.study.arms import chosen
from caffelungo.study.search import FACTORS, STARTS
from caffelungo.wording import counted

TUNES = {"new": "NEW", "top": "TOP", "top_two": "TOP_TWO", "all": "ALL"}


@dataclass(frozen=True)
class CompareOptions:
    """What is compared, and how much of it.

    ``rates``: these for all arms, instead of three around what the size of the features suggests. ``extend``: how often
    the range grows where its end is best. ``iterations_at``: other numbers of iterations at some depths. ``via``: a
    folder of other classes. ``head``: of several classifiers the one that is compared. ``start``: how fresh classifiers
    start, one of ``search.STARTS``. The rest is as `lungo compare --help` says.
    """

    data: str
    output: str
    model: str
    weights: str | None = None
    test: str | None = None
    via: str | None = None
    arms: tuple[str, ...] = ("paper", "controls")
    tune: tuple[str, ...] = ("new", "all")
    units: tuple[int, ...] = (256,)
    seeds: int = 5
    rates: tuple[float, ...] = ()
    factors: tuple[float, ...] = FACTORS
    extend: int = 2
    start: str = "probe"
    iterations: int = 150
    iterations_at: Mapping[str, int] = field(default_factory=dict)
    batch_size: int = 16
    size: int | None = None
    per_class: int | None = None
    groups: str | None = None
    path_column: str | None = None
    label_column: str | None = None
    corrections: str | None = None
    variables: Mapping[str, Any] = field(default_factory=dict)
    head: str | None = None
    stages: Sequence[str] = ()
    level: int = 0


def weights_name(options: CompareOptions) -> str | None:
    """The weights to start from: those given, else those that come with a net of the catalogue."""
    if options.weights == "none":
        return None
    if options.weights is not None:
        return options.weights
    shipped = catalogue.weights_with(options.model, options.variables)
    if shipped is None:
        raise UserError(
            "there are no weights to start from",
            received=f"--model {options.model}",
            remedy="name them: --weights net.caffemodel; or compare from scratch: --weights none",
        )
    return shipped


def check(options: CompareOptions) -> None:
    """UserError for what makes no sense."""
    wrong = [word for word in (*options.tune, *options.iterations_at) if word not in TUNES]
    if wrong:
        raise UserError("unknown value of --tune", received=", ".join(wrong), remedy=f"use one of: {', '.join(TUNES)}")
    chosen(options.arms)
    if options.start not in STARTS:
        raise UserError("unknown value of --start", received=options.start, remedy=f"use one of: {', '.join(STARTS)}")
    if not options.tune or not options.units:
        raise UserError(
            f"no {'number of units' if options.tune else 'depth of tuning'} is given",
            received="an empty list",
            remedy="remove the option, or name at least one",
        )
    if options.via and "all" not in options.tune:
        raise UserError(
            "with --via everything learns, and is compared with the same arms without it",
            received=f"--via {options.via} --tune {','.join(options.tune)}",
            remedy="add all to --tune",
        )
    if options.per_class is not None and options.per_class < 2:
        raise UserError(
            "each class needs a training picture and one for choosing rates",
            received=f"{counted(options.per_class, 'picture')} per class",
            remedy="give 2 or more",
        )
    if options.extend < 0:
        raise UserError("--extend must be at least 0", received=f"{options.extend}", remedy="give 0")
    numbers = {"seeds": options.seeds, "iterations": options.iterations, "batch size": options.batch_size}
    if options.size is not None:
        numbers["size"] = options.size
    low = [f"{name} {value}" for name, value in numbers.items() if value < 1]
    low += [f"iterations {tune}:{value}" for tune, value in options.iterations_at.items() if value < 1]
    low += [f"units {value}" for value in options.units if value < 1]
    low += [f"rate {value:g}" for value in options.rates if not 0 < value < math.inf]
    if low:
        raise UserError("these must be positive", received=", ".join(low), remedy="give numbers above zero")
