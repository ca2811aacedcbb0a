from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from caffelungo.definition.reader import parse_net
from caffelungo.deploy import parity
from caffelungo.deploy.export import export
from caffelungo.deploy.onnx_names import BlobNames
from caffelungo.deploy.parity import Difference, Parity, Reference, compare, difference, same_class
from caffelungo.errors import RunError
from caffelungo.net.store import Store
from caffelungo.weights.weights import Weights
from tests.deploy.nets import plan_of


def test_difference_is_relative_to_the_largest_value() -> None:
    apart = difference("b", np.array([100.0, 0.0]), np.array([100.0, 0.5]), "x")
    assert apart == Difference("b", 0.5, 0.005, "x")


@pytest.mark.parametrize(
    ("expected", "got"),
    [([1.0, 2.0], [1.0]), ([1.0], [np.nan]), ([np.inf], [np.inf]), ([0.0], [1e-9])],
)
def test_what_no_tolerance_admits(expected: list[float], got: list[float]) -> None:
    assert difference("b", np.array(expected), np.array(got), "x").relative == float("inf")


def test_zeros_are_equal() -> None:
    assert difference("b", np.zeros(3), np.zeros(3), "x").relative == 0


def test_same_class() -> None:
    expected = np.array([[0.5, 0.5 - 1e-7, 0.0], [0.2, 0.8, 0.0], [0.1, 0.2, 0.7]])
    got = np.array([[0.4, 0.6, 0.0], [0.6, 0.4, 0.0], [0.1, 0.2, 0.7]])
    assert same_class(expected, got, 1e-4).tolist() == [True, False, True]


def test_summary_and_lines() -> None:
    proof = Parity({"prob": Difference("prob", 1e-7, 2e-7, "x")}, 3, Difference("fc", 1e-6, 3e-7, "x"), 10, 4, (1, 2))
    proof.top1 = (14, 14)
    assert proof.facts()["largest_relative_difference"] == {"prob": 2e-7}
    text = "\n".join(proof.lines())
    assert "10 random and 4 real inputs" in text
    assert "all 3 blobs: 3e-07 at most (`fc`)" in text
    assert "14 of 14" in text


SUM = """layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 5000 } } }
layer { name: "sum" type: "InnerProduct" bottom: "data" top: "sum"
  inner_product_param { num_output: 3 weight_filler { type: "gaussian" std: 1 } } }"""


def test_what_float32_itself_is_off_by_is_no_disagreement() -> None:
    """A sum of 5000 numbers: its rounding against float64 by NumPy, then twice and eight times of it."""
    plan = plan_of(parse_net(SUM).message)
    store = Store(plan, seed=0)
    reference = Reference(plan, store, BlobNames(plan).of(plan))
    feeds = {"data": (50 * np.random.default_rng(0).standard_normal((2, 5000))).astype(np.float32)}
    weights = next(array for array in store.arrays().values() if array.ndim == 2).astype(np.float64)
    exact = feeds["data"].astype(np.float64) @ weights.T
    right = reference.run(feeds)
    own = reference.rounding({"sum": right["sum"]}, feeds)["sum"]
    assert own == pytest.approx(difference("sum", exact, right["sum"], "").relative, rel=1e-6)
    assert 1e-8 < own < 1e-5
    proof, size = Parity(tolerance=own / 10), np.abs(exact).max()
    near, far = ({"sum": right["sum"].astype(np.float64) + times * own * size} for times in (2, 8))
    found, wrong = compare(["sum"], right, near, reference, feeds, "x", proof)
    assert (found[0].relative, wrong) == (pytest.approx(2 * own, rel=0.01), None)
    assert proof.rounded["sum"] == pytest.approx((2 * own, own), rel=0.01)
    assert "float32 is too coarse" in "\n".join(proof.lines())
    assert proof.facts()["float32_rounding"]["sum"] == list(proof.rounded["sum"])
    found, wrong = compare(["sum"], right, far, reference, feeds, "x", proof)
    assert wrong == found[0]
    _, wrong = compare(["sum"], right, {"sum": right["sum"] * np.nan}, reference, feeds, "x", proof)
    assert wrong is not None


def test_proofs_on_gpus_are_made_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def opened(model: bytes, device: str, **options: object) -> object:
        asked.append(options.get("settings"))
        raise RunError("no session")

    monkeypatch.setattr(parity, "open_session", opened)
    plan = plan_of(parse_net(SUM).message)
    with pytest.raises(RunError, match="no session"):
        parity.prove(b"", Reference(plan, Store(plan, seed=0), BlobNames(plan).of(plan)), random=dict, device="cuda")  # type: ignore[arg-type]
    assert asked == [{"CUDAExecutionProvider": {"use_tf32": "0"}}]


def test_a_sigmoid_where_it_is_next_to_nothing(tmp_path: Path) -> None:
    """ONNX Runtime's ends at 1.5e-8, which is below float32's spacing at 1; a difference above it is refused."""
    text = """layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 4 } } }
layer { name: "low" type: "Power" bottom: "data" top: "low" power_param { scale: 0.0001 shift: -30 } }
layer { name: "edge" type: "Sigmoid" bottom: "low" top: "edge" }"""
    made = export(parse_net(text), Weights({}), tmp_path / "x.onnx")
    assert made.parity.worst["edge"].relative < 1.2e-7
    plan = plan_of(parse_net(text).message)
    reference = Reference(plan, Store(plan, seed=0), BlobNames(plan).of(plan))
    feeds = {"data": np.zeros((1, 4), np.float32)}
    small, large = Difference("edge", 1e-8, 1.0, "x"), Difference("edge", 1e-6, 1.0, "x")
    assert reference.scaled(small) == Difference("edge", 1e-8, 1e-8, "x")
    assert reference.scaled(large) == large
    right = reference.run(feeds)
    assert compare(["edge"], right, {"edge": right["edge"] + 1e-6}, reference, feeds, "x", Parity())[1] is not None
