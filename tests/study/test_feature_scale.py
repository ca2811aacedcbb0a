"""How large the features are: by hand, from the pictures' own pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from caffelungo.solve.step_size import FASTEST
from caffelungo.study.cells import Cell, CellPlace, Inputs
from caffelungo.study.feature_scale import centre, measure
from tests.study.nets import convolution, data, head, layer, write

COUNT = 8


@pytest.fixture
def listed(tmp_path: Path) -> str:
    return write(tmp_path / "pictures", COUNT)


def pixels(listed: str) -> np.ndarray:
    """The pictures as the net sees them: N x 3 x 12 x 12, less 100, times 0.01."""
    names = [line.split()[0] for line in listed.splitlines()]
    return np.stack([(np.asarray(Image.open(name), float).transpose(2, 0, 1) - 100) / 100 for name in names])


def measured(folder: Path, text: str, listed: str) -> dict[str, float]:
    inputs = Inputs(folder)
    fields = {"net": inputs.add(text, ".prototxt"), "weights": "", "list": inputs.add(listed, ".txt")}
    return measure(Cell("caffelungo.study.feature_scale:measure", fields), CellPlace(folder, folder))


def pooled(bottom: str) -> str:
    return layer("Pooling", "pool", bottom, "pool", "pooling_param { pool: AVE global_pooling: true }")


def answers(text: str) -> str:
    """``text`` whose scores are ``pool``, with a loss."""
    return text + layer("SoftmaxWithLoss", "loss", "pool label", "loss")


def test_flat_features(tmp_path: Path, listed: str) -> None:
    """A classifier that reads pooled pictures: three numbers each."""
    found = measured(tmp_path, data() + pooled("data") + head("pool", rate=10), listed)
    h = pixels(listed).mean(axis=(2, 3))
    assert found["energy"] == pytest.approx((h * h).sum(1).mean(), rel=1e-4)
    assert (found["lr_mult"], found["layers"], found["head"]) == (10, 1, "head")


def test_an_inner_product_reads_every_place(tmp_path: Path, listed: str) -> None:
    found = measured(tmp_path, data() + head("data"), listed)
    assert found["energy"] == pytest.approx((pixels(listed) ** 2).sum(axis=(1, 2, 3)).mean(), rel=1e-4)


def test_answers_averaged_over_places(tmp_path: Path, listed: str) -> None:
    """The features are averaged as the answers are; new layers below the classifier count."""
    text = answers(data() + convolution("score", "data", rate=10, units=3) + pooled("score"))
    found = measured(tmp_path, text, listed)
    h = pixels(listed).mean(axis=(2, 3))
    assert found["energy"] == pytest.approx((h * h).sum(1).mean(), rel=1e-4)
    assert (found["lr_mult"], found["layers"], found["head"]) == (10, 1, "score")


@pytest.mark.parametrize(("old", "new", "layers"), [(1, 10, 2), (10, 10, 3), (0, 0, 1)])
def test_layers_that_learn_as_fast_are_counted(
    tmp_path: Path, listed: str, old: float, new: float, layers: int
) -> None:
    text = data() + convolution("old", "data", rate=old) + convolution("new", "old", rate=new)
    found = measured(tmp_path, text + pooled("new") + head("pool", rate=10), listed)
    assert found["layers"] == layers


def test_at_the_rate_of_old_layers_the_classifier_alone_counts(tmp_path: Path, listed: str) -> None:
    text = data() + convolution("old", "data", rate=1) + pooled("old") + head("pool", rate=1)
    assert measured(tmp_path, text, listed)["layers"] == 1


def test_the_middle_of_the_range() -> None:
    assert centre({"energy": 10_000.0, "lr_mult": 10, "layers": 1}) == 5e-5
    assert centre({"energy": 10_000.0, "lr_mult": 10, "layers": 3}) == 1.7e-5
    assert centre({"energy": 10_000.0, "lr_mult": 10, "layers": 1}, fitted=True) == 5e-6
    assert centre({"energy": 0.0, "lr_mult": 10, "layers": 1}) == FASTEST
    assert centre({"energy": 1.0, "lr_mult": 1, "layers": 1}) == FASTEST
