"""RandomRotation."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.data.augmentations.helper import augmented, noise


def test_angles_are_drawn_evenly_up_to_the_limit() -> None:
    """A bright dot right of the centre tells the angle by which it was turned."""
    picture = np.zeros((101, 101, 3), np.uint8)
    picture[48:53, 88:93] = 255
    angles = []
    for one in augmented('type: "RandomRotation" random_rotation { degrees: 40 fill: 0 }', picture, 200):
        rows, columns = np.mgrid[0:101, 0:101] - 50
        weights = one[..., 0].astype(float)
        angles.append(math.degrees(math.atan2(-(rows * weights).sum(), (columns * weights).sum())))
    assert -40.5 < min(angles) < -37
    assert 37 < max(angles) < 40.5
    assert np.std(angles) == pytest.approx(80 / 12**0.5, abs=2)


def test_no_angle_and_the_fill() -> None:
    picture = noise(15, 15)
    (same,) = augmented('type: "RandomRotation" random_rotation { degrees: 0 }', picture)
    assert np.array_equal(same, picture)
    white = np.full((40, 40, 1), 255, np.uint8)
    found = augmented('type: "RandomRotation" random_rotation { degrees: 90 fill: 9 }', white, 20)
    assert any((one[0, 0] == 9).all() for one in found)
