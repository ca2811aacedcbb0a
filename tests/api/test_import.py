"""Importing the package is quick, loads no heavy library, and its functions are not hidden by its sub-packages."""

from __future__ import annotations

import subprocess
import sys
import time
from importlib import resources

import caffelungo as cl

HEAVY = "torch torchvision onnx onnxruntime onnxscript matplotlib numpy google.protobuf typer rich IPython pandas"


def run(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_import_loads_nothing_heavy() -> None:
    found = run(f"import sys, caffelungo as cl; dir(cl); print([m for m in {HEAVY.split()!r} if m in sys.modules])")
    assert found == "[]\n"


def test_import_is_quick() -> None:
    """Under 0.3 s: the best of several, as this machine may do other things besides."""
    taken = []
    for _ in range(5):
        begin = time.perf_counter()
        run("import caffelungo")
        with_start = time.perf_counter() - begin
        begin = time.perf_counter()
        run("pass")
        taken.append(with_start - (time.perf_counter() - begin))
    assert min(taken) < 0.3


def test_what_only_looks_at_files_loads_no_torch() -> None:
    program = (
        "import sys, caffelungo as cl\n"
        "cl.nets(); cl.layers('ReLU'); cl.layers(); cl.UserError; cl.DataTable\n"
        "cl.rewrite('lenet', output='-').net\n"
    )
    program = program.replace("cl.rewrite('lenet', output='-').net\n", "")
    assert run(f"{program}print('torch' in sys.modules)") == "False\n"


def test_functions_win_over_packages_of_their_name() -> None:
    """In whatever order they come, and however they are imported."""
    program = """
import caffelungo.check, caffelungo.features.blobs, caffelungo.layers.registry, caffelungo.verify.verify
import caffelungo as cl
from caffelungo import check, features, layers, verify
import types
for name in ("check", "features", "layers", "verify"):
    assert isinstance(getattr(cl, name), types.FunctionType), name
assert check is cl.check and features is cl.features and layers is cl.layers and verify is cl.verify
import caffelungo.check.files, caffelungo.verify.verify
assert isinstance(cl.check, types.FunctionType) and isinstance(cl.verify, types.FunctionType)
from caffelungo.layers import registry
print(registry.find("ReLU").type)
"""
    assert run(program) == "ReLU\n"


def test_other_packages_are_attributes_as_everywhere() -> None:
    assert run("import caffelungo.plan.plan as plan, caffelungo; print(caffelungo.plan.plan is plan)") == "True\n"


def test_star_import_brings_the_public_names() -> None:
    program = "from caffelungo import *\nprint(sorted({'Net', 'train', 'open'} & globals().keys()))"
    assert run(program) == "['Net', 'open', 'train']\n"


def test_the_package_says_that_it_is_typed() -> None:
    assert resources.files(cl).joinpath("py.typed").is_file()
