"""A whole inspection of a net whose answers are worked out by hand."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from caffelungo.errors import UserError
from caffelungo.study.inspect.inspect_findings import InspectFindings
from caffelungo.study.inspect.options import InspectOptions
from caffelungo.study.inspect.run_inspect import find, inspect
from caffelungo.weights import formats
from caffelungo.weights.weights import Weights
from tests.study.inspect import nets


@pytest.fixture
def options(tmp_path: Path) -> InspectOptions:
    return nets.make(tmp_path)


@pytest.fixture
def found(options: InspectOptions) -> InspectFindings:
    return find(options)[0]


def test_accuracy_of_each_group_alone(found: InspectFindings) -> None:
    shares = {"old units": (True, False), "new units": (False, True), "all units": (True, True)}
    assert {one.units for one in found.now} == set(shares)
    for one in found.now:
        assert (one.right, one.samples) == (nets.right(nets.weights(0), *shares[one.units]), 23)
    assert len({one.right for one in found.now}) == 3  # else the test could not tell the groups apart
    assert found.classified.right == nets.right(nets.weights(0), True, True)


def test_accuracy_over_the_snapshots(found: InspectFindings) -> None:
    expected = [
        (iteration, units, nets.right(nets.weights(seed), *groups))
        for iteration, seed in ((10, 3), (20, 0))
        for units, groups in (("old units", (True, False)), ("new units", (False, True)), ("all units", (True, True)))
    ]
    assert [(one.iteration, one.units, one.right) for one in found.curves] == expected


def test_the_net_has_its_own_weights_after_the_snapshots(options: InspectOptions) -> None:
    options.weights = [options.weights[0].replace("20", "10")]
    found = find(options)[0]
    blob = found.tuned.test.net.store.blobs("head")[0].detach().numpy()
    assert np.array_equal(blob, nets.weights(3)["head"][0])


def test_units_and_the_pictures_they_answer_to(found: InspectFindings) -> None:
    shown = {unit.name: unit for unit in found.units}
    for name, unit in shown.items():
        layer, index = name.split(":")
        after = nets.units(nets.weights(0), layer)[:, int(index)]
        assert unit.after.tolist() == [p for p in np.argsort(-after)[:5].tolist() if after[p] > 0]
        if layer == "old":
            before = nets.units(nets.weights(8), "old")[:, int(index)]
            assert unit.before is not None
            assert unit.before.tolist() == [p for p in np.argsort(-before)[:5].tolist() if before[p] > 0]
            assert unit.correlation == pytest.approx(np.corrcoef(before, after)[0, 1], abs=1e-5)
            rows = [nets.weights(seed)["old"][0][int(index)].astype(float) for seed in (8, 0)]
            assert unit.weight_change == pytest.approx(
                np.linalg.norm(rows[1] - rows[0]) / np.linalg.norm(rows[0]), rel=1e-5
            )
        else:
            assert unit.new
            assert unit.before is None
    assert {name.split(":")[0] for name in shown} == {"old", "new"}


def test_layers(found: InspectFindings) -> None:
    rows = {row.name: row for row in found.layers}
    before, after = nets.units(nets.weights(8), "old"), nets.units(nets.weights(0), "old")
    a, b = before - before.mean(0), after - after.mean(0)
    assert rows["old"].cka_biased == pytest.approx(
        np.linalg.norm(a.T @ b) ** 2 / np.linalg.norm(a.T @ a) / np.linalg.norm(b.T @ b), rel=1e-4
    )
    assert rows["old"].norm == pytest.approx(np.linalg.norm(after, axis=1).mean(), rel=1e-4)
    assert rows["old"].norm_before == pytest.approx(np.linalg.norm(before, axis=1).mean(), rel=1e-4)
    assert rows["old"].old
    assert not rows["new"].old
    assert np.isnan(rows["new"].cka)
    groups = {row.name: row for row in found.groups}
    assert groups["new units"].raw == pytest.approx(
        np.linalg.norm(nets.units(nets.weights(0), "new"), axis=1).mean(), rel=1e-4
    )


def test_dead_units(options: InspectOptions) -> None:
    blobs = nets.weights(0)
    blobs["new"][1][1] = -1000
    formats.write(options.weights[0], Weights(blobs))
    found, _ = find(options)
    assert {row.name: row.dead for row in found.layers} == {"old": 0, "new": 1, "head": None}
    assert "new:1" not in {unit.name for unit in found.units}


def test_hardest(found: InspectFindings) -> None:
    blobs, labels = nets.weights(0), nets.data()[1]
    read = np.concatenate([nets.units(blobs, "old"), nets.units(blobs, "new")], 1)
    scores = read @ blobs["head"][0].astype(float).T + blobs["head"][1]
    odds = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    losses = -np.log(odds[np.arange(23), labels])
    assert [one.number for one in found.hardest] == np.argsort(-losses)[:24].tolist()
    first = found.hardest[0]
    assert (first.truth, first.predicted) == (labels[first.number], odds[first.number].argmax())
    assert first.loss == pytest.approx(losses.max(), rel=1e-4)
    assert first.probability == pytest.approx(odds[first.number].max(), rel=1e-4)


def test_some_of_each_class(options: InspectOptions) -> None:
    found, _ = find(replace(options, per_class=2))
    labels = nets.data()[1]
    kept = sorted(int(i) for label in range(3) for i in np.flatnonzero(labels == label)[:2])
    assert found.readings.numbers.tolist() == kept
    assert all(one.samples == 6 for one in (*found.now, *found.curves))


def test_without_the_net_before(options: InspectOptions) -> None:
    found, _ = find(replace(options, before=None))
    assert found.before is None
    assert found.top.groups == ()
    assert "--before" in found.notices[0]
    assert all(unit.before is None for unit in found.units)


def test_the_record_of_the_run_names_the_weights_before(options: InspectOptions, tmp_path: Path) -> None:
    folder = tmp_path / "run_run_001"
    folder.mkdir()
    (folder / "run.json").write_text(json.dumps({"weights": ["before.caffemodel"], "working_folder": str(tmp_path)}))
    found, _ = find(replace(options, before=None))
    assert found.before is not None
    assert [group.name for group in found.top.groups] == ["old units", "new units"]


def test_another_net_before(options: InspectOptions, tmp_path: Path) -> None:
    (tmp_path / "source.prototxt").write_text(
        """
        layer { name: "in" type: "Input" top: "x" input_param { shape { dim: 1 dim: 4 } } }
        layer { name: "old" type: "InnerProduct" bottom: "x" top: "h" inner_product_param { num_output: 2 } }
        layer { name: "relu" type: "ReLU" bottom: "h" top: "h" }
        layer { name: "source" type: "InnerProduct" bottom: "h" top: "y" inner_product_param { num_output: 9 } }
        """
    )
    found, _ = find(replace(options, before_model=tmp_path / "source.prototxt"))
    same, _ = find(options)
    assert found.layers[0].cka == pytest.approx(same.layers[0].cka)
    assert [group.name for group in found.top.groups] == ["old units", "new units"]


def test_numbers_beside_the_page(options: InspectOptions) -> None:
    page = inspect(options)
    with (page.parent / "groups.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    last = next(row for row in rows if row["iteration"] == "" and row["units"] == "new units")
    assert int(last["right"]) == nets.right(nets.weights(0), False, True)
    summary = json.loads((page.parent / "inspect.json").read_text())
    assert summary["groups"]["old units"]["accuracy"] == nets.right(nets.weights(0), True, False) / 23
    for name in ("cka", "layers", "units", "activations", "hardest", "map", "confusion", "classes"):
        assert len((page.parent / f"{name}.csv").read_text().splitlines()) > 1


MISTAKES = [
    ({"units": ["fc9:1"]}, "no layer called `fc9`", "its last layers are"),
    ({"units": ["od:1"]}, "no layer called `od`", "did you mean `old`"),
    ({"units": ["new:0,2,7"]}, "2 units, counted from 0", "use 0 to 1"),
    ({"units": ["new"]}, "--units takes", "fc7:3,17"),
    ({"per_class": 0}, "--per-class must be at least 1", "as 20"),
    ({"snapshots": "nothing"}, "no snapshots there", "snapshot_prefix"),
    ({"before": "run_iter_30.caffemodel"}, "not found", "correct the path"),
    ({"before_model": "net.prototxt", "before": None}, "needs the weights of that net", "--before"),
]


@pytest.mark.parametrize(("change", "what", "remedy"), MISTAKES)
def test_mistakes(options: InspectOptions, change: dict[str, object], what: str, remedy: str) -> None:
    with pytest.raises(UserError) as error:
        find(replace(options, **change))
    assert what in str(error.value)
    assert remedy in str(error.value)
    assert not Path(options.out).exists()


def test_several_mistakes_at_once(options: InspectOptions) -> None:
    with pytest.raises(UserError) as error:
        find(replace(options, units=["fc9:1", "old:5"]))
    assert len(error.value.problems) == 2


def test_weights_that_do_not_fit(options: InspectOptions, tmp_path: Path) -> None:
    blobs = nets.weights(0)
    blobs["head"] = [np.zeros((5, 4), np.float32), np.zeros(5, np.float32)]
    formats.write(tmp_path / "other.caffemodel", Weights(blobs))
    with pytest.raises(UserError, match="`head` differ in shape"):
        find(replace(options, weights=[str(tmp_path / "other.caffemodel")]))


def test_weights_before_of_another_net(options: InspectOptions, tmp_path: Path) -> None:
    formats.write(tmp_path / "other.caffemodel", Weights({"conv1": [np.zeros((2, 4), np.float32)]}))
    with pytest.raises(UserError, match="nothing would be copied"):
        find(replace(options, before=str(tmp_path / "other.caffemodel")))


def test_a_layer_of_another_shape_before_counts_as_new(options: InspectOptions, tmp_path: Path) -> None:
    blobs = nets.weights(8)
    blobs["new"] = [np.zeros((5, 4), np.float32), np.zeros(5, np.float32)]
    formats.write(tmp_path / "other.caffemodel", Weights(blobs))
    found, _ = find(replace(options, before=str(tmp_path / "other.caffemodel")))
    assert [group.name for group in found.top.groups] == ["old units", "new units"]
    assert "`new` differs in shape" in found.notices[0]


def test_no_classifier(options: InspectOptions, tmp_path: Path) -> None:
    text = nets.NET.split('layer { name: "accuracy"')[0]
    text += 'layer { name: "loss" type: "EuclideanLoss" bottom: "head" bottom: "head" top: "loss" }\n'
    (tmp_path / "net.prototxt").write_text(text)
    with pytest.raises(UserError, match=r"no classifier"):
        find(options)


def test_folder_of_several_runs(options: InspectOptions, tmp_path: Path) -> None:
    folder = tmp_path / "runs"
    folder.mkdir()
    for prefix in ("a", "b"):
        formats.write(folder / f"{prefix}_iter_5.caffemodel", Weights(nets.weights(1)))
    with pytest.raises(UserError, match="snapshots of several runs"):
        find(replace(options, snapshots=str(folder)))
    found, _ = find(replace(options, snapshots=str(folder / "b")))
    assert {one.iteration for one in found.curves} == {5}


def test_snapshot_of_another_net_is_left_out_or_refused(options: InspectOptions, tmp_path: Path) -> None:
    formats.write(tmp_path / "run_iter_5.caffemodel", Weights({"old": nets.weights(1)["old"]}))
    found, _ = find(options)
    assert {one.iteration for one in found.curves} == {10, 20}
    assert "run_iter_5.caffemodel is skipped" in found.notices[-1]
    with pytest.raises(UserError, match="the snapshot belongs to another net"):
        find(replace(options, snapshots=str(tmp_path / "run")))


def test_a_unit_that_was_dead_and_answers_now_has_changed_most(options: InspectOptions) -> None:
    blobs = nets.weights(8)
    blobs["old"][1][1] = -1000
    assert options.before is not None
    formats.write(options.before, Weights({"old": blobs["old"]}))
    first = find(options)[0].units[0]
    assert first.name == "old:1"
    assert np.isnan(first.correlation)
    assert first.before is not None
    assert first.before.tolist() == []
