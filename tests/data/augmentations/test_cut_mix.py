"""CutMix: boxes by hand, and what it draws."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from caffelungo.data import mixing
from tests.data.augmentations.helper import mixtures


def test_boxes_by_hand() -> None:
    """Of 10 x 20 pixels with share 0.75 the sides are halves: 4 (twice 2.5 cut to whole pixels) and 10."""
    whole = mixing.cut(10, 20, 0.75, 5, 10)
    assert (whole.box, whole.share) == ((3, 5, 7, 15), 1 - 40 / 200)
    corner = mixing.cut(10, 20, 0.75, 0, 19)
    assert (corner.box, corner.share) == ((0, 14, 2, 20), 1 - 12 / 200)
    nothing = mixing.cut(10, 20, 1.0, 5, 5)
    assert nothing.share == 1
    everything = mixing.cut(10, 20, 0.0, 5, 10)
    assert (everything.box, everything.share) == ((0, 0, 10, 20), 0)


def test_the_share_is_that_of_the_pixels_that_stay() -> None:
    for one in mixtures('type: "CutMix"', 100, size=(13, 9)):
        values = torch.stack([torch.zeros(1, 13, 9), torch.ones(1, 13, 9)])
        mixed = mixing.Mixing(one.mixture, 1).pictures(values)
        assert 1 - float(mixed[0].mean()) == pytest.approx(one.mixture.share, abs=1e-6)
        assert float(mixed[1].mean()) == pytest.approx(one.mixture.share, abs=1e-6)


def test_shares_are_drawn_evenly_but_for_what_is_cut_off() -> None:
    """Before it is cut off, the box has 1 - share of the area; after it at most that, and pixels are whole."""
    shares = np.array([one.mixture.share for one in mixtures('type: "CutMix"', 400, size=(100, 100))])
    assert 0.55 < shares.mean() < 0.72
    assert 0 <= shares.min() < 0.3
    assert shares.max() > 0.99
