"""What two files of weights differ by, against numbers worked out by hand."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from caffelungo.definition.reader import parse_net
from caffelungo.errors import UserError
from caffelungo.weights import compare_blobs, compare_weights, formats
from caffelungo.weights.compare_weights import compare, in_time, iteration
from caffelungo.weights.weight_changes import BlobChange, WeightChanges
from caffelungo.weights.weights import Weights


def array(*values: object) -> np.ndarray:
    return np.array(values if len(values) > 1 else values[0], np.float32)


def changes(before: Weights, after: Weights, model: str | None = None) -> WeightChanges:
    return compare(before, after, parse_net(model).message if model else None)


def blob(before: np.ndarray, after: np.ndarray, kind: str = "InnerProduct") -> BlobChange:
    """The change of one weight."""
    found = changes(Weights({"fc": [before]}, {"fc": kind}), Weights({"fc": [after]}, {"fc": kind}))
    return found.layers[0].blobs[0]


def test_numbers_by_hand() -> None:
    # Row 0: (3, 4) -> (3, 0): change 4 of 5, cosine 9 / (5 * 3). Row 1: (0, -12) -> (5, 12): change sqrt(25 + 576).
    found = blob(array([3, 4], [0, -12]), array([3, 0], [5, 12]))
    assert found.relative == pytest.approx(math.sqrt(16 + 25 + 576) / 13)
    assert found.cosine == pytest.approx((9 - 144) / (13 * math.sqrt(9 + 25 + 144)))
    assert found.signs == 0.25
    assert (found.largest, found.place) == (24, (1, 1))
    assert found.units is not None
    np.testing.assert_allclose(found.units.relative, [0.8, math.sqrt(601) / 12])
    np.testing.assert_allclose(found.units.cosine, [9 / 15, -144 / (12 * 13)])
    np.testing.assert_allclose(found.units.before, [5, 12])
    np.testing.assert_allclose(found.units.after, [3, 13])


def test_a_layer_is_the_vector_of_all_its_blobs() -> None:
    before = Weights({"fc": [array([[3.0, 0]]), array([4.0]).reshape(1)]})
    after = Weights({"fc": [array([[3.0, 5]]), array([16.0]).reshape(1)]})
    layer = changes(before, after).layers[0]
    assert layer.relative == pytest.approx(13 / 5)
    assert [one.relative for one in layer.blobs] == [pytest.approx(5 / 3), 3]


def test_nothing_changed() -> None:
    values = np.random.default_rng(0).normal(size=(7, 5, 3, 3)).astype(np.float32)
    found = blob(values, values.copy(), "Convolution")
    assert (found.relative, found.signs, found.largest) == (0, 0, 0)
    assert found.cosine == 1


def test_what_was_zero_has_no_angle_and_changed_without_bound() -> None:
    found = blob(np.zeros((2, 2), np.float32), array([1, 0], [0, 0]))
    assert math.isinf(found.relative)
    assert math.isnan(found.cosine)
    assert found.units is not None
    assert found.units.relative.tolist() == [math.inf, 0]
    assert blob(np.zeros((2, 2), np.float32), np.zeros((2, 2), np.float32)).relative == 0


def test_many_rows_are_taken_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    before, after = (rng.normal(size=(50, 4, 3, 3)).astype(np.float32) for _ in range(2))
    whole = blob(before, after, "Convolution")
    monkeypatch.setattr(compare_blobs, "ELEMENTS", 100)
    parts = blob(before, after, "Convolution")
    assert parts.relative == pytest.approx(whole.relative, rel=1e-12)
    assert parts.place == whole.place
    assert parts.place == tuple(np.unravel_index(np.abs(after - before).argmax(), before.shape))
    assert parts.relative == pytest.approx(
        np.linalg.norm(after.astype(float) - before) / np.linalg.norm(before.astype(float)), rel=1e-6
    )


def batch_norm(mean: float, variance: float, factor: float) -> list[np.ndarray]:
    return [array([mean, 2 * mean]), array([variance, variance]), array([factor]).reshape(1)]


@pytest.mark.parametrize("types", [{"bn": "BatchNorm"}, {}])
def test_statistics_are_divided_by_their_factor(types: dict[str, str]) -> None:
    found = changes(Weights({"bn": batch_norm(10, 40, 10)}, types), Weights({"bn": batch_norm(300, 400, 100)}, types))
    mean, variance = found.layers[0].blobs
    # Means (1, 2) -> (3, 6), variances 4 -> 4: by 2 and 4, of deviations of 2.
    assert (mean.name, variance.name) == ("mean", "variance")
    assert mean.relative == pytest.approx(2)
    assert mean.largest == pytest.approx(4)
    assert variance.relative == pytest.approx(0, abs=1e-6)
    assert "moved by 1.5 standard deviations" in mean.notes
    assert bool(found.notices) is not bool(types)


def test_a_factor_of_zero_means_no_statistics_yet() -> None:
    types = {"bn": "BatchNorm"}
    found = changes(Weights({"bn": batch_norm(0, 0, 0)}, types), Weights({"bn": batch_norm(1, 1, 1)}, types))
    assert math.isinf(found.layers[0].relative)


def test_a_net_tells_types_names_and_order() -> None:
    model = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 4 dim: 4 } } }
layer { name: "z" type: "BatchNorm" bottom: "data" top: "z" }
layer {
  name: "a" type: "InnerProduct" bottom: "z" top: "a" inner_product_param { num_output: 2 transpose: true }
}
"""
    rng = np.random.default_rng(2)
    weights = Weights(
        {
            "a": [rng.normal(size=(48, 2)).astype(np.float32), array([1, 2])],
            "z": [array([1, 2, 3]), array([1, 1, 1]), array([2.0]).reshape(1)],
        }
    )
    other = Weights({name: [one.copy() for one in blobs] for name, blobs in weights.layers.items()})
    other.layers["a"][0][7, 1] += 3
    found = changes(weights, other, model)
    assert [layer.name for layer in found.layers] == ["z", "a"]
    assert not found.notices
    columns = found.layers[1].blobs[0].units
    assert columns is not None
    assert columns.change.tolist() == pytest.approx([0, 3])
    assert found.layers[1].blobs[0].place == (7, 1)


