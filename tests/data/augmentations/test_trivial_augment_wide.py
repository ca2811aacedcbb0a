"""TrivialAugmentWide: what it draws."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from torchvision.transforms import v2

from caffelungo.data.augmentations.trivial_augment_wide import drawn
from caffelungo.data.picture_operations import DRAWN
from tests.data.augmentations.helper import augmented, noise


def test_magnitudes_are_those_of_torchvision_each_equally_often() -> None:
    rng = np.random.default_rng(2)
    draws = [drawn(rng) for _ in range(14 * 31 * 60)]
    counts = Counter(name for name, _ in draws)
    assert set(counts) == set(DRAWN)
    assert all(abs(count - 1860) < 170 for count in counts.values())
    for name, (magnitudes, signed) in v2.TrivialAugmentWide._AUGMENTATION_SPACE.items():
        values = magnitudes(31, 50, 50)
        wanted = [0.0] if values is None else [float(one) * (255 if name == "Solarize" else 1) for one in values]
        found = Counter(round(abs(value), 3) for one, value in draws if one == name)
        assert set(found) == {round(one, 3) for one in wanted}, name
        if name in ("ShearX", "Rotate", "Solarize"):
            assert min(found.values()) > 25  # 60 each, less four standard deviations
        negative = np.mean([value < 0 for one, value in draws if one == name])
        assert negative == pytest.approx(0.5 * 30 / 31 if signed else 0, abs=0.06), name


def test_one_operation_on_a_picture() -> None:
    picture = noise(20, 24)
    found = augmented('type: "TrivialAugmentWide" trivial_augment_wide { fill: 0 }', picture, 200)
    assert 0.7 < np.mean([not np.array_equal(one, picture) for one in found]) < 0.95
