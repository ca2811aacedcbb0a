"""Outputs of a test that are for all samples at once, however they are dealt into batches."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

from caffelungo.definition.filter import net_state
from caffelungo.definition.reader import parse_net
from caffelungo.definition.schema import TEST
from caffelungo.errors import UserError
from caffelungo.net.store import Store
from caffelungo.plan.build_plan import build_plan
from caffelungo.solve import nets
from caffelungo.solve.engine import Engine
from caffelungo.solve.test_net import TestNet
from caffelungo.solve.test_result import TestResult
from caffelungo.solve.watched_output import make_watch
from caffelungo.solve.whole_test import measures_of

NET = """
lungo { number { name: "age" unit: "years" } number { name: "height" } }
layer { name: "d" type: "HDF5Data" top: "p" top: "t" hdf5_data_param { source: "list.txt" batch_size: 4 } }
layer { name: "score" type: "RegressionScore" bottom: "p" bottom: "t" top: "mae" top: "rmse" top: "r2" }
layer { name: "loss" type: "EuclideanLoss" bottom: "p" bottom: "t" top: "loss" }
"""


def judged(folder: Path, monkeypatch: pytest.MonkeyPatch, outputs: int) -> tuple[TestResult, list[np.ndarray]]:
    """What a test of ten samples says, and scikit-learn of the same."""
    monkeypatch.chdir(folder)
    rng = np.random.default_rng(2)
    targets = rng.normal([30, 170], [10, 9], (10, 2))[:, :outputs].astype(np.float32)
    predicted = (targets + rng.normal(0, 4, targets.shape)).astype(np.float32)
    with h5py.File("d.h5", "w") as file:
        file["p"], file["t"] = predicted, targets
    Path("list.txt").write_text("d.h5\n")
    text = nets.from_definition(parse_net(NET))
    opened = nets.open_net_with_data(text, net_state(text.message, TEST), once=True, shuffle=False)
    net = TestNet(opened, Store(opened.plan, seed=0), Engine(torch.device("cpu")), None, 0)
    net.run()
    result = net.run()  # a second test begins anew
    assert result is not None
    measures = (mean_absolute_error, root_mean_squared_error, r2_score)
    return result, [np.asarray(one(targets, predicted, multioutput="raw_values")) for one in measures]


def test_batches_of_unequal_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result, wanted = judged(tmp_path, monkeypatch, 1)
    values = result.values()
    assert [values[name] for name in ("mae", "rmse", "r2")] == pytest.approx([one[0] for one in wanted], rel=1e-6)
    assert result.samples == 10
    assert not result.measures


def test_several_outputs_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result, wanted = judged(tmp_path, monkeypatch, 2)
    assert list(result.measures) == ["mae_age", "mae_height", "rmse_age", "rmse_height", "r2_age", "r2_height"]
    assert list(result.measures.values()) == pytest.approx(np.concatenate(wanted), rel=1e-6)
    assert [one.value for one in result.scores if one.blob == "r2"] == pytest.approx(wanted[2], rel=1e-6)


def plan_of(shape: str) -> object:
    message = parse_net(
        NET.replace("HDF5Data", "DummyData").replace(
            'hdf5_data_param { source: "list.txt" batch_size: 4 }', f"dummy_data_param {{ shape {{ dim: 4 {shape} }} }}"
        )
    ).message
    return build_plan(message, net_state(message, TEST))


@pytest.mark.parametrize(("name", "higher"), [("mae", False), ("rmse", False), ("r2", True), ("loss", False)])
def test_errors_are_better_the_lower_they_are(name: str, higher: bool) -> None:
    assert make_watch(plan_of("dim: 1"), name).higher_is_better == higher


def test_one_of_several_outputs_is_watched() -> None:
    plan = plan_of("dim: 2")
    assert list(measures_of(plan, ["a", "b", "c"]))[:2] == ["mae_0", "mae_1"]
    watch = make_watch(plan, "rmse_height", ["age", "height"])
    assert not watch.higher_is_better
    assert make_watch(plan, "r2_age", ["age", "height"]).higher_is_better
    result = TestResult(1.0, [], 10, {"rmse_height": 7.0})
    assert watch.see(0, result)
    assert watch.best == 7.0
    with pytest.raises(UserError, match="rmse_height"):
        make_watch(plan, "rmse_heigth", ["age", "height"])
