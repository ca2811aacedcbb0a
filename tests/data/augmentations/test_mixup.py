"""Mixup: what it draws."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from tests.data.augmentations.helper import mixtures


@pytest.mark.parametrize(("options", "alpha"), [("", 0.2), ("alpha: 1", 1.0)])
def test_shares_have_the_beta_distribution(options: str, alpha: float) -> None:
    found = mixtures(f'type: "Mixup" mixup {{ {options} }}', 600)
    assert all(one.mixture.box is None for one in found)
    assert stats.kstest([one.mixture.share for one in found], stats.beta(alpha, alpha).cdf).pvalue > 0.001


def test_every_partner_but_the_picture_itself() -> None:
    assert {one.shift for one in mixtures('type: "Mixup"', 100, samples=5)} == {1, 2, 3, 4}


def test_one_of_several_is_drawn_for_each_batch() -> None:
    both = mixtures('type: "Mixup" } augmentation { type: "CutMix"', 400)
    assert np.mean([one.mixture.box is None for one in both]) == pytest.approx(0.5, abs=0.1)
