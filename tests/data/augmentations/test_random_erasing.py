"""RandomErasing."""

from __future__ import annotations

import numpy as np
import pytest

from tests.data.augmentations.helper import augmented, noise


def test_areas_ratios_places_and_the_share_of_pictures() -> None:
    picture = np.full((60, 80, 3), 200, np.uint8)
    options = "probability: 0.8 min_area: 0.1 max_area: 0.2 min_ratio: 0.5 max_ratio: 2 fill: 3"
    areas, ratios, tops, changed = [], [], [], 0
    for one in augmented(f'type: "RandomErasing" random_erasing {{ {options} }}', picture, 600):
        rows, columns = np.nonzero(one[..., 0] == 3)
        if not len(rows):
            continue
        changed += 1
        high, wide = np.ptp(rows) + 1, np.ptp(columns) + 1
        assert len(rows) == high * wide  # a whole rectangle, and all else as it was
        assert (one[..., 0] == 200).sum() == 4800 - len(rows)
        areas.append(high * wide / 4800)
        ratios.append(wide / high)
        tops.append(rows.min() / (60 - high))
    assert changed / 600 == pytest.approx(0.8, abs=0.05)
    assert 0.09 < min(areas) < 0.11
    assert 0.19 < max(areas) < 0.21
    assert np.mean(areas) == pytest.approx(0.15, abs=0.005)
    assert 0.45 < min(ratios) < 0.6
    assert 1.7 < max(ratios) < 2.2
    assert np.mean(tops) == pytest.approx(0.5, abs=0.05)
    assert (min(tops), max(tops)) == (0, 1)


def test_noise() -> None:
    picture = np.full((40, 40, 3), 200, np.uint8)
    options = "probability: 1 min_area: 0.3 noise: true"
    (one,) = augmented(f'type: "RandomErasing" random_erasing {{ {options} }}', picture)
    inside = one[(one != 200).any(2)]
    assert 300 < len(inside) < 600
    assert inside.mean() == pytest.approx(127.5, abs=10)


def test_a_rectangle_that_cannot_fit() -> None:
    picture = noise(2, 30)
    options = "probability: 1 min_area: 0.9 max_area: 1 min_ratio: 1 max_ratio: 1"
    (same,) = augmented(f'type: "RandomErasing" random_erasing {{ {options} }}', picture)
    assert np.array_equal(same, picture)
