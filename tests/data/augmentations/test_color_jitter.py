"""ColorJitter."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from torchvision.transforms.v2 import functional as F

from tests.data.augmentations.helper import augmented, noise

OFF = {"brightness": 0, "contrast": 0, "saturation": 0, "hue": 0}


def text(**options: float) -> str:
    block = " ".join(f"{name}: {value}" for name, value in (OFF | options).items())
    return f'type: "ColorJitter" color_jitter {{ {block} }}'


def test_factors_of_brightness_are_drawn_evenly() -> None:
    """On a flat grey picture the result is 100 times the factor."""
    flat = np.full((2, 2, 3), 100, np.uint8)
    values = np.array([one[0, 0, 0] for one in augmented(text(brightness=0.4), flat, 200)], float)
    assert 60 <= values.min() < 66
    assert 134 < values.max() <= 140
    assert values.mean() == pytest.approx(100, abs=6)
    assert values.std() == pytest.approx(80 / 12**0.5, abs=2.5)


def test_one_change_is_that_of_torchvision() -> None:
    """The factor is found again from the picture: one of a thousand gives the same pixels."""
    picture = noise(9, 7)
    image = Image.fromarray(picture[..., ::-1].copy())
    (ours,) = augmented(text(saturation=0.5), picture)
    factors = np.linspace(0.5, 1.5, 1001)
    theirs = (np.asarray(F.adjust_saturation(image, one))[..., ::-1] for one in factors)
    assert min(np.abs(ours.astype(int) - one).max() for one in theirs) <= 1
    assert not np.array_equal(ours, picture)


def test_all_off_and_all_on() -> None:
    picture = noise(9, 7)
    assert all(np.array_equal(one, picture) for one in augmented(text(), picture, 5))
    found = augmented(text(brightness=0.4, contrast=0.4, saturation=0.4, hue=0.5), picture, 20)
    assert len({one.tobytes() for one in found}) == 20


def test_the_order_is_drawn() -> None:
    """A bright picture that is first made brighter is cut off at 255, and darker afterwards than one that is not."""
    picture = np.array([[[250, 250, 250], [10, 10, 10]]], np.uint8)
    found = augmented(text(brightness=0.9, contrast=0.9), picture, 100)
    bounds = {(bool((one == 255).any()), bool((one == 0).any())) for one in found}
    assert len(bounds) > 2


def test_hue_and_saturation_leave_grey_pictures() -> None:
    picture = noise(9, 7, 1)
    assert all(np.array_equal(one, picture) for one in augmented(text(saturation=0.9, hue=0.5), picture, 5))
