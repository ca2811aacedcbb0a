"""Samples per class: counted before training, used by train and test nets, kept by snapshots."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from caffelungo.data import label_uses
from caffelungo.definition import layer_options
from caffelungo.definition.schema import TEST, TRAIN
from caffelungo.errors import UserError
from caffelungo.solve import class_counts, run_training
from caffelungo.solve.chance_loss import StuckLoss
from caffelungo.solve.evaluate import run_test
from caffelungo.solve.options import TestOptions
from caffelungo.weights import solverstate
from tests.solve import helpers

WEIGHED = helpers.NET.replace(
    'name: "loss" type: "SoftmaxWithLoss"',
    'name: "loss" type: "SoftmaxWithLoss" lungo { softmax_with_loss { class_weights: inverse } }',
)
COUNTS = (6, 3, 1)
INVERSE = [10 / 18, 10 / 9, 10 / 3]


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def make(folder: Path, net: str = WEIGHED, counts: tuple[int, ...] = COUNTS, **fields: str) -> None:
    helpers.make(folder, net, **fields)
    write(folder / "data.h5", counts)


def write(path: Path, counts: tuple[int, ...]) -> None:
    rng = np.random.default_rng(1)
    labels = np.repeat(np.arange(len(counts)), counts)
    rng.shuffle(labels)
    with h5py.File(path, "w") as file:
        file["data"] = (rng.normal(size=(len(labels), 5)) + np.eye(5)[labels]).astype(np.float32)
        file["label"] = labels.astype(np.float32)


def losses_of(plan) -> list:
    return [planned.layer for planned, _ in class_counts.balanced(plan)]


def counts_in(net) -> list[int]:
    """The counts that the text of ``net`` gives its loss."""
    (loss,) = [one for one in net.layer if one.name == "loss"]
    return list(layer_options.value(loss.lungo, "softmax_with_loss").class_count)


def test_train_and_test_nets_know_the_counts_of_the_training_data(here):
    make(here, test_interval="10")
    training = helpers.solver().training
    for plan in (training.plan, training.tests[0].opened.plan):
        (layer,) = losses_of(plan)
        assert layer.counts == COUNTS
        assert layer.weights == pytest.approx(INVERSE)


def test_the_loss_is_the_weighted_one(here):
    make(here, WEIGHED.replace("batch_size: 4", "batch_size: 10"), max_iter="1", display="1")
    seen = helpers.Losses()
    solver = helpers.solver(observers=[seen])
    with h5py.File("data.h5") as file:
        labels = torch.tensor(file["label"][:].astype(np.int64))
        data = torch.tensor(file["data"][:])
    blobs = {key: tensor.detach().clone() for key, tensor in solver.training.store.tensors.items()}
    hidden = torch.relu(data @ blobs["ip1", 0].T + blobs["ip1", 1])
    scores = hidden @ blobs["ip2", 0].T + blobs["ip2", 1]
    solver.step(1)
    wanted = torch.nn.functional.cross_entropy(scores, labels, torch.tensor(INVERSE))
    assert seen.seen[0] == pytest.approx(float(wanted), rel=1e-5)


@pytest.mark.parametrize(
    ("net", "guessing"),
    [(helpers.NET, -(0.6 * np.log(0.6) + 0.3 * np.log(0.3) + 0.1 * np.log(0.1))), (WEIGHED, np.log(3))],
    ids=["plain", "weighed"],
)
def test_the_loss_of_guessing_is_that_of_the_weighed_classes(here, net, guessing):
    """With weights by inverse frequency all classes count alike, and no share of theirs is better than another."""
    make(here, net)
    stuck = StuckLoss(helpers.solver().training, print)
    assert stuck.known
    assert stuck.shares == pytest.approx(guessing)


@pytest.mark.parametrize("block", ["logit_adjustment: 1", "focal_gamma: 2"])
def test_a_loss_on_another_scale_is_not_compared_with_guessing(here, block):
    make(here, WEIGHED.replace("class_weights: inverse", block))
    assert not StuckLoss(helpers.solver().training, print).known


def test_counts_are_said_once(here, capsys):
    make(here, max_iter="2", display="1")
    run_training.train(helpers.options(quiet=False))
    printed = capsys.readouterr().err
    assert printed.count("class weights by inverse frequency") == 1
    assert "samples per class: 0 6 (weight 0.556), 1 3 (weight 1.11), 2 1 (weight 3.33)" in " ".join(printed.split())


def test_counts_in_the_file_are_left_alone(here):
    make(here, WEIGHED.replace("class_weights: inverse", "class_weights: inverse class_count: [1, 1, 8]"))
    training = helpers.solver().training
    assert losses_of(training.plan)[0].counts == (1, 1, 8)
    assert not training.opened.counted


def test_a_resumed_run_keeps_the_counts_it_began_with(here, capsys):
    make(here, snapshot="5", max_iter="10", test_interval="5")
    run_training.train(helpers.options())
    kept = solverstate.read(here / "out/s_iter_10.solverstate").extras.net
    assert [int(count) for count in re.findall(r"class_count: (\d+)", kept)] == list(COUNTS)
    write(here / "data.h5", (4, 4, 2))
    capsys.readouterr()
    solver = helpers.solver()
    notes = solver.restore("out/s_iter_10.solverstate")
    assert any("keeps the counts" in note and "6, 3, 1" in note and "4, 4, 2" in note for note in notes)
    assert not any("class_count" in note for note in notes)
    training = solver.training
    for plan in (training.plan, training.tests[0].opened.plan):
        assert losses_of(plan)[0].counts == COUNTS
        assert losses_of(plan)[0].weights == pytest.approx(INVERSE)
    assert counts_in(training.opened.text.message) == list(COUNTS)


def test_a_resumed_run_ends_where_the_unbroken_one_does(here):
    make(here, snapshot="5", max_iter="10")
    run_training.train(helpers.options())
    whole = (here / "out/s_iter_10.caffemodel").read_bytes()
    for path in (here / "out").glob("s_iter_10.*"):
        path.unlink()
    run_training.train(helpers.options(resume=True))
    assert (here / "out/s_iter_10.caffemodel").read_bytes() == whole


def pictures(folder: Path) -> str:
    """A net on 9 pictures, of which it draws 6 of one class and 3 of the other equally often."""
    from PIL import Image

    lines = []
    for number in range(9):
        Image.new("RGB", (4, 4), (20 * number, 0, 0)).save(folder / f"{number}.png")
        lines.append(f"{number}.png {int(number > 5)}")
    (folder / "pictures.txt").write_text("\n".join(lines) + "\n")
    return (
        'layer { name: "data" type: "ImageData" top: "data" top: "label" image_data_param { source: "pictures.txt" '
        "batch_size: 4 } lungo { image_data { class_balanced: true } } transform_param { crop_size: 3 mirror: true } "
        'include { phase: TRAIN } } layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" '
        'inner_product_param { num_output: 2 weight_filler { type: "xavier" } } }'
        'layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" '
        "lungo { softmax_with_loss { logit_adjustment: 1 } } }"
    )


def test_a_resumed_run_draws_classes_as_the_unbroken_one_does(here):
    helpers.make(here, pictures(here), snapshot="5", max_iter="10", base_lr="0.001")
    run_training.train(helpers.options())
    whole = (here / "out/s_iter_10.caffemodel").read_bytes()
    for path in (here / "out").glob("s_iter_10.*"):
        path.unlink()
    run_training.train(helpers.options(resume=True))
    assert (here / "out/s_iter_10.caffemodel").read_bytes() == whole


def test_the_weights_file_holds_a_net_that_trains_without_the_data(here):
    from caffelungo.weights import caffemodel

    make(here, max_iter="2", snapshot="2")
    run_training.train(helpers.options())
    assert counts_in(caffemodel.read_net(str(here / "out/s_iter_2.caffemodel"))) == list(COUNTS)


def test_a_test_alone_uses_the_training_data_of_the_file(here, capsys):
    net = WEIGHED.replace(
        'source: "list.txt" batch_size: 4 } }', 'source: "list.txt" batch_size: 4 } include { phase: TRAIN } }'
    )
    net += (
        'layer { name: "data" type: "HDF5Data" top: "data" top: "label" include { phase: TEST } '
        'hdf5_data_param { source: "test.txt" batch_size: 4 } }'
    )
    lines = net.strip().splitlines()
    net = "\n".join([lines[0], lines[1], lines[-1], *lines[2:-1]])
    make(here, net, max_iter="2", snapshot="2", test_interval="2")
    write(here / "test.h5", (2, 2, 2))
    (here / "test.txt").write_text("test.h5\n")
    run_training.train(helpers.options())
    found = run_test(TestOptions(model="net.prototxt", weights=["out/s_iter_2.caffemodel"], device="cpu", quiet=True))
    record = max(here.glob("out/*/metrics.csv"))
    rows = [line.split(",") for line in record.read_text().splitlines()]
    (tested,) = [row[-1] for row in rows if row[0] == "2" and {"test", "loss"} <= set(row)]
    assert found.outputs["loss"] == pytest.approx(float(tested), rel=1e-6)
    (here / "list.txt").unlink()
    capsys.readouterr()
    plain = run_test(TestOptions(model="net.prototxt", weights=["out/s_iter_2.caffemodel"], device="cpu"))
    assert "`loss` is computed without the weights of its classes" in " ".join(capsys.readouterr().err.split())
    assert plain.outputs["loss"] != pytest.approx(found.outputs["loss"], rel=1e-3)


def confusion(net: str, weights: str) -> np.ndarray:
    from caffelungo.report.glog import CaffeLog
    from caffelungo.solve.evaluate import evaluate
    from caffelungo.solve.open_test_net import open_test_net

    found = evaluate(open_test_net(TestOptions(model=net, weights=[weights], device="cpu", quiet=True), CaffeLog()))
    return found.classified.confusion


@pytest.mark.parametrize("name", ["balanced_accuracy", "macro_f1"])
def test_the_best_weights_by_a_mean_over_classes(here, name, capsys):
    """What is watched is what the kept weights reach, by scikit-learn on their own answers."""
    from sklearn import metrics

    make(here, max_iter="12", test_interval="1", base_lr="0.5",
         extra=f'lungo {{ keep_best: true watch: "{name}" }}')  # fmt: skip
    run_training.train(helpers.options(quiet=False))
    printed = " ".join(capsys.readouterr().err.split())
    shown = re.search(rf"best weights in \S+ {name} (\S+)", printed)[1]
    with Path("out/s_run_001/metrics.csv").open() as file:
        best = max(float(row["value"]) for row in csv.DictReader(file) if row["name"] == name)
    matrix = confusion("net.prototxt", "out/s_best.caffemodel")
    true, answers = np.nonzero(np.ones_like(matrix))
    true, answers = np.repeat(true, matrix.ravel()), np.repeat(answers, matrix.ravel())
    scored = {
        "balanced_accuracy": metrics.balanced_accuracy_score(true, answers),
        "macro_f1": metrics.f1_score(true, answers, average="macro"),
    }[name]
    assert best == pytest.approx(scored, abs=1e-5)
    assert shown == f"{scored:.1%}"
    rows = [line.split(",") for line in max(here.glob("out/*/metrics.csv")).read_text().splitlines()]
    assert best == pytest.approx(max(float(row[-1]) for row in rows if name in row), abs=1e-5)
    assert f"{name} " in printed


def test_means_over_classes_are_shown_where_classes_differ_in_size(here, capsys):
    make(here, max_iter="2", test_interval="2")
    run_training.train(helpers.options(quiet=False))
    assert "macro_f1" in capsys.readouterr().err
    make(here, counts=(4, 3, 3), max_iter="2", test_interval="2")
    run_training.train(helpers.options(quiet=False, overwrite=True))
    assert "macro_f1" not in capsys.readouterr().err


def test_a_misspelt_measure_is_named(here):
    make(here, test_interval="2", extra='lungo { watch: "balanced_acuracy" }')
    with pytest.raises(UserError, match="no output of the test net") as caught:
        helpers.solver()
    assert "balanced_accuracy" in str(caught.value.problems[0].remedy)


def test_the_labels_of_a_net_are_read_once(here, monkeypatch):
    """By everything that is looked at before the first iteration; the train net once more, to be counted."""
    make(here, max_iter="1", test_interval="1")
    read = []
    real = label_uses.look
    monkeypatch.setattr(label_uses, "look", lambda plan, sources: read.append(plan.phase) or real(plan, sources))
    run_training.train(helpers.options())
    assert sorted(read) == [TRAIN, TRAIN, TEST]


def test_labels_that_cannot_be_counted(here):
    """The net computes them, so that only running it would tell."""
    power = 'layer { name: "power" type: "Power" bottom: "label" top: "made" }'
    net = WEIGHED.replace('bottom: "label" top: "loss"', 'bottom: "made" top: "loss"').replace(
        'layer { name: "loss"', f'{power} layer {{ name: "loss"'
    )
    make(here, net)
    with pytest.raises(UserError, match="cannot be counted") as caught:
        helpers.solver()
    assert "class_count: [120, 30]" in str(caught.value.problems[0].remedy)


def test_outputs_that_are_1_or_0(here):
    """Targets of several labels: the ones and the zeros of each output."""
    block = "lungo { sigmoid_cross_entropy_loss { class_weights: inverse } } loss_param { ignore_label: -1 }"
    net = helpers.NET.replace('type: "SoftmaxWithLoss"', f'type: "SigmoidCrossEntropyLoss" {block}')
    net = "\n".join(line for line in net.splitlines() if "Accuracy" not in line)
    helpers.make(here, net)
    with h5py.File("data.h5", "w") as file:
        file["data"] = np.zeros((6, 5), np.float32)
        file["label"] = np.array([[1, 0, 1], [0, 0, 1], [0, 0, 1], [0, 1, 1], [1, 1, 0], [0, -1, 1]], np.float32)
    (layer,) = losses_of(helpers.solver().training.plan)
    assert layer.counts == (2, 2, 5)
    assert layer.others == (4, 3, 1)
    assert layer.weights == pytest.approx([2, 1.5, 0.2])


def test_two_corrections_are_said(here):
    helpers.make(here, pictures(here))
    opened = helpers.solver().training.opened
    assert losses_of(opened.plan)[0].counts == (6, 3)
    (text,) = class_counts.twice(opened)
    assert "keep one of them" in text
