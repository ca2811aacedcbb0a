"""Rewritten nets train, and leave as ONNX files that answer alike."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from caffelungo.definition.reader import parse_net, parse_recipe, read_solver
from caffelungo.deploy.export import export
from caffelungo.passes.base import run
from caffelungo.passes.moves import moved
from caffelungo.report.glog import CaffeLog
from caffelungo.rewriting.recipes import recipe
from caffelungo.solve.solver import make_solver
from caffelungo.weights.weights import Weights
from tests.passes.nets import ANSWER, FIRE, RESIDUAL
from tests.passes.numbers import random_blobs

pytestmark = pytest.mark.slow
NETS = {"fc": (ANSWER, 20), "fire": (FIRE, 21), "residual": (RESIDUAL, 16)}
RECIPES = (
    "step { deepen { units: 6 } }",
    "step { joint { units: 6 } }",
    "step { recursive { units: 6 } }",
    "step { widen { units: 6 keep_head: true } }",
    "step { read { } }",
    "step { normalize { } }",
    "step { side { } }",
    "step { adapters { rank: 2 } }",
    "step { adapters { kind: RESIDUAL } }",
    "step { widen { units: 6 } } step { widen { units: 5 } } step { recursive { units: 4 } } tune: TOP",
)
DATA = """layer { name: "data" type: "DummyData" top: "data" top: "label" dummy_data_param {
  shape { dim: 2 dim: 3 dim: %d dim: %d } shape { dim: 2 }
  data_filler { type: "gaussian" } data_filler { type: "constant" value: 2 } } }
"""


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("text", RECIPES)
def test_three_iterations(name: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    net, size = NETS[name]
    net = re.sub(r'layer \{ name: "data" type: "Input".*\n', DATA % (size, size), net)
    loss = r'layer { name: "loss" type: "SoftmaxWithLoss" bottom: "\1" bottom: "label" top: "loss" }'
    net = re.sub(r'layer \{ name: "prob" type: "Softmax" bottom: "(\w+)" top: "prob" \}', loss, net)
    Path("net.prototxt").write_text(run(parse_net(net), recipe(parse_recipe(text)).steps).definition.text)
    Path("solver.prototxt").write_text(
        'net: "net.prototxt" base_lr: 0.01 lr_policy: "fixed" max_iter: 3 random_seed: 1'
    )
    solver = make_solver(read_solver("solver.prototxt"), log=CaffeLog())
    solver.step(3)
    assert solver.iteration == 3


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("text", [*RECIPES, "step { cast { } }", "step { fold { } }"])
def test_export_proves_equal_answers(name: str, text: str, tmp_path: Path) -> None:
    net = parse_net(NETS[name][0])
    if ("cast" in text and name == "fire") or ("fold" in text and name != "residual"):
        pytest.skip("has no such layer")
    result = run(net, recipe(parse_recipe(text)).steps)
    weights = Weights(moved(random_blobs(net), result.moves))
    for layer, arrays in random_blobs(result.definition, 9).items():
        weights.layers.setdefault(layer, arrays)
    assert export(result.definition, weights, tmp_path / "net.onnx").path.is_file()
