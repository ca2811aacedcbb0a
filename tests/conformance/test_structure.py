"""The net that the original builds from a file: layers, blobs, shapes, inputs, outputs, parameters, loss weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from caffelungo.definition.filter import included, net_state
from caffelungo.definition.reader import read_net
from caffelungo.definition.schema import TEST, TRAIN
from caffelungo.errors import UserError
from caffelungo.plan.build_plan import build_plan
from caffelungo.plan.plan import Plan
from caffelungo.plan.splits import insert_splits
from tests.support import SHARED, needs_shared, shared


def _file(entry: dict[str, Any]) -> Path | None:
    """The entry's prototxt: beside structure.json, else in the collection of public files."""
    assert SHARED is not None
    beside = SHARED / "reference/caffe/structure" / entry["file"]
    if beside.is_file():
        return beside
    name = entry["file"].replace("/", "__")
    return next((SHARED / "corpus").rglob(name), None) if "/" in entry["file"] else None


def _cases() -> dict[str, dict[str, Any]]:
    if SHARED is None:
        return {}
    entries = json.loads((SHARED / "reference/caffe/structure/structure.json").read_text(encoding="utf-8"))
    return {name: entry for name, entry in entries.items() if _file(entry)}


CASES = _cases()


def plan_with_splits(path: Path, phase: int, level: int, stages: list[str]) -> Plan:
    net = read_net(path).message
    if net.layer[0].name == "input" and path.parent.name != "nets":
        net.layer[0].name = "data"  # the collection's copy is older than the original's: its inputs are legacy fields
    # The entries were printed by the Python interface, where the caller's phase and level win over the net's own.
    state = net_state(net, phase, level, stages)
    state.phase, state.level = phase, level
    kept = type(net)()
    kept.CopyFrom(net)
    del kept.layer[:]
    kept.layer.extend(layer for layer in net.layer if included(layer, state))
    return build_plan(insert_splits(kept), state)


@needs_shared
def test_enough_cases_were_found() -> None:
    assert sum(name.startswith("rules_") for name in CASES) == 32
    assert len(CASES) >= 41


@needs_shared
@pytest.mark.parametrize("name", CASES)
def test_as_the_original(name: str) -> None:
    entry = CASES[name]
    path = _file(entry)
    assert path is not None
    arguments = (
        path,
        TRAIN if entry["phase"] == "TRAIN" else TEST,
        entry["kw"].get("level", 0),
        entry["kw"].get("stages", []),
    )
    if entry["status"]:
        with pytest.raises(UserError):
            plan_with_splits(*arguments)
        return
    plan = plan_with_splits(*arguments)
    assert [planned.name for planned in plan.layers] == entry["layers"]
    assert list(plan.outputs) == entry["outputs"]
    if "blobs" not in entry:
        return
    assert [planned.layer.type for planned in plan.layers] == entry["layer_types"]
    assert {blob: list(shape or ()) for blob, shape in plan.blobs.items()} == entry["blobs"]
    inputs = [top for planned in plan.layers if planned.layer.type == "Input" for top in planned.tops]
    assert inputs == entry["inputs"]
    assert {planned.name: list(planned.tops) for planned in plan.layers} == entry["tops"]
    assert {planned.name: list(planned.bottoms) for planned in plan.layers} == entry["bottoms"]
    params = {p.name: [list(use.shape) for use in p.params] for p in plan.layers if p.params}
    assert params == entry["params"]
    weights = {
        top: weight
        for planned in plan.layers
        for top, weight in zip(planned.tops, planned.loss_weights, strict=True)
        if weight
    }
    assert weights == entry["loss_weights"]


@needs_shared
def test_in_place_below_another_reader_is_refused_with_its_place() -> None:
    path = shared("reference/caffe/structure/nets/split_inplace_fatal.prototxt")
    definition = read_net(path)
    with pytest.raises(UserError, match="overwrites blob `data` in place") as caught:
        build_plan(definition.message, net_state(definition.message, TRAIN), where=definition.where)
    assert caught.value.problems[0].where is not None
