"""CONTRIBUTING's section on layers is true: in the repository two files, in a package one module."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import REPOSITORY

ENGINE = REPOSITORY / "engine" / "caffelungo"
SECTION = (REPOSITORY / "CONTRIBUTING.md").read_text(encoding="utf-8").split("### A layer\n")[1].split("\n### ")[0]
CODE, TEST = re.findall(r"```python\n(.*?)```", SECTION, re.DOTALL)
EXAMPLE = "lungo { lean_sigmoid { alpha: 0.3 } }"
"""Options of the type of the package below."""


def test_the_blocks_are_the_files() -> None:
    assert (ENGINE / "layers/types/hard_sigmoid.py").read_text(encoding="utf-8") == CODE
    assert (REPOSITORY / "tests/layers/types/test_hard_sigmoid.py").read_text(encoding="utf-8") == TEST


def test_nothing_else_of_the_engine_names_the_type() -> None:
    def names(path: Path) -> bool:
        tree = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        return any(getattr(node, "value", getattr(node, "id", None)) == "HardSigmoid" for node in tree)

    assert [path.name for path in ENGINE.rglob("*.py") if names(path)] == ["hard_sigmoid.py"]


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A site folder with a package that has the block as its one module, under another name."""
    site = tmp_path / "site"
    (site / "lean_layers").mkdir(parents=True)
    (site / "lean_layers/__init__.py").write_text("")
    module = CODE.replace("HardSigmoid", "LeanSigmoid").replace('OnnxOperator("Lean', 'OnnxOperator("Hard')
    (site / "lean_layers/lean_sigmoid.py").write_text(module)
    info = site / "lean_layers-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: lean-layers\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[caffelungo.layers]\nlean_sigmoid = lean_layers.lean_sigmoid\n")
    return site


def python(site: Path, *arguments: str, status: int = 0) -> str:
    """What a Python that has the package prints."""
    paths = [str(site), str(REPOSITORY / "engine"), str(REPOSITORY)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-W", "ignore", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=site.parent, check=False)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_a_package_s_type_is_asked_every_question(package: Path) -> None:
    code = f"""
from caffelungo.deploy.export import export
from tests.layers import every_type
one = every_type.Example({EXAMPLE!r})
every_type.hold("LeanSigmoid", one)
model = every_type.export_all({{"LeanSigmoid": one, "ReLU": every_type.Example()}}, export)
import json
print(json.dumps([[node.op_type, *(round(a.f, 4) for a in node.attribute)] for node in model.graph.node]))
"""
    nodes = json.loads(python(package, "-c", code).splitlines()[-1])
    assert ["HardSigmoid", 0.3, 0.5] in nodes


NET = f"""
layer {{ name: "data" type: "Input" top: "data" input_param {{ shape {{ dim: 1 dim: 6 }} }} }}
layer {{ name: "fc1" type: "InnerProduct" bottom: "data" top: "fc1" inner_product_param {{ num_output: 4 }} }}
layer {{ name: "lean1" type: "LeanSigmoid" bottom: "fc1" top: "fc1"
  {EXAMPLE}  # steeper
}}
layer {{ name: "fc2" type: "InnerProduct" bottom: "fc1" top: "fc2" inner_product_param {{ num_output: 3 }} }}
layer {{ name: "prob" type: "Softmax" bottom: "fc2" top: "prob" }}
"""


def test_the_commands_know_it(package: Path, tmp_path: Path) -> None:
    net = tmp_path / "net.prototxt"
    net.write_text(NET)
    lungo = ("-m", "caffelungo")
    assert "LeanSigmoid" in python(package, *lungo, "layers")
    shown = python(package, *lungo, "layers", "LeanSigmoid")
    assert "lungo { lean_sigmoid { } }" in shown
    assert "alpha  float = 0.2\n      Slope between 0 and 1." in shown
    python(package, *lungo, "check", str(net))
    python(package, *lungo, "grow", str(net), "--widen", "fc1:2", "-o", str(tmp_path / "wide.prototxt"))
    wide = (tmp_path / "wide.prototxt").read_text()
    assert wide.count('type: "LeanSigmoid"') == 2
    assert f"{EXAMPLE}  # steeper" in wide
    assert wide.count("alpha: 0.3") == 2
    net.write_text(NET.replace("alpha", "alpa"))
    printed = python(package, *lungo, "check", str(net), status=2)
    assert re.search(r"net\.prototxt:5:26: `lean_sigmoid` has no field `alpa`", printed)
    assert "did you mean `alpha`?" in printed


def test_a_package_that_cannot_be_loaded_is_named(package: Path) -> None:
    (package / "lean_layers/lean_sigmoid.py").write_text("import nothing_of_the_kind\n")
    printed = python(package, "-m", "caffelungo", "layers", status=2)
    assert "the layer types of the package `lean-layers` cannot be loaded" in printed
    assert "Traceback" not in printed
