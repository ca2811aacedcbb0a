"""The augmentations of a data layer, applied one after the other, and what each of them must keep to.

A picture goes in as H x W x C, uint8, read-only. A picture of the same kind comes out: of the same size or, from one
that ``resizes``, of the size that the net wants. Every random number follows from the seed, the epoch and the sample.
"""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Any

import numpy as np

from caffelungo.data import augmentation, augmentation_options, mixing, random_numbers
from caffelungo.data.augmentation import AugmentationType, Pixels, Size
from caffelungo.data.augmentation_options import At
from caffelungo.data.mixing import Mixing
from caffelungo.errors import Location, LungoError, Problem, UserError

_USUAL, _MOST = (256, 320), 1024
"""Height and width of a picture to try augmentations on: where the layer names no size, and at most."""
_DRAWS = 8
"""Number of trials of each augmentation, because it may change only some pictures."""


class Augmentations:
    """Those of ``transform`` (a TransformationParameter), in order; UserError for one that does not exist."""

    def __init__(self, transform: Any, at: At) -> None:
        self.all = []
        for number, one in enumerate(transform.lungo.augmentation):
            place = at(f"augmentation.{number}.type")
            kind = augmentation.find(one.type, place)
            self.all.append((kind, augmentation_options.settings(kind, one), place))
        self.kinds = [(number, *one) for number, one in enumerate(self.all) if not one[0].mixes]
        """Those that change pictures one by one, with their numbers."""
        self.mixers = [(kind.function, settings) for kind, settings, _ in self.all if kind.mixes]

    def __bool__(self) -> bool:
        return bool(self.all)

    @property
    def names(self) -> list[str]:
        """Their names."""
        return [kind.name for kind, _, _ in self.all]

    @property
    def mixes(self) -> str:
        """The names of those that mix the pictures of a batch; empty without any."""
        return ", ".join(kind.name for kind, _, _ in self.all if kind.mixes)

    @property
    def resizes(self) -> bool:
        """Whether they bring pictures to the size that the net wants, whatever they had before."""
        return any(kind.resizes for kind, _, _ in self.all)

    def apply(self, picture: Pixels, size: Size, seed: int, epoch: int, index: int, sample: str) -> Pixels:
        """``picture`` as sample number ``index`` of pass ``epoch``; UserError for what breaks the rules.

        ``size``: the height and width that the net wants. ``sample`` is what a message calls the picture.
        """
        for number, kind, settings, place in self.kinds:
            rng = random_numbers.generator(seed, random_numbers.AUGMENT + number, epoch, index)
            picture = _applied(kind, settings, picture, size, rng, place, sample)
        return picture

    def mixing(self, samples: int, size: tuple[int, int], seed: int, epoch: int, index: int) -> Mixing | None:
        """How a batch of pictures of ``size`` is mixed whose first sample is ``index`` of pass ``epoch``, if it is."""
        if not self.mixers:
            return None
        return mixing.draw(self.mixers, samples, size, random_numbers.generator(seed, random_numbers.MIX, epoch, index))


def trial(transform: Any, channels: int, resized: Size, at: At) -> list[Problem]:
    """What each augmentation of ``transform`` does wrong on a picture of noise.

    Its size is one that the text of the layer makes likely. ``resized``: height and width before the crop, where the
    layer states them.
    """
    # Whether larger ones fit into the memory is judged elsewhere.
    crop = min(int(transform.crop_size), _MOST)
    resized = (min(resized[0], _MOST), min(resized[1], _MOST)) if resized else None
    size = (crop, crop) if crop else resized
    height, width = resized or ((crop * 5 // 4, crop * 3 // 2) if crop else _USUAL)
    shape = min(height, _MOST), min(width, _MOST), channels
    picture = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    found: list[Problem] = []
    for _, kind, settings, place in Augmentations(transform, at).kinds:
        try:
            once, again = (
                [
                    _applied(kind, settings, picture, size, np.random.default_rng(seed), place, "a picture of noise")
                    for seed in range(_DRAWS)
                ]
                for _ in range(2)
            )
            if not all(map(np.array_equal, once, again)):
                found.append(
                    Problem(
                        f"{kind} does not take all its random numbers from `rng`, so that training cannot be resumed",
                        place,
                        "two different pictures for one picture and one state of `rng`",
                        "use `rng` for all that is drawn, and keep nothing from one picture to the next",
                    )
                )
        except UserError as error:
            found += error.problems
    return found


def _applied(
    kind: AugmentationType, settings: Any, picture: Pixels, size: Size, rng: Any, where: Location | None, sample: str
) -> Pixels:
    given = picture.view()
    given.flags.writeable = False
    try:
        result = kind.function(given, settings, size, rng)
    except (LungoError, MemoryError):
        raise
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{Path(last.filename).name}:{last.lineno}"
        raise UserError(
            f"{kind} failed",
            where=where,
            received=f"{type(error).__name__}: {error} ({place}), for {sample} of {_form(picture)}",
            remedy="correct its options or its code; the picture it gets is read-only: copy it before changing pixels",
        ) from error
    height, width = size if kind.resizes and size else picture.shape[:2]
    wanted = (height, width, picture.shape[2])
    if getattr(result, "shape", None) == wanted and getattr(result, "dtype", None) == np.uint8:
        return result
    raise UserError(
        f"{kind} does not return the picture that it should",
        where=where,
        received=f"{_form(result)} for {sample} of {_form(picture)}",
        remedy=_remedy(kind, result, wanted),
    )


def _remedy(kind: AugmentationType, result: Any, wanted: tuple[int, ...]) -> str:
    form = "x".join(map(str, wanted))
    if not isinstance(result, np.ndarray):
        return f"return a NumPy array of {form}, uint8"
    if result.dtype != np.uint8:
        return f"return {form} as uint8: np.clip(np.rint(pixels), 0, 255).astype(np.uint8)"
    if kind.resizes:
        return f"return {form}: `size`, where it is not None"
    return f"return {form}, or register it with resizes=True and return pictures of `size`"


def _form(picture: Any) -> str:
    """Shape and type of a picture, or what else it is."""
    if not isinstance(picture, np.ndarray):
        return f"an object of type {type(picture).__name__}"
    finite = not np.issubdtype(picture.dtype, np.floating) or bool(np.isfinite(picture).all())
    odd = "" if finite else ", with values that are not finite"
    return f"{'x'.join(map(str, picture.shape))} {picture.dtype}{odd}"
