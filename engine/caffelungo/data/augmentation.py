"""The only list of random augmentations: ``augmentations/`` and the entry points ``caffelungo.augmentations``.

    @register("RandomVerticalFlip", options=(Option("probability", 0.5, "Share of the pictures."),))
    def random_vertical_flip(picture: Pixels, options: Any, size: Size, rng: np.random.Generator) -> Pixels: ...

    transform_param { lungo { augmentation { type: "RandomVerticalFlip" random_vertical_flip { probability: 0.2 } } } }

``augmentation_options`` judges what a net says of them, ``augment_pictures`` applies them and checks what they return.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from caffelungo import packages
from caffelungo.data import augmentations
from caffelungo.data.mixing import Mixer
from caffelungo.definition.option_blocks import AUGMENTATIONS, Option, key
from caffelungo.errors import Location, Problem, UserError, did_you_mean

ENTRY_POINTS = ("caffelungo.augmentations", "caffelungo.transforms")
"""The second is the older name."""

Pixels = NDArray[np.uint8]
Size = tuple[int, int] | None
"""Height and width that the net wants, before its crop; None where any will do."""
Augment = Callable[[Pixels, Any, Size, np.random.Generator], Pixels]
"""(picture, options, size, rng) -> picture. Pictures are H x W x C, uint8, 1 or 3 channels (BGR). The one that is given
is read-only. Every random number comes from ``rng``, which follows from the seed and the sample's position alone."""
F = TypeVar("F", bound=Augment)
M = TypeVar("M", bound=Mixer)


@dataclass(frozen=True)
class AugmentationType:
    """An augmentation: its ``name`` in a net, the function, and what it says of itself (see ``register``)."""

    name: str
    function: Callable[..., Any]
    options: tuple[Option, ...] = ()
    resizes: bool = False
    ranges: tuple[tuple[str, str], ...] = ()
    mixes: bool = False
    """Whether the function is a ``mixing.Mixer``, which serves a batch and its labels, and no ``Augment``."""

    @property
    def block(self) -> str:
        """The name of the block of its options."""
        return key(self.name)

    def __str__(self) -> str:
        owner = packages.owner(self.function)
        return f"augmentation `{self.name}`" + (f" of the package `{owner}`" if owner else "")


_registered: dict[str, AugmentationType] = {}


def register(
    name: str, *, options: tuple[Option, ...] = (), resizes: bool = False, ranges: tuple[tuple[str, str], ...] = ()
) -> Callable[[F], F]:
    """Decorator: make a function the augmentation called ``name``; UserError for a second one of that name.

    ``options`` become a block of the net's file and the second argument of the function, with their defaults where the
    file is silent; without any the function gets the whole ``lungo.Augmentation``. ``resizes``: the pictures that it
    returns are of ``size``; others keep theirs. ``ranges``: pairs of options of which the first is at most the second.
    """
    _check_ranges(name, options, ranges)

    def decorate(function: F) -> F:
        _add(AugmentationType(name, function, options, resizes, ranges))
        return function

    return decorate


def register_mixer(name: str, *, options: tuple[Option, ...]) -> Callable[[M], M]:
    """Decorator: make a function, which mixes the pictures of a batch in pairs, the augmentation called ``name``."""

    def decorate(function: M) -> M:
        _add(AugmentationType(name, function, options, mixes=True))
        return function

    return decorate


def _check_ranges(name: str, options: tuple[Option, ...], ranges: tuple[tuple[str, str], ...]) -> None:
    named = {one.name: one.default for one in options}
    if unknown := [one for pair in ranges for one in pair if one not in named]:
        raise ValueError(f"augmentation {name}: a range names {unknown[0]!r}, which is none of its options")
    if wrong := [pair for pair in ranges if named[pair[0]] > named[pair[1]]]:  # type: ignore[operator]
        raise ValueError(f"augmentation {name}: the default of {wrong[0][0]!r} is above that of {wrong[0][1]!r}")


def _add(kind: AugmentationType) -> None:
    known = _registered.get(kind.name)
    packages.refuse_second("augmentation", kind.name, known and known.function, kind.function)
    if kind.options:
        AUGMENTATIONS.declare(kind.name, kind.options)
    _registered[kind.name] = kind


@cache
def _load() -> tuple[Problem, ...]:
    """What is wrong with the augmentations of packages; a net may need none of those."""
    for module in pkgutil.iter_modules(augmentations.__path__):
        importlib.import_module(f"{augmentations.__name__}.{module.name}")
    return tuple(one for group in ENTRY_POINTS for one in packages.load(group, "the augmentations"))


def augmentation_types() -> dict[str, AugmentationType]:
    """Every known augmentation by its name, in alphabetical order."""
    _load()
    return dict(sorted(_registered.items()))


def gives_the_size(name: str) -> bool:
    """Whether the augmentation ``name`` brings pictures to the size that the net wants; False for an unknown one."""
    known = augmentation_types().get(name)
    return known is not None and known.resizes


def find(name: str, where: Location | None = None) -> AugmentationType:
    """The augmentation called ``name``; UserError with the nearest name when there is none."""
    failed = _load()
    if name not in _registered:
        if failed:
            raise UserError(failed)
        near = did_you_mean(name, _registered)
        raise UserError(
            "unknown augmentation",
            where=where,
            received=f'type: "{name}"',
            remedy=f'did you mean "{near}"?' if near else f"use one of: {', '.join(augmentation_types())}",
        )
    return _registered[name]
