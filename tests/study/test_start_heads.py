"""Where fresh classifiers start: the net then answers as a converged linear classifier on what it reads."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from caffelungo.definition.reader import parse_net
from caffelungo.study.cells import JSON, Cell, CellPlace
from caffelungo.study.linear_classifier import converged, copies, even
from caffelungo.study.start_heads import HEADS, PENALTIES, start
from caffelungo.study.train_cell import train
from caffelungo.weights import formats
from caffelungo.weights.weights import Weights
from tests.study.nets import STILL, convolution, data, head, layer
from tests.study.test_train_cell import Study

FLAT = data("", "") + convolution("conv", "data") + layer("ReLU", "relu", "conv", "conv") + head("conv")
ANSWERS = layer("SoftmaxWithLoss", "loss", "pool label", "loss") + layer(
    "Accuracy", "accuracy", "pool label", "accuracy", "include { phase: TEST }"
)
POOL = layer("Pooling", "pool", "head", "pool", "pooling_param { pool: AVE global_pooling: true }")


RNG = np.random.default_rng(0)
BLOBS = {
    name: [RNG.normal(0, 0.3, shape).astype(np.float32) for shape in shapes]
    for name, shapes in {"conv": ((5, 3, 3, 3), (5,)), "head": ((3, 5 * 12 * 12), (3,))}.items()
}


def averaged(kernel: int = 1, between: str = "", pool: str = POOL) -> str:
    """A net whose answers are means over places, as SqueezeNet's."""
    scores = (
        'layer { name: "head" type: "Convolution" bottom: "conv" top: "head" '
        f"convolution_param {{ num_output: 3 kernel_size: {kernel} weight_filler {{ type: 'xavier' }} }} }}\n"
    )
    return data("", "") + convolution("conv", "data") + scores + between + pool + ANSWERS


def begun(study: Study) -> tuple[Cell, dict[str, JSON]]:
    """The cell of a start, run, and its values."""
    fields = {name: study.fields[name] for name in ("net", "fit", "seed", "batch")}
    cell = Cell(
        "caffelungo.study.start_heads:start", {"weights": "", "pictures": "", **study.fields_of_start, **fields}
    )
    study.keep(cell, start)
    return cell, study.values(cell)


class Begun(Study):
    """A study whose cells may be starts."""

    def __init__(self, folder: Path, text: str) -> None:
        super().__init__(folder, text)
        self.fields_of_start: dict[str, JSON] = {}

    def keep(self, cell: Cell, function: object) -> None:
        folder = self.folder / "cells" / cell.key
        folder.mkdir(parents=True)
        values = function(cell, CellPlace(folder, self.folder))  # type: ignore[operator]
        result = {"status": "done", "values": values, "error": None, "seconds": 1.0, "cpu_seconds": 1.0}
        (folder / "result.json").write_text(json.dumps(result, allow_nan=False))

    def values(self, cell: Cell) -> dict[str, JSON]:
        return CellPlace(self.folder, self.folder).of(cell).values


@pytest.mark.parametrize(
    "text",
    [
        FLAT,
        averaged(),
        averaged(between=layer("ReLU", "after", "head", "head")),
        averaged(12, pool=layer("Flatten", "pool", "head", "pool")),
        data("", "") + convolution("conv", "data") + layer("Dropout", "drop", "conv", "conv") + head("conv"),
    ],
    ids=["inner product", "averaged", "averaged behind a ReLU", "one place", "behind a dropout"],
)
def test_the_net_answers_as_the_linear_classifier(text: str, tmp_path: Path) -> None:
    """What the classes of three colours are is known before the first iteration."""
    study = Begun(tmp_path, text)
    cell, values = begun(study)
    assert values["why_not"] == {}
    told = values["heads"]["head"]
    trained = study.run(study.cell(cell, heads=0, rate=STILL, iterations=1))
    plain = study.run(study.cell(rate=STILL, iterations=1))
    # Three colours: a converged classifier has learned them, what the filler gave knows nothing.
    assert told["accuracy"] > 0.7
    assert trained["test_accuracy"] > 0.7
    assert trained["test_loss"] < 0.8 * plain["test_loss"]
    learned = study.run(study.cell(cell, heads=0, rate=STILL, iterations=1, test=study.fields["fit"]))
    assert learned["test_accuracy"] == 1
    assert learned["test_loss"] < 0.6


