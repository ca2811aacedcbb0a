"""`lungo test` and `lungo time`: counts, intervals, tables and Caffe's lines."""

from __future__ import annotations

import csv
import math
import re

import numpy as np
import pytest
import torch

from caffelungo.errors import UserError
from caffelungo.report.classification_score import Classified, balanced_accuracy, wilson
from caffelungo.report.glog import CaffeLog
from caffelungo.solve import evaluate, run_training, timing
from caffelungo.solve.open_test_net import open_test_net
from caffelungo.solve.options import TestOptions, TimeOptions
from tests.solve import helpers
from tests.support import needs_shared, shared


@pytest.fixture
def trained(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    helpers.make(tmp_path)
    run_training.train(helpers.options())
    return "out/s_iter_20.caffemodel"


@pytest.mark.parametrize(
    ("right", "total", "low", "high"),
    [(0, 10, 0.0, 0.2775), (5, 10, 0.2366, 0.7634), (10, 10, 0.7225, 1.0), (0, 0, 0.0, 1.0),
     (139, 195, 0.6457, 0.7717)],
)  # fmt: skip
def test_wilson(right, total, low, high):
    assert wilson(right, total) == pytest.approx((low, high), abs=2e-4)


def test_counts():
    found = Classified(np.array([[3, 1], [0, 0]]), 4, ["a", "b"])
    assert (found.samples, found.right, found.accuracy, found.top) == (4, 3, 0.75, 1.0)
    rows = found.per_class()
    assert rows[0] == ("a", 4, 3, 0.75, 1.0)
    assert rows[1][:3] == ("b", 0, 0)
    assert math.isnan(rows[1][3])


@pytest.mark.parametrize("seed", range(4))
def test_means_over_classes_are_those_of_scikit_learn(seed):
    from sklearn import metrics

    rng = np.random.default_rng(seed)
    true = rng.choice(4, 60, p=[0.6, 0.3, 0.07, 0.03])
    true[:4] = range(4)
    predicted = np.where(rng.random(60) < 0.6, true, rng.integers(0, 4, 60))
    found = Classified(metrics.confusion_matrix(true, predicted, labels=range(4)), 0, list("abcd"))
    assert found.balanced_accuracy == pytest.approx(metrics.balanced_accuracy_score(true, predicted))
    assert balanced_accuracy(true == predicted, true) == pytest.approx(found.balanced_accuracy)
    assert balanced_accuracy([], []) == 0.0
    assert found.macro_f1 == pytest.approx(metrics.f1_score(true, predicted, average="macro"))
    assert found.absent == []


def test_a_class_without_samples_is_in_no_mean():
    """Worked by hand: recalls .9, .56, .2 and F1 .886700, .583333, .222222. With a fourth class predicted once instead
    of the third, the F1 of that becomes .25."""
    found = Classified(np.array([[90, 8, 2], [10, 14, 1], [3, 1, 1]]), 0, ["a", "b", "c"])
    assert found.balanced_accuracy == pytest.approx((0.9 + 0.56 + 0.2) / 3)
    assert found.macro_f1 == pytest.approx(0.564085, abs=1e-6)
    wider = np.zeros((4, 4), np.int64)
    wider[:3, :3] = found.confusion
    more = Classified(wider, 0, ["a", "b", "c", "d"])
    assert (more.balanced_accuracy, more.macro_f1) == (found.balanced_accuracy, found.macro_f1)
    assert more.absent == ["d"]
    wider[0] = [90, 8, 1, 1]
    predicted = Classified(wider, 0, ["a", "b", "c", "d"])
    assert predicted.balanced_accuracy == found.balanced_accuracy
    assert predicted.macro_f1 == pytest.approx((0.886700 + 0.583333 + 0.25) / 3, abs=1e-6)
    nothing = Classified(np.zeros((2, 2), np.int64), 0, ["a", "b"])
    assert (nothing.balanced_accuracy, nothing.macro_f1) == (0.0, 0.0)


def test_the_whole_set_is_counted_once(trained, tmp_path, capsys):
    options = TestOptions(model="net.prototxt", weights=[trained], device="cpu", output=tmp_path / "result")
    net = open_test_net(options, CaffeLog())
    found = evaluate.evaluate(net)
    assert found.classified is not None
    assert found.classified.samples == 10
    assert found.classified.accuracy == pytest.approx(found.result.values()["accuracy"])
    assert evaluate.test(options) == 0
    printed = capsys.readouterr().out
    assert f"{found.classified.right} of 10; 95 % interval" in printed
    assert re.search(r"class +samples +right +recall +precision", printed)
    with (tmp_path / "result" / "confusion.csv").open() as file:
        rows = list(csv.reader(file))
    assert [int(cell) for row in rows[1:] for cell in row[1:]] == found.classified.confusion.reshape(-1).tolist()
    assert (tmp_path / "result" / "confusion.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "result" / "classes.csv").exists()


def test_each_answer_is_written_in_the_order_of_the_data(trained, tmp_path):
    options = TestOptions(model="net.prototxt", weights=[trained], device="cpu", output=tmp_path / "result", quiet=True)
    found = evaluate.evaluate(open_test_net(options, CaffeLog())).classified
    evaluate.test(options)
    with (tmp_path / "result" / "answers.csv").open() as file:
        rows = list(csv.DictReader(file))
    source = open_test_net(options, CaffeLog()).opened.sources[0]
    assert [found.names.index(row["class"]) for row in rows] == source.labels().tolist()
    assert sum(row["class"] == row["answer"] for row in rows) == found.right
    counted = np.zeros_like(found.confusion)
    for row in rows:
        counted[found.names.index(row["class"]), found.names.index(row["answer"])] += 1
    np.testing.assert_array_equal(counted, found.confusion)


def test_ties_are_wrong_as_in_caffe(trained):
    net = open_test_net(TestOptions(model="net.prototxt", weights=[trained], device="cpu"), CaffeLog())
    with torch.no_grad():
        for tensor in net.net.store.tensors.values():
            tensor.zero_()
    found = evaluate.evaluate(net)
    assert found.classified is not None
    assert found.classified.right == 0
    assert found.result.values()["accuracy"] == 0


def lines(log: list[str]) -> list[str]:
    return [line.split("] ", 1)[1] for line in log]


@needs_shared
def test_iterations_print_caffes_lines(monkeypatch, capsys):
    folder = shared("reference", "caffe", "tools")
    monkeypatch.chdir(folder)
    evaluate.test(TestOptions(model="feat_net.prototxt", weights=["feat.caffemodel"], iterations=3, device="cpu"))
    ours = [line for line in capsys.readouterr().err.splitlines() if "caffe.cpp:" in line]
    text = (folder / "commands.log").read_text()
    part = text[text.index("$ caffe test -model feat_net") :].split("[exit")[0]
    theirs = [line for line in part.splitlines() if "caffe.cpp:" in line]
    assert lines(ours) == lines(theirs)


def test_time_prints_caffes_lines(trained):
    log: list[str] = []
    options = TimeOptions(model="net.prototxt", iterations=2, device="cpu")
    times = timing.measure(options, CaffeLog(echo=log.append))
    text = lines(log)
    assert text[0] == "Use CPU."
    assert [line for line in text if line.startswith("Iteration: ")][1].startswith(
        "Iteration: 2 forward-backward time: "
    )
    names = [line.split("\t")[0].strip() for line in text if "\tforward: " in line]
    assert names == ["data", "ip1", "relu", "ip2", "loss"]
    assert text[-1] == "*** Benchmark ends ***"
    assert times.layers["ip1"][0] > 0
    assert times.layers["ip1"][1] > 0
    assert sum(pair[0] for pair in times.layers.values()) <= times.forward


def test_time_needs_no_data_for_a_deploy_net(tmp_path):
    path = tmp_path / "deploy.prototxt"
    path.write_text(
        'layer { name: "d" type: "Input" top: "d" input_param { shape { dim: 2 dim: 3 } } }\n'
        'layer { name: "ip" type: "InnerProduct" bottom: "d" top: "ip" inner_product_param { num_output: 2 } }\n'
    )
    times = timing.measure(TimeOptions(model=path, iterations=1, phase="TEST", device="cpu"), CaffeLog())
    assert times.layers["ip"][1] > 0


@pytest.mark.parametrize(
    ("options", "text"),
    [(TestOptions(model="net.prototxt", device="cpu"), "need weights"),
     (TestOptions(weights=["x"], device="cpu"), "need a net")],
)  # fmt: skip
def test_what_is_missing_is_said(options, text, trained):
    with pytest.raises(UserError, match=text):
        evaluate.test(options)


def test_phase_is_checked():
    with pytest.raises(UserError, match="phase must be"):
        timing.time(TimeOptions(model="x", phase="FOO"))
