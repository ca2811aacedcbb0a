"""A test of a net that tells several labels: over batches of unequal size, with the thresholds of the weights."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score, f1_score

from caffelungo.definition.filter import net_state
from caffelungo.definition.reader import parse_net
from caffelungo.definition.schema import TEST
from caffelungo.net.store import Store
from caffelungo.solve import nets
from caffelungo.solve.engine import Engine
from caffelungo.solve.test_net import TestNet
from caffelungo.solve.watched_output import make_watch

NET = """
lungo { label: "cat" label: "dog" }
layer { name: "d" type: "HDF5Data" top: "p" top: "t" hdf5_data_param { source: "list.txt" batch_size: 4 } }
layer { name: "score" type: "MultiLabelScore" bottom: "p" bottom: "t" top: "mAP" top: "micro_f1" top: "macro_f1" }
layer { name: "loss" type: "SigmoidCrossEntropyLoss" bottom: "p" bottom: "t" top: "loss"
        loss_param { ignore_label: -1 } }
"""


def opened(folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[TestNet, np.ndarray, np.ndarray]:
    monkeypatch.chdir(folder)
    rng = np.random.default_rng(2)
    scores = rng.normal(size=(42, 2)).astype(np.float32)
    targets = (scores + rng.normal(size=scores.shape) > 0).astype(np.float32)
    with h5py.File("d.h5", "w") as file:
        file["p"], file["t"] = scores, targets
    Path("list.txt").write_text("d.h5\n")
    text = nets.from_definition(parse_net(NET))
    data = nets.open_net_with_data(text, net_state(text.message, TEST), once=True, shuffle=False)
    return TestNet(data, Store(data.plan, seed=0), Engine(torch.device("cpu")), None, 0), scores, targets


def test_measures_are_of_all_samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    net, scores, targets = opened(tmp_path, monkeypatch)
    for _ in range(2):  # a second test begins anew
        result = net.run()
        assert result is not None
        values = result.values()
        assert values["mAP"] == pytest.approx(average_precision_score(targets, scores))
        assert values["micro_f1"] == pytest.approx(f1_score(targets, scores >= 0, average="micro"))
        assert values["macro_f1"] == pytest.approx(f1_score(targets, scores >= 0, average="macro"))
    watch = make_watch(net.opened.plan, "mAP")
    assert (watch.name, watch.higher_is_better) == ("mAP", True)


def test_thresholds_of_the_weights_judge_and_better_ones_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    net, scores, targets = opened(tmp_path, monkeypatch)
    net.whole.give_labels_from([0.2, 0.7])
    first = net.run()
    assert first is not None
    chosen = 1 / (1 + np.exp(-scores)) >= [0.2, 0.7]
    assert first.values()["macro_f1"] == pytest.approx(f1_score(targets, chosen, average="macro"))
    labels = net.whole.labels()
    assert labels is not None
    assert [one.threshold for one in labels.labels] == [0.2, 0.7]
    net.whole.give_labels_from(first.thresholds)
    again = net.run()
    assert again is not None
    assert again.values()["macro_f1"] > max(first.values()["macro_f1"], f1_score(targets, scores >= 0, average="macro"))
    assert again.thresholds == first.thresholds
    net.whole.give_labels_from([0.1, 0.2, 0.3])  # of other labels
    assert net.run() == again
