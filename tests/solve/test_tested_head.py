"""Which classifiers a test judges, and what it calls them: several labels, several tasks, and nets without any."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from caffelungo.definition.reader import parse_net, read_net
from caffelungo.definition.schema import TEST
from caffelungo.plan import states
from caffelungo.plan.build_plan import build_plan
from caffelungo.solve.tested_head import head_of, judges
from caffelungo.weights import formats
from caffelungo.weights.weights import Weights
from tests.lungo import Ran, lungo
from tests.passes.numbers import random_blobs

DATA = """
layer { name: "d" type: "HDF5Data" top: "data" top: "a" top: "b" hdf5_data_param { source: "list.txt" batch_size: 4 } }
"""
BOTH = {"a": 2, "b": 3}


def fc(name: str, outputs: int, bottom: str = "data", param: str = "") -> str:
    return (
        f'layer {{ name: "{name}" type: "InnerProduct" bottom: "{bottom}" top: "{name}" {param} '
        f'inner_product_param {{ num_output: {outputs} weight_filler {{ type: "xavier" }} }} }}\n'
    )


def end(kind: str, name: str, *bottoms: str, rules: str = "") -> str:
    read = " ".join(f'bottom: "{one}"' for one in bottoms)
    return f'layer {{ name: "{name}" type: "{kind}" {read} top: "{name}" {rules} }}\n'


TRUNK = DATA + fc("fc7", 6)
LABELS = TRUNK + "".join(
    fc(f"fc_{one}", count, "fc7")
    + end("SoftmaxWithLoss", f"loss_{one}", f"fc_{one}", one, rules="include { phase: TRAIN }")
    + end("Accuracy", f"acc_{one}", f"fc_{one}", one, rules="include { phase: TEST }")
    for one, count in BOTH.items()
)
LOSSES = TRUNK + "".join(
    fc(f"fc_{one}", count, "fc7") + end("SoftmaxWithLoss", f"loss_{one}", f"fc_{one}", one)
    for one, count in BOTH.items()
)
AUXILIARY = (
    TRUNK + fc("early", 2, "fc7") + end("Accuracy", "early/top-1", "early", "a") + fc("late", 2, "fc7")
    + end("Accuracy", "late/top-1", "late", "a")
    + 'layer { name: "late/top-5" type: "Accuracy" bottom: "late" bottom: "a" top: "late/top-5" '
    + "accuracy_param { top_k: 2 } }\n" + end("Silence", "s", "b").replace(' top: "s"', "")
)  # fmt: skip
TASKS = LABELS.replace(
    '\nlayer { name: "d"',
    'lungo { head { name: "fc_a" task: "birds" label: "owl" label: "wren" } head { name: "fc_b" task: "rooms" } '
    'head { name: "fc_old" task: "cars" } }\nlayer { name: "d"', 1,
) + fc("fc_old", 5, "fc7") + end("Softmax", "old", "fc_old")  # fmt: skip
REGRESSION = TRUNK + fc("value", 1, "fc7") + end("EuclideanLoss", "loss", "value", "a")
SIAMESE = (
    TRUNK + fc("other", 6) + end("ContrastiveLoss", "loss", "fc7", "other", "a")
    + end("Silence", "s", "b").replace(' top: "s"', "")
)  # fmt: skip
ATTRIBUTES = TRUNK + fc("marks", 1, "fc7") + end("SigmoidCrossEntropyLoss", "loss", "marks", "a")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("heads")
    rng = np.random.default_rng(3)
    with h5py.File(path / "d.h5", "w") as file:
        file["data"] = rng.normal(size=(10, 5)).astype(np.float32)
        file["a"], file["b"] = (np.arange(10) % count for count in BOTH.values())
    (path / "list.txt").write_text("d.h5\n")
    return path


def report(folder: Path, text: str, *more: object) -> Ran:
    net = folder / "net.prototxt"
    net.write_text(text)
    sizes = text.replace("HDF5Data", "DummyData").replace(
        'hdf5_data_param { source: "list.txt" batch_size: 4 }',
        "dummy_data_param { shape { dim: 4 dim: 5 } shape { dim: 4 } shape { dim: 4 } }",
    )
    layers = {
        name: [blob.astype(np.float32) for blob in blobs] for name, blobs in random_blobs(parse_net(sizes)).items()
    }
    formats.write(folder / "w.caffemodel", Weights(layers), read_net(net).message)
    return lungo("test", "--model", net, "--weights", folder / "w.caffemodel", "--device", "cpu", *more)


def judged(text: str) -> list[str | None]:
    definition = parse_net(text)
    plan = build_plan(definition.message, states.state_of(definition, TEST), problems=[])
    return [head_of(plan, one) for one in judges(plan)]


@pytest.mark.parametrize(
    ("text", "heads"),
    [
        (LABELS, ["fc_a", "fc_b"]), (LOSSES, ["fc_a", "fc_b"]), (AUXILIARY, ["late"]), (TASKS, ["fc_a", "fc_b"]),
        (REGRESSION, []), (SIAMESE, []), (ATTRIBUTES, []),
    ],
    ids=["labels", "losses", "auxiliary", "tasks", "regression", "siamese", "attributes"],
)  # fmt: skip
def test_each_label_has_one_judge(text: str, heads: list[str]) -> None:
    assert judged(text) == heads


@pytest.mark.parametrize("text", [LABELS, LOSSES], ids=["labels", "losses"])
def test_every_classifier_is_reported_under_its_name(text: str, folder: Path, tmp_path: Path) -> None:
    done = report(folder, text, "-o", tmp_path)
    assert done.status == 0, done.err
    first, second = done.out.split("head     `fc_b`")
    assert first.startswith("head     `fc_a`\naccuracy ")
    assert second.startswith("\naccuracy ")
    kind = "acc" if text == LABELS else "loss"
    assert [line.split()[0] + line.split()[-1] for line in second.splitlines() if line.startswith(f"{kind}_")] == [
        f"{kind}_a(`fc_a`)", f"{kind}_b(`fc_b`)",
    ]  # fmt: skip
    for one, count in BOTH.items():
        table = (tmp_path / f"fc_{one}" / "confusion.csv").read_text().splitlines()
        cells = [list(map(int, line.split(",")[1:])) for line in table[1:]]
        assert [sum(row) for row in cells] == np.bincount(np.arange(10) % count).tolist()
        summary = json.loads((tmp_path / f"fc_{one}" / "summary.json").read_text())
        assert summary["right"] == sum(cells[k][k] for k in range(count))


def test_one_of_several_is_tested_alone_where_it_is_named(folder: Path, tmp_path: Path) -> None:
    done = report(folder, LABELS, "--head", "fc_b", "-o", tmp_path)
    assert done.status == 0, done.err
    assert "`fc_a`" not in done.out
    assert len((tmp_path / "confusion.csv").read_text().splitlines()) == 1 + BOTH["b"]
    wrong = report(folder, LABELS, "--head", "fc7")
    assert wrong.status == 2
    assert "test fc_a, fc_b" in wrong.err


def test_tasks_and_their_classes_are_called_by_name_and_what_no_label_is_for_is_said(folder: Path) -> None:
    done = report(folder, TASKS)
    assert done.status == 0, done.err
    first, second = done.out.split("head     `fc_b` (rooms)")
    assert "head     `fc_a` (birds)" in first
    assert "owl" in first
    assert "wren" in first
    assert "owl" not in second
    assert report(folder, TASKS, "--head", "birds").out.startswith("head     `fc_a` (birds); not `fc_b` (rooms)")


@pytest.mark.parametrize("text", [REGRESSION, SIAMESE, ATTRIBUTES], ids=["regression", "siamese", "attributes"])
def test_a_net_without_classifier_is_tested_without_tables(text: str, folder: Path, tmp_path: Path) -> None:
    done = report(folder, text, "-o", tmp_path)
    assert done.status == 0, done.err
    assert "loss = " in done.out
    assert "samples  10" in done.out
    assert "accuracy" not in done.out
    assert list(tmp_path.iterdir()) == []
