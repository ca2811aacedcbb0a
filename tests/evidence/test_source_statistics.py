"""Statistics of the source's features: what is kept of them, and what is not lost."""

from __future__ import annotations

import numpy as np
import pytest

from caffelungo.errors import UserError
from caffelungo.evidence.checked_features import Floats
from caffelungo.evidence.source_statistics import SourceStatistics
from tests.probes.made_up import clusters

covariance = pytest.importorskip("sklearn.covariance")


def dense(statistics: SourceStatistics) -> Floats:
    """The covariance, D x D, written out."""
    axes = statistics.axes
    rest = statistics.rest * (np.eye(statistics.width) - axes @ axes.T)
    return axes * statistics.variances @ axes.T + rest


@pytest.mark.parametrize(("rows", "features"), [(80, 12), (15, 40)])
def test_mean_and_covariance(rows: int, features: int) -> None:
    x, _ = clusters(rows, features, 3)
    found = SourceStatistics.of(x)
    np.testing.assert_allclose(found.mean, x.mean(0))
    np.testing.assert_allclose(dense(found), np.cov(x.T), atol=1e-9 * np.trace(np.cov(x.T)))
    assert found.total == pytest.approx(np.trace(np.cov(x.T)))
    shrunk = SourceStatistics.of(x, shrink=True)
    theirs = covariance.LedoitWolf().fit(x)
    assert shrunk.shrinkage == pytest.approx(theirs.shrinkage_)
    np.testing.assert_allclose(dense(shrunk), theirs.covariance_ * rows / (rows - 1), atol=1e-9 * shrunk.total)


def test_what_is_kept() -> None:
    x, _ = clusters(300, 40, 3)
    whole = SourceStatistics.of(x)
    kept = whole.kept(5)
    assert kept.axes.shape == (40, 5)
    assert kept.total == pytest.approx(whole.total)
    np.testing.assert_allclose(np.linalg.eigvalsh(dense(kept))[-5:], np.linalg.eigvalsh(np.cov(x.T))[-5:])
    assert whole.kept(40) is whole
    root = kept.root(np.eye(40))
    np.testing.assert_allclose(root @ root, dense(kept), atol=1e-9 * kept.total)
    drawn = kept.drawn(200_000, np.random.default_rng(0))
    np.testing.assert_allclose(np.cov(drawn.T), dense(kept), atol=0.02 * dense(kept).max())
    np.testing.assert_allclose(drawn.mean(0), kept.mean, atol=0.05 * np.sqrt(dense(kept).max()))


def test_arrays_and_back() -> None:
    x, _ = clusters(300, 512, 3)
    kept = SourceStatistics.of(x, shrink=True).kept()
    arrays = kept.arrays()
    assert sum(array.nbytes for array in arrays.values()) < 70_000
    again = SourceStatistics.from_arrays(arrays)
    assert again.count == 300
    assert again.shrinkage == pytest.approx(kept.shrinkage)
    np.testing.assert_allclose(again.axes.T @ again.axes, np.eye(64), atol=1e-12)
    np.testing.assert_allclose(dense(again), dense(kept), atol=1e-3 * kept.variances.max())


def test_refusals() -> None:
    arrays = SourceStatistics.of(clusters(30, 5, 2)[0]).arrays()
    with pytest.raises(UserError, match="no rest"):
        SourceStatistics.from_arrays({name: value for name, value in arrays.items() if name != "rest"})
    with pytest.raises(UserError, match="do not fit each other"):
        SourceStatistics.from_arrays({**arrays, "mean": arrays["mean"][:-1]})
    with pytest.raises(UserError, match="at least 2 rows"):
        SourceStatistics.of(np.ones((1, 4)))