def test_the_answers_are_those_of_the_fit_to_the_digit(tmp_path: Path) -> None:
    """The same regression on features computed outside: conv, ReLU, flatten, with torch's own functions."""
    study = Begun(tmp_path, FLAT)
    blobs = BLOBS
    path = tmp_path / "w.caffemodel"
    formats.write(path, Weights({"conv": blobs["conv"]}), parse_net(FLAT).message)
    study.fields["weights"] = study.inputs.add(path)
    study.fields_of_start = {"weights": study.fields["weights"]}
    cell, values = begun(study)

    def files(name: str) -> list[list[str]]:
        return [line.split() for line in study.inputs.path(study.fields[name]).read_text().splitlines()]

    def features(name: str) -> tuple[torch.Tensor, torch.Tensor]:
        lines = files(name)
        # Caffe's pictures are BGR.
        pixels = np.stack([np.asarray(Image.open(file), np.float32)[..., ::-1].transpose(2, 0, 1) for file, _ in lines])
        weight, bias = (torch.from_numpy(blob) for blob in blobs["conv"])
        maps = torch.nn.functional.conv2d(torch.from_numpy((pixels - 100) * 0.01), weight, bias, padding=1).relu()
        return maps.flatten(1), torch.tensor([int(label) for _, label in lines])

    x, y = features("fit")
    told = values["heads"]["head"]
    fit = converged(x, y, 3, seed=1, penalties=PENALTIES, groups=copies([file for file, _ in files("fit")]))
    assert told["penalty"] == pytest.approx(fit.penalty)
    assert told["loss"] == pytest.approx(fit.loss, rel=0.02)
    there, true = features("test")
    expected = torch.nn.functional.cross_entropy(fit.answers(there), true).item()
    trained = study.run(study.cell(cell, heads=0, rate=STILL, iterations=1))
    assert trained["test_loss"] == pytest.approx(expected, rel=0.02)
    assert trained["predictions"] == fit.answers(there).argmax(1).tolist()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (averaged(3), "averaged over places"),
        (averaged(pool=POOL.replace("AVE", "MAX")), "averaged over places"),
        (averaged(between=layer("TanH", "after", "head", "head")), "its outputs pass TanH"),
        (
            FLAT.replace("num_output: 3 ", "num_output: 3 bias_term: false ").replace(
                "param { lr_mult: 1 } param { lr_mult: 1 } inner", "param { lr_mult: 1 } inner"
            ),
            "it has no bias",
        ),
    ],
)
def test_what_is_not_linear_starts_from_its_filler(text: str, why: str, tmp_path: Path) -> None:
    study = Begun(tmp_path, text)
    cell, values = begun(study)
    assert values["heads"] == {}
    assert why in values["why_not"]["head"]
    assert not (study.folder / "cells" / cell.key / HEADS).exists()
    one, two = study.run(study.cell(cell, heads=0)), study.run(study.cell())
    assert one["loss_curve"] == two["loss_curve"]


def test_a_classifier_with_weights_stays(tmp_path: Path) -> None:
    study = Begun(tmp_path, FLAT)
    path = tmp_path / "w.caffemodel"
    formats.write(path, Weights(BLOBS), parse_net(FLAT).message)
    study.fields_of_start = {"weights": study.inputs.add(path)}
    assert begun(study)[1]["heads"] == {}


def test_features_that_hardly_stir_stay_small() -> None:
    """By hand: deviations 4, 2 and 0.02; their root mean square is 2.58. Blocks are made even by themselves."""
    signs = torch.tensor([1.0, -1.0]).repeat(4)[:, None]
    x = signs * torch.tensor([[4.0, 2.0, 0.02]]) + 5
    rms = (20.0004 / 3) ** 0.5
    found = even(x, [3])(x)
    assert found[0].tolist() == pytest.approx([1, 2 / rms, 0.02 / rms], rel=1e-4)
    assert even(x, [2, 1])(x)[0].tolist() == pytest.approx([1, 2 / 10**0.5, 1], rel=1e-4)
    assert torch.isfinite(even(torch.ones(4, 2), [2])(torch.ones(4, 2))).all()


def test_copies_of_a_picture_have_one_word(tmp_path: Path) -> None:
    for name, content in (("a", b"1"), ("b", b"2"), ("c", b"1")):
        (tmp_path / name).write_bytes(content)
    one, two, three = copies([tmp_path / name for name in "abc"])
    assert one == three != two


def test_training_goes_on_from_there(tmp_path: Path) -> None:
    study = Begun(tmp_path, FLAT)
    cell, _ = begun(study)
    moved = study.cell(cell, heads=0, keep="weights")
    study.keep(moved, train)
    before = formats.read(study.folder / "cells" / cell.key / HEADS).layers["head"]
    after = formats.read(study.folder / "cells" / moved.key / "model.caffemodel").layers["head"]
    assert not np.array_equal(before[0], after[0])
    assert np.abs(before[0] - after[0]).max() < np.abs(before[0]).max()
