"""Linear classifiers on the frozen net: their numbers against another solver, and what they must not look at."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from caffelungo.study import frozen_baseline
from caffelungo.study.arms import ARMS, Configuration
from caffelungo.study.cells import JSON, Cell, CellPlace, CellResult
from caffelungo.study.probe_cell import probe
from caffelungo.study.search import ArmCandidate
from tests.study.compared import TASK, done
from tests.study.nets import convolution, data, head, layer
from tests.study.test_train_cell import Study

TEXT = (
    data()
    + convolution("conv1", "data")
    + layer("ReLU", "relu1", "conv1", "conv1")
    + convolution("conv2", "conv1", units=7)
    + layer("ReLU", "relu2", "conv2", "conv2")
    + head("conv2")
)


def probed(study: Study, **changes: JSON) -> dict[str, JSON]:
    fields = {name: study.fields[name] for name in ("net", "fit", "validation", "test", "seed", "batch")}
    given = {"weights": "", "pictures": "", "blobs": ["conv1", "conv2"], **fields, **changes}
    folder = study.folder / "probes"
    folder.mkdir(exist_ok=True)
    return probe(Cell("caffelungo.study.probe_cell:probe", given), CellPlace(folder, study.folder))


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return Study(tmp_path, TEXT)


def test_one_for_each_layer_and_one_for_all(study: Study) -> None:
    values = probed(study)
    assert [one["blobs"] for one in values["probes"]] == [["conv1"], ["conv2"], ["conv1", "conv2"]]
    assert [one["features"] for one in values["probes"]] == [10, 14, 24]
    assert [one["parameters"] for one in values["probes"]] == [3 * 11, 3 * 15, 3 * 25]
    assert values["labels"] == [0, 1, 2, 0, 1, 2, 0]
    for one in values["probes"]:
        assert len(one["predictions"]) == 7
        assert one["accuracy"] > 0.7
        assert np.isfinite([one["loss"], one["validation_loss"], one["penalty"]]).all()
    assert [one["blobs"] for one in probed(study, blobs=["conv2"])["probes"]] == [["conv2"]]


def test_validation_and_test_pictures_have_no_say(study: Study) -> None:
    """Other pictures there change what is said of them, and nothing of the classifiers."""
    one = probed(study)
    other = probed(study, validation=study.fields["test"], test=study.fields["validation"])
    for first, second in zip(one["probes"], other["probes"], strict=True):
        assert [first[name] for name in ("penalty", "loss", "accuracy")] == [
            second[name] for name in ("penalty", "loss", "accuracy")
        ]
    assert len(other["probes"][0]["predictions"]) == 5


def test_a_single_layer_is_enough_for_the_bar(study: Study) -> None:
    values = probed(study, blobs=["conv1"])
    assert values == probed(study, blobs=["conv1"]) | {"probes": values["probes"]}


def test_the_cells_of_a_bar() -> None:
    from caffelungo.definition.reader import parse_net

    one = ArmCandidate(Configuration(ARMS["finetune"], "NEW"), TASK, "net", ["w", "w"])
    cells = frozen_baseline.cells(one, parse_net(TEXT), 4)
    assert [cell.fields["seed"] for cell in cells] == [0, 1]
    assert cells[0].fields["blobs"] == ["conv1", "conv2"]
    probes = [
        {"blobs": ["conv1"], "predictions": [1] * 10, "loss": 0.5, "validation_accuracy": 0.5, "parameters": 8,
         "seconds": 1.0},
        {"blobs": ["conv1", "conv2"], "predictions": [0] * 10, "loss": 0.2, "validation_accuracy": 0.9,
         "parameters": 16, "seconds": 3.0},
    ]  # fmt: skip
    results = {cell.key: done(cell.key, {"probes": probes, "labels": [1] * 10}) for cell in cells}
    first, second = frozen_baseline.outcomes(TASK, cells, results)
    assert first.right is not None
    assert (first.right == 1).all()
    assert (second.loss, second.seconds, second.parameters) == (0.2, 3.0, 16)
    # By the cross-validation's loss, though it has no test picture right.
    assert frozen_baseline.best([first, second]) is second
    results[cells[1].key] = CellResult(cells[1].key, "failed", {}, "no", 1.0, 1.0, Path())
    (failed,) = frozen_baseline.outcomes(TASK, cells, results)
    assert (failed.failure, failed.right) == ("no", None)
    assert frozen_baseline.best([failed]) is None


def test_what_is_probed_is_the_net_as_it_is() -> None:
    plan = [
        ArmCandidate(Configuration(ARMS["finetune"], "NEW"), TASK, refusal="no"),
        ArmCandidate(Configuration(ARMS["wider"], "ALL", 4), TASK),
        ArmCandidate(Configuration(ARMS["finetune"], "ALL"), TASK),
    ]
    assert frozen_baseline.reference(plan) is plan[2]
    assert frozen_baseline.reference(plan[:2]) is None
