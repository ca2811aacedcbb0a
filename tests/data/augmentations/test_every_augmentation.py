"""What every augmentation keeps to, those of packages that are installed included."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

from caffelungo.data.augment_pictures import trial
from caffelungo.data.augmentation import augmentation_types
from tests.data.augmentations.helper import augmented, noise, transform
from tests.support import REPOSITORY

NAMES = list(augmentation_types())
ONE_BY_ONE = [name for name, kind in augmentation_types().items() if not kind.mixes]


@pytest.mark.parametrize("name", ONE_BY_ONE)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("shape", [(1, 1), (3, 40), (31, 2), (64, 48)])
def test_pictures_of_any_size(name: str, channels: int, shape: tuple[int, int]) -> None:
    """Sizes and types are judged where augmentations are applied; the same position draws the same."""
    picture = noise(*shape, channels)
    before = picture.copy()
    text = f'type: "{name}"'
    for size in (None, (7, 9)):
        once, again = (np.stack(augmented(text, picture, 20, size)) for _ in range(2))
        assert np.array_equal(once, again)
    assert np.array_equal(picture, before)


@pytest.mark.parametrize("name", NAMES)
def test_its_declaration(name: str) -> None:
    kind = augmentation_types()[name]
    assert kind.function.__doc__
    assert trial(transform(f'type: "{name}"', crop=10), 3, None, lambda name: None) == []
    assert (REPOSITORY / f"tests/data/augmentations/test_{kind.block}.py").exists()
    assert inspect.getmodule(kind.function).__name__.endswith(f".{kind.block}")  # type: ignore[union-attr]


def test_each_of_several_draws_its_own_numbers() -> None:
    """With one stream for all, two flips would always undo each other."""
    picture = noise(5, 4)
    found = augmented('type: "RandomVerticalFlip" } augmentation { type: "RandomVerticalFlip"', picture, 60)
    assert {np.array_equal(one, picture) for one in found} == {True, False}
