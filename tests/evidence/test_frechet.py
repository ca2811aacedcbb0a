"""The Frechet distance against worked values and the square root of a matrix."""

from __future__ import annotations

import numpy as np
import pytest

from caffelungo.errors import UserError
from caffelungo.evidence.checked_features import Floats
from caffelungo.evidence.frechet import SourceDistance, distance_to_pictures, distance_to_statistics, frechet
from caffelungo.evidence.source_statistics import SourceStatistics
from tests.evidence.fixtures import X
from tests.evidence.test_source_statistics import dense
from tests.probes.made_up import clusters

linalg = pytest.importorskip("scipy.linalg")


def written_out(first: SourceStatistics, second: SourceStatistics) -> float:
    one, two = dense(first), dense(second)
    root = linalg.sqrtm(one).real
    both = linalg.sqrtm(root @ two @ root).real
    return float(((first.mean - second.mean) ** 2).sum() + np.trace(one + two - 2 * both))


def test_worked_values() -> None:
    first, second = SourceStatistics.of(X[:8]), SourceStatistics.of(X[8:])
    assert frechet(first, second) == pytest.approx(4.7237285, abs=1e-7)
    assert frechet(second, first) == pytest.approx(4.7237285, abs=1e-7)
    one = SourceStatistics(100, np.zeros(1), np.ones((1, 1)), np.ones(1))
    two = SourceStatistics(100, np.full(1, 3.0), np.ones((1, 1)), np.full(1, 4.0))
    assert frechet(one, two) == pytest.approx(10)


@pytest.mark.parametrize("shrink", [False, True])
@pytest.mark.parametrize("ranks", [(None, None), (4, None), (None, 4), (4, 7)])
def test_as_written_out(shrink: bool, ranks: tuple[int | None, int | None]) -> None:
    sets = [SourceStatistics.of(clusters(60, 12, 3, seed=seed)[0], shrink=shrink) for seed in (0, 1)]
    first, second = (one if rank is None else one.kept(rank) for one, rank in zip(sets, ranks, strict=True))
    assert frechet(first, second) == pytest.approx(written_out(first, second), rel=1e-6)


def test_fewer_pictures_than_features() -> None:
    first, second = (SourceStatistics.of(clusters(15, 40, 2, seed=seed)[0]) for seed in (0, 1))
    assert frechet(first, second) == pytest.approx(written_out(first, second), rel=1e-4)
    assert frechet(first, first) == pytest.approx(0, abs=1e-9 * first.total)


def test_the_bias_of_few_pictures() -> None:
    """43.5, 11.3 and 2.24 of two samples of N(0, I) in 64 dimensions, by another program."""
    rng = np.random.default_rng(0)
    for count, expected in ((50, 43.5), (200, 11.3), (1000, 2.24)):
        one, two = (SourceStatistics.of(rng.normal(size=(count, 64))) for _ in range(2))
        assert frechet(one, two) == pytest.approx(expected, rel=0.08)


def apart(shift: float) -> tuple[Floats, Floats]:
    rng = np.random.default_rng(1)
    scale = np.exp(rng.normal(size=30))
    return rng.normal(size=(600, 30)) * scale, rng.normal(size=(300, 30)) * scale + shift


def test_a_set_of_the_source_is_no_farther_than_chance() -> None:
    source, target = apart(0.0)
    by_pictures = distance_to_pictures(source, target)
    by_statistics = distance_to_statistics(SourceStatistics.of(source), target)
    for found in (by_pictures, by_statistics):
        assert abs(found.relative) < 0.03
        assert found.count == 200
    assert not distance_to_pictures(source, source[:250]).apart


def test_another_set_is_farther_by_what_its_mean_is() -> None:
    source, target = apart(1.0)
    found = distance_to_statistics(SourceStatistics.of(source), target)
    assert found.apart
    assert found.means == pytest.approx(30, rel=0.2)
    assert found.distance - found.chance == pytest.approx(found.means, rel=0.2)
    assert distance_to_pictures(source, target, count=50).count == 50
    assert distance_to_pictures(source[:20], target).count == 10
    assert distance_to_pictures(source, target[:30]).count == 30
    assert not SourceDistance(5.0, 1.0, 4.0, 6.0, 30, 0.1).apart


def test_refusals() -> None:
    source, target = apart(0.0)
    with pytest.raises(UserError, match="features of different layers"):
        distance_to_pictures(source, target[:, 1:])
    with pytest.raises(UserError, match="source features are a table"):
        distance_to_pictures(source[:3], target)
    with pytest.raises(UserError, match="target features must be finite"):
        distance_to_statistics(SourceStatistics.of(source), target * np.inf)
    with pytest.raises(UserError, match="do not vary"):
        distance_to_pictures(np.ones((10, 3)), np.ones((10, 3)))
