"""Labels outside the classes: before training where the data hold them, in the run where the net makes them."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from caffelungo.errors import UserError
from caffelungo.report.glog import CaffeLog
from caffelungo.solve import evaluate, run_training, snapshot
from caffelungo.solve.labels_outside import LabelError
from caffelungo.solve.open_test_net import open_test_net
from caffelungo.solve.options import TestOptions
from tests.solve import helpers

COMPUTED = helpers.NET.replace('bottom: "label"', 'bottom: "moved"').replace(
    'layer { name: "ip1"',
    'layer { name: "move" type: "Power" bottom: "label" top: "moved" power_param { shift: SHIFT } }\n'
    'layer { name: "ip1"',
    1,
)
ACCURACY = 'layer { name: "accuracy" type: "Accuracy"'
TESTED = {"test_interval": "4", "test_iter": "2", "test_initialization": "false"}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def relabel(values: list[float], name: str = "data.h5") -> None:
    with h5py.File(name, "a") as file:
        file["label"][...] = values


@pytest.mark.parametrize("caffe", [False, True])
@pytest.mark.parametrize("phase", ["TRAIN", "TEST"])
def test_labels_of_the_data_are_looked_at_before_training(folder, phase, caffe):
    loss = helpers.NET.splitlines()[-1]
    net = helpers.NET.replace(loss, loss.replace('top: "loss"', 'top: "loss" include { phase: TRAIN }'))
    data = net.splitlines()[2]
    own = data.replace('"label"', '"label" include { phase: TRAIN }'), data.replace("list.txt", "test.txt")
    helpers.make(folder, net.replace(data, f"{own[0]}\n{own[1].replace('type', 'include { phase: TEST } type', 1)}"),
                 **TESTED)  # fmt: skip
    helpers.write_data(folder / "test.h5")
    (folder / "test.txt").write_text("test.h5\n")
    relabel([0, 1, 2, 0, 7, 1, 2, 0, 1, 7], "data.h5" if phase == "TRAIN" else "test.h5")
    with pytest.raises(UserError, match="do not fit the classifier") as error:
        run_training.train(helpers.options(caffe=caffe, tensorboard=False))
    assert "row 4" in str(error.value)
    assert str(error.value.problems[0].where).startswith("net.prototxt:")
    assert not list(folder.glob("out/*"))


def test_a_test_looks_at_them_too(folder):
    helpers.make(folder)
    solver = helpers.solver()
    solver.step(1)
    weights = solver.snapshot().weights
    relabel([0, 1, 2, 0, 7, 1, 2, 0, 1, 7])
    with pytest.raises(UserError, match="do not fit the classifier"):
        open_test_net(TestOptions(model="net.prototxt", weights=(str(weights),), device="cpu", quiet=True), CaffeLog())


@pytest.mark.parametrize("kind", ["SoftmaxWithLoss", "HingeLoss"])
@pytest.mark.parametrize("shift", ["2", "-1"])
def test_a_label_that_the_net_computes_ends_training_with_what_was_learnt(folder, kind, shift):
    helpers.make(folder, COMPUTED.replace("SHIFT", shift).replace("SoftmaxWithLoss", kind), display="1")
    relabel([0.0] * 10 if shift == "2" else [1.0] * 10)
    solver = helpers.solver()
    solver.step(5)
    good = {key: tensor.clone() for key, tensor in solver.training.store.tensors.items()}
    for arrays in solver.training.opened.sources[0]._loaded.values():
        arrays["label"][1] = 2 if shift == "2" else 0
    with pytest.raises(LabelError) as error:
        solver.step(5)
    value = "4" if shift == "2" else "-1"
    text = str(error.value)
    assert f"iteration 5: layer `loss` ({kind}) reads {value} of sample 1 of the batch from blob `moved`" in text
    assert "has 3 classes (0 to 2)" in text
    assert "snapshot of iteration 5" in text
    kept = snapshot.listed(solver.training.prefix)[-1]
    assert kept.iteration == 5
    again = helpers.solver()
    again.restore(kept.state)
    assert (again.iteration, again.training.batches) == (5, 5)
    assert all(tensor.equal(good[key]) for key, tensor in again.training.store.tensors.items())


def test_a_test_net_that_computes_them_ends_training_likewise(folder):
    net = COMPUTED.replace("SHIFT", "1").replace('type: "Power"', 'type: "Power" include { phase: TEST }')
    loss = (
        net.splitlines()[-1]
        .replace('"moved"', '"label"')
        .replace('top: "loss"', 'top: "loss" include { phase: TRAIN }')
    )
    net = "\n".join([*net.splitlines()[:-1], loss])
    helpers.make(folder, net, **TESTED)
    with pytest.raises(LabelError, match=r"layer `accuracy` \(Accuracy\) reads 3 of sample 2") as error:
        run_training.train(helpers.options(tensorboard=False))
    assert "snapshot of iteration 4" in str(error.value)
    assert [one.iteration for one in snapshot.listed(folder / "out" / "s")] == [4]
    weights = str(snapshot.listed(folder / "out" / "s")[0].weights)
    built = open_test_net(TestOptions(model="net.prototxt", weights=(weights,), device="cpu", quiet=True), CaffeLog())
    with pytest.raises(LabelError, match="reads 3 of sample 2"):
        evaluate.evaluate(built)


def test_nothing_is_saved_of_a_run_that_learnt_nothing(folder):
    helpers.make(folder, COMPUTED.replace("SHIFT", "3"))
    with pytest.raises(LabelError, match="nothing was trained before it"):
        helpers.solver().step(3)
    assert not list(folder.glob("out/*"))


@pytest.mark.parametrize("wrong", [7.0, -1.0, float("nan")])
@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("SoftmaxWithLoss", ""), ("HingeLoss", ""), ("MultinomialLogisticLoss", ""), ("Accuracy", ""),
        ("Accuracy", 'top: "each"'), ("SoftmaxWithLoss", "loss_param { ignore_label: 255 }"),
        ("Accuracy", "accuracy_param { ignore_label: 255 }"),
    ],
)  # fmt: skip
def test_every_reader_gives_nan_and_reads_no_foreign_memory(kind, more, wrong):
    import torch
    from google.protobuf import text_format

    from caffelungo.definition.schema import LayerParameter
    from caffelungo.layers.base import State
    from caffelungo.layers.registry import find

    text = f'name: "x" type: "{kind}" bottom: "a" bottom: "b" top: "y" {more}'
    layer = find(kind)(text_format.Parse(text, LayerParameter()))
    scores = torch.softmax(torch.from_numpy(np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)), 1)
    good, bad = torch.tensor([0.0, 2, 1, 255 if "ignore" in more else 0]), torch.tensor([0.0, wrong, 1, 0])
    assert all(torch.isfinite(top).all() for top in layer.compute([scores, good], [], State()))
    assert all(torch.isnan(top).all() for top in layer.compute([scores, bad], [], State()))