def test_grown_blobs_are_compared_on_the_old_part() -> None:
    old = np.ones((2, 3), np.float32)
    new = np.zeros((4, 5), np.float32)
    new[:2, :3] = 1
    new[3] = 2
    found = blob(old, new)
    assert (found.status, found.relative, found.added) == ("shared part", 0, 0)
    assert found.units is not None
    np.testing.assert_allclose(found.units.added, [0, math.sqrt(20)])
    assert "2 inputs added, all zero" in found.notes
    assert "2 units added" in found.notes
    assert "2x3 became 4x5: the shared part is compared" in found.notes
    new[:2, 3:] = 1.5
    assert blob(old, new).added == pytest.approx(3)


def test_a_smaller_blob_is_compared_on_what_is_left() -> None:
    found = blob(np.ones((4, 3), np.float32), np.full((2, 3), 2, np.float32))
    assert (found.status, found.relative, found.size) == ("shared part", 1, 6)


@pytest.mark.parametrize(
    ("before", "after", "status"),
    [
        ((1, 1, 6, 8), (6, 8), "compared"),
        ((6, 8), (6, 2, 2, 2), "compared"),
        ((6, 2, 3, 3), (6, 2, 5, 5), "not comparable"),
        ((6, 8), (6, 3, 3, 3), "not comparable"),
    ],
)
def test_other_ranks(before: tuple[int, ...], after: tuple[int, ...], status: str) -> None:
    assert blob(np.ones(before, np.float32), np.ones(after, np.float32)).status == status


def test_new_and_gone_layers_stand_where_the_net_has_them() -> None:
    one = [np.ones((1, 1), np.float32)]
    before = Weights(dict.fromkeys(["conv1", "fc7", "fc8"], one))
    after = Weights(dict.fromkeys(["conv1", "fc7", "fc7_new", "fc8_wide"], one))
    found = changes(before, after)
    assert [layer.name for layer in found.layers] == ["conv1", "fc7", "fc8", "fc7_new", "fc8_wide"]
    assert found.named("new") == ["fc7_new", "fc8_wide"]
    assert found.named("gone") == ["fc8"]
    assert math.isnan(found.layers[2].relative)


def test_values_that_are_no_numbers_are_named_and_left_out() -> None:
    new = np.full((2, 3), 2, np.float32)
    new[1, 2], new[0, 1] = np.nan, np.inf
    found = blob(np.ones((2, 3), np.float32), new)
    assert found.broken == (0, 2)
    assert found.notes == ("1 NaN and 1 infinite after, first at [0, 1]",)
    assert found.relative == pytest.approx(1)
    fresh = changes(Weights({"a": [new], "b": [new]}), Weights({"a": [new], "c": [new]}))
    assert all(layer.broken for layer in fresh.layers)


def test_other_nets_are_refused() -> None:
    one = [np.ones((1, 1), np.float32)]
    with pytest.raises(UserError, match="no layer of the same name"):
        changes(Weights({"a": one}), Weights({"b": one}))
    with pytest.raises(UserError, match="the net has none of the layers"):
        changes(Weights({"a": one}), Weights({"a": one}), 'layer { name: "x" type: "ReLU" bottom: "y" top: "y" }')


def test_files_of_every_kind_and_a_missing_one(tmp_path: Path) -> None:
    values = {"fc": [np.ones((2, 2), np.float32), np.ones(2, np.float32)]}
    paths = [str(tmp_path / f"w{suffix}") for suffix in formats.SUFFIXES if suffix != ".h5"]
    for path in paths:
        formats.write(path, Weights(values, {"fc": "InnerProduct"}))
    found = compare_weights.compare_files(paths)
    assert [one.layers[0].relative for one in found] == [0] * (len(paths) - 1)
    with pytest.raises(UserError, match="not found"):
        compare_weights.compare_files([paths[0], str(tmp_path / "none.caffemodel")])


def test_snapshots_stand_in_time() -> None:
    assert iteration("a_iter_5/solver_iter_400.caffemodel.h5") == 400
    assert iteration("start.caffemodel") is None
    assert in_time(["s_iter_1000.caffemodel", "s_iter_200.caffemodel"])[0].endswith("200.caffemodel")
    assert in_time(["b.caffemodel", "a_iter_1.caffemodel"]) == ["b.caffemodel", "a_iter_1.caffemodel"]
