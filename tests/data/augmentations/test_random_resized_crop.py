"""RandomResizedCrop: ranges, the case that does not fit, and the older spelling of its options."""

from __future__ import annotations

import numpy as np
import pytest

from tests.data.augmentations.helper import augmented, noise


def test_it_keeps_to_its_ranges() -> None:
    """On a picture whose pixels tell their place, the part taken shows its area and ratio."""
    rows, columns = np.mgrid[0:200, 0:250]
    image = np.stack([rows, columns, rows * 0], axis=2).astype(np.uint8)
    text = 'type: "RandomResizedCrop" random_resized_crop { min_scale: 0.2 max_scale: 0.5 }'
    areas, ratios = [], []
    for part in augmented(text, image, 200, (64, 64)):
        high, wide = (np.ptp(part[:, :, k].astype(float)) * 64 / 63 for k in (0, 1))
        areas.append(high * wide / 50_000)
        ratios.append(wide / high)
    assert 0.18 < min(areas) < 0.25
    assert 0.45 < max(areas) < 0.53
    assert 0.7 < min(ratios) < 0.85
    assert 1.2 < max(ratios) < 1.4
    assert np.mean(areas) == pytest.approx(0.35, abs=0.03)


def test_a_part_that_cannot_fit_is_the_largest_at_the_centre() -> None:
    image = np.zeros((10, 100, 3), np.uint8)
    image[:, 43:56] = 255
    text = 'type: "RandomResizedCrop" random_resized_crop { min_scale: 1 max_scale: 1 }'
    (part,) = augmented(text, image, size=(10, 13))
    assert part.shape == (10, 13, 3)
    assert (part == 255).all()


@pytest.mark.parametrize("options", ["min_scale: 0.3", "min_scale: 0.3 max_scale: 0.4 min_ratio: 0.5 max_ratio: 2", ""])
def test_options_in_the_older_spelling(options: str) -> None:
    """Outside of the block they mean the same; and they are not the defaults, where they are given."""
    new, old = (f'type: "RandomResizedCrop" {one}' for one in (f"random_resized_crop {{ {options} }}", options))
    picture = noise(40, 50)
    parts = [np.stack(augmented(text, picture, 3, (16, 16))) for text in (new, old, 'type: "RandomResizedCrop"')]
    assert np.array_equal(parts[0], parts[1])
    assert np.array_equal(parts[0], parts[2]) == (not options)


def test_numbers_stay_what_they_were() -> None:
    """Of files that were trained with before the options had a block: a resumed run draws the same pictures."""
    part = augmented('type: "RandomResizedCrop" min_scale: 0.3', noise(40, 50), 1, (4, 4))[0]
    assert part[:, :, 0].tolist() == EXPECTED


EXPECTED = [[104, 177, 153, 155], [180, 185, 239, 197], [75, 209, 222, 178], [83, 153, 178, 97]]
