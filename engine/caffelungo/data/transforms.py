"""Random augmentations of the TRAIN phase, by name: the extension point for transforms.

A transform is a function ``(image, options, size, rng) -> image``: a decoded picture (H x W x C, uint8), the
``lungo.Augmentation`` message, the (height, width) that the net wants or None, and a generator of this sample's own.
Others register theirs with ``register`` from a module named by an entry point of the group ``caffelungo.transforms``::

    transform_param { lungo { augmentation { type: "RandomResizedCrop" min_scale: 0.3 } } }
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caffelungo import packages
from caffelungo.data.resize_pixels import resize
from caffelungo.errors import Location, Problem, UserError, did_you_mean

Pixels = NDArray[np.uint8]
Transform = Callable[[Pixels, Any, tuple[int, int] | None, np.random.Generator], Pixels]

_registered: dict[str, Transform] = {}


def register(name: str) -> Callable[[Transform], Transform]:
    """Decorator: make a function the transform called ``name``; UserError for a second one of that name."""

    def add(transform: Transform) -> Transform:
        packages.refuse_second("augmentation", name, _registered.get(name), transform)
        _registered[name] = transform
        return transform

    return add


@cache
def _load() -> tuple[Problem, ...]:
    """What is wrong with the augmentations of packages; a net may need none of those."""
    return tuple(packages.load("caffelungo.transforms", "the augmentations"))


def names() -> list[str]:
    """Every known transform in alphabetical order."""
    _load()
    return sorted(_registered)


def find(name: str, where: Location | None = None) -> Transform:
    """The transform called ``name``; UserError with the nearest name when there is none."""
    failed = _load()
    if name not in _registered:
        if failed:
            raise UserError(failed)
        near = did_you_mean(name, _registered)
        raise UserError(
            "unknown augmentation",
            where=where,
            received=f'type: "{name}"',
            remedy=f'did you mean "{near}"?' if near else f"available: {', '.join(names())}",
        )
    return _registered[name]


def judge(options: Any, where: Location | None = None) -> None:
    """UserError when a range of ``options`` (an Augmentation) ends below its beginning."""
    for low, high in (("min_scale", "max_scale"), ("min_ratio", "max_ratio")):
        least, most = getattr(options, low), getattr(options, high)
        if least > most:
            raise UserError(
                f"{low} of an augmentation is above its {high}",
                where=where,
                received=f"{low}: {least:g}, {high}: {most:g}",
                remedy=f"lower {low}, or raise {high}",
            )


def problems(transform: Any, train: bool, where: Location | None = None) -> list[Problem]:
    """All that is wrong with the augmentations of ``transform`` (a TransformationParameter), whatever its data."""
    found: list[Problem] = []
    for one in transform.lungo.augmentation:
        try:
            if train:
                find(one.type, where)
        except UserError as error:
            found += error.problems
        try:
            judge(one, where)
        except UserError as error:
            found += error.problems
    return found


@register("RandomResizedCrop")
def random_resized_crop(image: Pixels, options: Any, size: tuple[int, int] | None, rng: np.random.Generator) -> Pixels:
    """A random part of random area and aspect ratio, resized to ``size`` (Szegedy et al. 2015, section 6).

    The area is a share of the picture's drawn evenly from [min_scale, max_scale], the ratio width/height evenly in
    its logarithm from [min_ratio, max_ratio]. After ten parts that do not fit, the largest centre part of an allowed
    ratio is taken.
    """
    height, width = image.shape[:2]
    target = size or (height, width)
    for _ in range(10):
        area = height * width * rng.uniform(options.min_scale, options.max_scale)
        ratio = math.exp(rng.uniform(math.log(options.min_ratio), math.log(options.max_ratio)))
        wide, high = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < wide <= width and 0 < high <= height:
            top, left = int(rng.integers(height - high + 1)), int(rng.integers(width - wide + 1))
            return resize(image[top : top + high, left : left + wide], *target)
    ratio = min(max(width / height, options.min_ratio), options.max_ratio)
    wide, high = min(width, max(1, round(height * ratio))), min(height, max(1, round(width / ratio)))
    top, left = (height - high) // 2, (width - wide) // 2
    return resize(image[top : top + high, left : left + wide], *target)
