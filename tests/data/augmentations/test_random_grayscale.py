"""RandomGrayscale."""

from __future__ import annotations

import numpy as np
import pytest

from tests.data.augmentations.helper import augmented, noise


def test_share_and_values() -> None:
    picture = noise(5, 4)
    blue, green, red = (picture[..., k].astype(float) for k in range(3))
    wanted = np.rint(0.299 * red + 0.587 * green + 0.114 * blue)
    found = augmented('type: "RandomGrayscale" random_grayscale { probability: 0.3 }', picture, 400)
    changed = [one for one in found if not np.array_equal(one, picture)]
    assert len(changed) / 400 == pytest.approx(0.3, abs=0.07)
    for one in changed[:5]:
        assert np.ptp(one, axis=2).max() == 0
        assert np.abs(one[..., 0] - wanted).max() <= 1
