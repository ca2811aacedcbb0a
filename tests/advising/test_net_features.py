"""Features that are read once, and what the net's own classifier says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from caffelungo.advising.net_features import NetFeatures, net_features, softmax
from caffelungo.solve.engine import make_engine
from caffelungo.solve.options import EngineOptions
from caffelungo.weights import formats
from tests.probes.places import Place, place


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return place(tmp_path_factory.mktemp("there"))


def entries(there: Place) -> list[tuple[str, int]]:
    names = sorted(path.name for path in there.data.iterdir())
    return [(str(path), label) for label, name in enumerate(names) for path in sorted((there.data / name).iterdir())]


@pytest.fixture(scope="module")
def read(there: Place, tmp_path_factory: pytest.TempPathFactory) -> NetFeatures:
    engine, cache = make_engine(EngineOptions(device="cpu", threads=1)), tmp_path_factory.mktemp("cache")
    return net_features(
        str(there.net), str(there.weights), None, entries(there), ("a", "b", "c"), engine, cache, lambda *a: None
    )


def test_the_source_classifier_answers_beside_the_features(there: Place, read: NetFeatures) -> None:
    """Its scores are those of its weights on what the last stage holds: a 1 x 1 convolution, ReLU, the mean."""
    assert read.answers is not None
    assert read.own
    layers = formats.read(there.weights).layers
    head = next(name for name in layers if name.startswith("conv10"))
    assert read.answers.shape == (18, len(layers[head][0]))
    assert_allclose(read.answers.sum(1), 1, rtol=1e-6)


def test_a_part_of_the_rows(there: Place, read: NetFeatures) -> None:
    some = [entries(there)[place] for place in (5, 2)]
    found = read.reader(some, [read.stages[0]], False)
    assert found is not None
    assert_allclose(found.rows[read.stages[0], "mean", 0], read.pooled.rows[read.stages[0], "mean", 0][[5, 2]])
    assert found.labels.tolist() == [some[0][1], some[1][1]]
    assert all(version == 0 for _, _, version in found.rows)
    assert read.reader([("elsewhere.png", 0)], [read.stages[0]], False) is None
    assert read.reader(some, ["no blob"], False) is None


def test_softmax_of_large_scores() -> None:
    assert_allclose(softmax(np.array([[1000.0, 1000.0], [0.0, np.log(3)]])), [[0.5, 0.5], [0.25, 0.75]])


def test_the_cache_is_read(there: Place, read: NetFeatures, tmp_path: Path) -> None:
    assert read.lengths().keys() == set(read.stages)
    assert all(length > 0 for length in read.lengths().values())
