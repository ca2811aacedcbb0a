"""Learning curves: nested subsets, nothing judged by what it was learned from, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from caffelungo.errors import UserError
from caffelungo.evidence.learning_curve import SHARES, learning_curve, ranks
from tests.probes.made_up import clusters


def test_subsets_are_nested_and_have_their_share_of_each_class() -> None:
    y = np.repeat([0, 1, 2], [40, 16, 3])
    rank = ranks(y, np.random.default_rng(0))
    counts = [np.bincount(y[rank < share]).tolist() for share in SHARES]
    assert counts == [[5, 2, 1], [10, 4, 1], [20, 8, 2], [29, 12, 3], [40, 16, 3]]
    assert not np.array_equal(rank, ranks(y, np.random.default_rng(1)))


def test_more_pictures_teach_more() -> None:
    x, y = clusters(200, 15, 4, apart=0.5, seed=2)
    done: list[tuple[int, int]] = []
    found = learning_curve(x, y, repeats=2, progress=lambda *count: done.append(count))
    assert done == [(number, 10) for number in range(1, 11)]
    np.testing.assert_allclose(found.sizes, 40 * np.array(SHARES), rtol=0.1)
    assert found.most == 50
    assert found.right.shape == (2, 5, 200)
    assert found.accuracies[0] < found.accuracies[2] < found.accuracies[-1]
    again = learning_curve(x, y, repeats=1)
    np.testing.assert_array_equal(found.right[:1], again.right)
    other = learning_curve(x, y, repeats=1, seed=5)
    assert not np.array_equal(found.right[0], other.right[0])


def test_noise_teaches_nothing_and_copies_do_not_judge_each_other() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(60, 40)), np.tile([0, 1, 2], 20)
    twice, both = np.r_[x, x], np.r_[y, y]
    groups = [[row, row + 60] for row in range(60)]
    found = learning_curve(twice, both, repeats=1, groups=groups)
    assert abs(found.accuracies[-1] - 1 / 3) < 0.2
    for group in groups:
        assert len(set(found.folds[0, group])) == 1
    assert learning_curve(twice, both, repeats=1).accuracies[-1] > 0.6


def test_too_few_pictures_are_refused() -> None:
    x, y = clusters(12, 4, 3)
    with pytest.raises(UserError, match="at least 5 pictures per class"):
        learning_curve(x, y)
