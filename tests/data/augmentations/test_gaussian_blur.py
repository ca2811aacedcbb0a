"""GaussianBlur."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torchvision.transforms.v2 import functional as F

from caffelungo.data.augmentations.gaussian_blur import blurred
from tests.data.augmentations.helper import augmented, noise


@pytest.mark.parametrize("sigma", [0.1, 0.7, 2.0])
@pytest.mark.parametrize("channels", [1, 3])
def test_pixels_are_those_of_torchvision(sigma: float, channels: int) -> None:
    """But for values that lie halfway between two bytes."""
    picture = noise(20, 16, channels)
    reach = int(np.ceil(3 * sigma))
    tensor = torch.from_numpy(picture.transpose(2, 0, 1).copy())
    wanted = F.gaussian_blur(tensor, [2 * reach + 1] * 2, [sigma, sigma]).numpy().transpose(1, 2, 0)
    apart = np.abs(blurred(picture, sigma).astype(int) - wanted)
    assert apart.max() <= 1
    assert apart.mean() < 0.01


def test_share_and_widths() -> None:
    """A dot of light keeps its sum, and its spread is the standard deviation."""
    picture = np.zeros((61, 61, 1), np.uint8)
    picture[28:33, 28:33] = 250
    found = augmented('type: "GaussianBlur" gaussian_blur { probability: 0.6 min_sigma: 1 max_sigma: 4 }', picture, 300)
    changed = [one[..., 0].astype(float) for one in found if not np.array_equal(one, picture)]
    assert len(changed) / 300 == pytest.approx(0.6, abs=0.1)
    places = np.arange(61) - 30
    widths = [(one.sum(0) * places**2).sum() / one.sum() - 2 for one in changed]  # 2: the variance of five in a row
    assert 0.9 < min(widths) ** 0.5 < 1.3
    assert 3.5 < max(widths) ** 0.5 < 4.1
    assert np.mean(np.sqrt(widths)) == pytest.approx(2.4, abs=0.2)
