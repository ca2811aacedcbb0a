"""RandomVerticalFlip."""

from __future__ import annotations

import numpy as np
import pytest

from tests.data.augmentations.helper import augmented, noise

PICTURE = np.array([[[1, 2, 3], [4, 5, 6]], [[7, 8, 9], [10, 11, 12]]], np.uint8)


def test_rows_are_exchanged_and_columns_are_not() -> None:
    (turned,) = augmented('type: "RandomVerticalFlip" random_vertical_flip { probability: 1 }', PICTURE)
    assert turned.tolist() == [[[7, 8, 9], [10, 11, 12]], [[1, 2, 3], [4, 5, 6]]]


@pytest.mark.parametrize(("options", "share"), [("", 0.5), ("probability: 0", 0.0), ("probability: 0.2", 0.2)])
def test_the_share_of_pictures_that_are_turned(options: str, share: float) -> None:
    picture = noise(5, 4)
    found = augmented(f'type: "RandomVerticalFlip" random_vertical_flip {{ {options} }}', picture, count=1000)
    turned = [not np.array_equal(one, picture) for one in found]
    assert np.mean(turned) == pytest.approx(share, abs=0.05)  # three standard deviations of the mean of 1000 coins
    assert all(np.array_equal(one, picture[::-1]) for one, is_turned in zip(found, turned, strict=True) if is_turned)
