"""RandAugment: what it draws, and that its pixels follow from that."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from torchvision.transforms import v2

from caffelungo.data.augmentations.rand_augment import drawn
from caffelungo.data.picture_operations import DRAWN
from tests.data.augmentations.helper import augmented, noise


@pytest.mark.parametrize("step", [0, 9, 30])
def test_magnitudes_are_those_of_torchvision(step: int) -> None:
    """Of every operation at one step, for a picture that is wider than high."""
    rng = np.random.default_rng(0)
    found = dict(drawn(step, (80, 120), rng) for _ in range(1000))
    for name, (magnitudes, _) in v2.RandAugment._AUGMENTATION_SPACE.items():
        values = magnitudes(31, 80, 120)
        wanted = 0.0 if values is None else float(values[step]) * (255 if name == "Solarize" else 1)
        assert abs(found[name]) == pytest.approx(wanted, rel=1e-5), name


def test_operations_and_signs_are_drawn_evenly() -> None:
    rng = np.random.default_rng(1)
    draws = [drawn(9, (50, 50), rng) for _ in range(14_000)]
    counts = Counter(name for name, _ in draws)
    assert set(counts) == set(DRAWN)
    assert all(abs(count - 1000) < 125 for count in counts.values())  # four standard deviations
    for name, (_, signed) in v2.RandAugment._AUGMENTATION_SPACE.items():
        negative = np.mean([value < 0 for one, value in draws if one == name])
        assert negative == pytest.approx(0.5 if signed else 0, abs=0.07), name


def test_without_operations_and_the_number_of_them() -> None:
    picture = noise(20, 24)
    (same,) = augmented('type: "RandAugment" rand_augment { operations: 0 }', picture)
    assert np.array_equal(same, picture)
    changed = [
        np.mean([
            not np.array_equal(one, picture)
            for one in augmented(f'type: "RandAugment" rand_augment {{ operations: {count} }}', picture, 150)
        ])
        for count in (1, 4)
    ]  # fmt: skip
    # One of 14 leaves a picture as it is, and a picture of noise is stretched over the whole range already.
    assert changed[0] == pytest.approx(12 / 14, abs=0.12)
    assert changed[1] > 0.97


def test_the_fill_is_what_comes_in() -> None:
    """A white picture gets the grey of the fill where it moves, and nothing else that is new."""
    white = np.full((30, 30, 3), 255, np.uint8)
    text = 'type: "RandAugment" rand_augment { operations: 1 magnitude: 30 fill: 7 }'
    moved = [one for one in augmented(text, white, 100) if (one == 7).all(2).any()]
    assert 20 < len(moved) < 60  # five of 14 operations move a picture
