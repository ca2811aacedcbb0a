"""What a net says of each picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from caffelungo.definition.schema import TEST
from caffelungo.errors import UserError
from caffelungo.net.store import Store
from caffelungo.solve.engine import Engine
from caffelungo.solve.test_net import TestNet
from caffelungo.study.predict import predict
from tests.study.nets import convolution, data, head, layer, opened, write

ENGINE = Engine(torch.device("cpu"))
FLAT = convolution("conv", "data") + head("conv")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "list.txt").write_text(write(tmp_path, count=10))
    return tmp_path


def test_against_the_test_net(folder: Path) -> None:
    """Loss and accuracy are those of `lungo test`; the last batch is short."""
    net = opened(data() + FLAT, TEST, folder, once=True)
    store = Store(net.plan, seed=3)
    found = predict(net, store, ENGINE)
    result = TestNet(opened(data() + FLAT, TEST, folder, once=True), store, ENGINE, None, 0).run()
    assert result is not None
    assert found.accuracy == pytest.approx(result.values()["accuracy"])
    assert found.loss == pytest.approx(result.loss, rel=1e-6)
    assert found.probabilities.shape == (10, 3)
    assert found.probabilities.sum(1) == pytest.approx(np.ones(10), rel=1e-6)
    assert (found.probabilities.argmax(1) == found.classes).all()
    assert found.labels.tolist() == [number % 3 for number in range(10)]


def test_scores_that_are_probabilities_already(folder: Path) -> None:
    net = opened(data() + FLAT, TEST, folder, once=True)
    store = Store(net.plan, seed=3)
    text = data() + FLAT.replace(
        'bottom: "head" bottom: "label" top: "accuracy"', 'bottom: "p" bottom: "label" top: "accuracy"'
    )
    text = text.replace('layer { name: "accuracy"', layer("Softmax", "p", "head", "p") + 'layer { name: "accuracy"')
    with_softmax = opened(text, TEST, folder, once=True)
    store.adopt(with_softmax.plan)
    one, two = predict(net, store, ENGINE), predict(with_softmax, store, ENGINE)
    assert two.probabilities == pytest.approx(one.probabilities, rel=1e-5)
    assert two.loss == pytest.approx(one.loss, rel=1e-5)


def test_scores_with_a_place_each(folder: Path) -> None:
    """A fully convolutional net, pooled to 1 x 1, is judged as it is."""
    text = convolution("conv", "data", units=3) + layer(
        "Pooling", "pool", "conv", "pool", "pooling_param { pool: AVE global_pooling: true }"
    )
    judge = layer("Accuracy", "accuracy", "pool label", "accuracy")
    net = opened(data() + text + judge, TEST, folder, once=True)
    store = Store(net.plan, seed=3)
    assert predict(net, store, ENGINE).probabilities.shape == (10, 3)


def test_a_net_without_judge(folder: Path) -> None:
    net = opened(data() + convolution("conv", "data"), TEST, folder, once=True)
    with pytest.raises(UserError, match="which scores to evaluate"):
        predict(net, Store(net.plan, seed=3), ENGINE)
