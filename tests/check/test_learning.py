"""`lungo check` on what cannot learn, and on weights beside nets and solvers."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from caffelungo.check import check
from caffelungo.weights import Weights, formats

DATA = (
    'layer { name: "data" type: "HDF5Data" top: "data" top: "label" hdf5_data_param { source: "h.txt" batch_size: 8 } }'
)
FC1 = """layer { name: "fc1" type: "InnerProduct" bottom: "data" top: "fc1"
  inner_product_param { num_output: 6 weight_filler { type: "xavier" } } }"""
RELU = 'layer { name: "relu" type: "ReLU" bottom: "fc1" top: "fc1" }'
FC2 = """layer { name: "fc2" type: "InnerProduct" bottom: "fc1" top: "fc2"
  inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }"""
FC3 = FC2.replace("fc2", "fc3").replace('bottom: "fc1"', 'bottom: "fc2"')
LOSS = 'layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc3" bottom: "label" }'
NET = "\n".join([DATA, FC1, RELU, FC2, FC3, LOSS])
SOLVER = 'net: "net.prototxt" base_lr: 0.1 lr_policy: "fixed" max_iter: 10 '


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    with h5py.File("h.h5", "w") as file:
        file["data"], file["label"] = np.ones((9, 5), np.float32), np.arange(9, dtype=np.float32) % 3
    Path("h.txt").write_text("h.h5\n")
    Path("net.prototxt").write_text(NET)
    Path("solver.prototxt").write_text(SOLVER)
    return tmp_path


def save(name: str, **layers: list[tuple[int, ...]]) -> str:
    rng = np.random.default_rng(0)
    made = {key: [rng.normal(size=shape).astype(np.float32) for shape in shapes] for key, shapes in layers.items()}
    formats.write(Path(name), Weights(made))
    return name


OWN = {"fc1": [(6, 5), (6,)], "fc2": [(3, 6), (3,)], "fc3": [(3, 3), (3,)]}


def test_a_sound_solver_has_no_notice_of_this_kind(folder):
    report = check(["solver.prototxt"])
    assert report.problems == []
    assert [text for text in report.notices if "test_interval" not in text] == []


HELD = [one.replace("name:", "param { lr_mult: 0 } param { lr_mult: 0 } name:") for one in (FC1, FC2, FC3)]


@pytest.mark.parametrize(
    ("net", "text"),
    [
        ("\n".join([DATA, HELD[0], RELU, *HELD[1:], LOSS]), "lr_mult is 0 for all layers"),
        (NET.replace(FC1, FC1.replace('weight_filler { type: "xavier" }', "")), "layer `fc1` starts at zero weights"),
        (
            NET.replace(FC2, FC2.replace("bottom:", "propagate_down: false bottom:")),
            "no gradient reaches layer `fc1`",
        ),
    ],
)
def test_what_cannot_learn_is_named_by_net_and_by_solver(folder, net, text):
    Path("net.prototxt").write_text(net)
    for name in ("net.prototxt", "solver.prototxt"):
        told = "\n".join(check([name]).notices)
        assert text in told
        assert ("net.prototxt: " in told) == bool(text)


NO_FILLERS = NET.replace('weight_filler { type: "xavier" }', "")


@pytest.mark.parametrize(
    ("more", "weights", "said"),
    [
        ("", False, True),
        ("\n# lungo train solver.prototxt --weights none\n", False, True),
        ("\n# lungo train solver.prototxt --weights w.caffemodel\n", False, False),
        ('weights: "w.caffemodel"', True, False),
        ('weights: "torchvision:alexnet"', False, False),
    ],
)
def test_a_net_without_fillers_starts_at_zero_unless_weights_are_meant(folder, more, weights, said):
    Path("net.prototxt").write_text(NO_FILLERS)
    Path("solver.prototxt").write_text(SOLVER + more)
    if weights:
        save("w.caffemodel", **OWN)
    told = [text for text in check(["solver.prototxt"]).notices if "start" in text]
    assert told == (
        [
            "net.prototxt: layers `fc1`, `fc2`, `fc3` start at zero weights (no weight_filler means constant 0), "
            'which pass no gradient: the weights never change. Write `weight_filler { type: "xavier" }`, or train from '
            "weights that have them"
        ] if said else []
    )  # fmt: skip
    # A net alone may be meant for weights.
    assert "zero weights" not in "\n".join(check(["net.prototxt"]).notices)


def test_without_its_data_a_net_is_judged_all_the_same(folder):
    Path("h.txt").unlink()
    Path("net.prototxt").write_text(NET.replace(FC1, FC1.replace('weight_filler { type: "xavier" }', "")))
    report = check(["net.prototxt"])
    assert "HDF5 files not found" in report.problems[0].what
    assert "layer `fc1` starts at zero weights" in "\n".join(report.notices)


@pytest.mark.parametrize(
    ("net", "text"),
    [
        (NET.replace(DATA, 'layer { name: "data" type: "Input" top: "data" top: "label" '
                           "input_param { shape { dim: 8 dim: 5 } shape { dim: 8 } } }"), "holds no data to train"),
        (NET.replace(LOSS, ""), "the train net has no loss"),
        (NET.replace(LOSS, LOSS.replace("bottom:", "loss_weight: 0 bottom:", 1)), "every loss_weight is 0"),
    ],
)  # fmt: skip
def test_what_training_refuses_is_refused(folder, net, text):
    Path("net.prototxt").write_text(net)
    report = check(["solver.prototxt"])
    assert [text in problem.what for problem in report.problems] == [True]
    # By itself the net is sound.
    assert check(["net.prototxt"]).problems == []


ORDERS = [["solver.prototxt", "w.caffemodel"], ["w.caffemodel", "solver.prototxt"], ["net.prototxt", "w.caffemodel"]]


@pytest.mark.parametrize("names", ORDERS)
def test_weights_are_matched_with_nets_in_any_order(folder, names):
    save("w.caffemodel", **OWN | {"fc3": [(1000, 3), (1000,)]})
    (problem,) = check(names).problems
    assert problem.what == "the weights of layer `fc3` differ in shape in the file"
    assert "--reinit fc3" in problem.remedy
    assert "1 shape mismatch" in problem.table
    save("w.caffemodel", **OWN)
    assert check(names).problems == []


@pytest.mark.parametrize("names", ORDERS)
def test_the_weights_of_another_net_are_told(folder, names):
    save("w.caffemodel", fc1=[(50, 800), (50,)], fc9=[(10, 50), (10,)])
    (problem,) = check(names).problems
    assert "the weights of another net" in problem.what


def test_what_is_new_is_said_and_weights_that_a_solver_names_are_matched(folder):
    save("w.caffemodel", fc1=OWN["fc1"], fc2=OWN["fc2"])
    assert any("2 copied, 1 new" in text for text in check(["solver.prototxt", "w.caffemodel"]).notices)
    save("bad.caffemodel", **OWN | {"fc2": [(4, 6), (4,)]})
    Path("solver.prototxt").write_text(SOLVER + 'weights: "bad.caffemodel"')
    assert ["layer `fc2`" in problem.what for problem in check(["solver.prototxt"]).problems] == [True]
    # --weights takes the place of what the solver names.
    assert check(["solver.prototxt", "w.caffemodel"]).problems == []


def test_of_several_nets_and_several_weights_none_are_matched(folder):
    save("a.caffemodel", fc1=[(7, 7), (7,)])
    save("b.caffemodel", **OWN)
    assert check(["net.prototxt", "solver.prototxt", "a.caffemodel", "b.caffemodel"]).problems == []
    assert len(check(["net.prototxt", "a.caffemodel", "b.caffemodel"]).problems) == 1


@pytest.mark.parametrize("gamma", ["0", "0.1"])
def test_a_rate_that_is_0_from_somewhere_on_is_said(folder, gamma):
    Path("solver.prototxt").write_text(
        SOLVER.replace('"fixed"', '"step"').replace("max_iter: 10", f"max_iter: 100 stepsize: 10 gamma: {gamma}")
    )
    told = "\n".join(check(["solver.prototxt"]).notices)
    assert ("is 0 from about iteration 10 of 100 on" in told) == (gamma == "0")
