"""The flow runs one way, and what needs no torch does not import it."""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from tests.support import REPOSITORY

ENGINE = REPOSITORY / "engine" / "caffelungo"
STAGES = [
    "definition", "layers", "passes", "net", "weights", "data", "solve", "features", "probes", "deploy", "serving",
    "study",
]  # fmt: skip
BESIDE = {
    # The store copies arrays, weights match plans, data serves batches: these three stand side by side.
    frozenset(("net", "weights")),
    frozenset(("weights", "data")),
    frozenset(("net", "data")),
}
TORCH_FREE = [
    "caffelungo.definition.reader",
    "caffelungo.definition.editor",
    "caffelungo.plan.plan",
    "caffelungo.layers.fillers",
    "caffelungo.layers.documentation",
    "caffelungo.passes",
    "caffelungo.rewriting.recipes",
    "caffelungo.rewriting.rewrite",
    "caffelungo.rewriting.grow_steps",
    "caffelungo.projects.task_project",
    "caffelungo.report.drawing",
    "caffelungo.weights.formats",
    "caffelungo.weights.copy",
    "caffelungo.weights.difference",
    "caffelungo.report.difference",
    "caffelungo.verify.console_tables",
    "caffelungo.data.folder",
    "caffelungo.data.convert_imageset",
    "caffelungo.data.compute_image_mean",
    "caffelungo.cli.main",
    "caffelungo.definition.catalogue",
    "caffelungo.serving.app",
    "caffelungo.serving.server",
    "caffelungo.study.cells",
    "caffelungo.study.cells.worker",
    "caffelungo.study.statistics",
    "caffelungo.features.prefix",
    "caffelungo.features.upstream",
    "caffelungo.features.formats",
    "caffelungo.features.addresses",
    "caffelungo.study.compare",
    "caffelungo.study.reporting",
    "caffelungo.report.intervals",
    "caffelungo.rewriting.retarget",
    "caffelungo.projects.finetune_project",
    "caffelungo.probes.options",
    "caffelungo.probes.candidates",
    "caffelungo.probes.pictures",
    "caffelungo.probes.table",
    "caffelungo.cli.probe",
]


@cache
def imports(path: Path) -> set[str]:
    """What of the engine a file imports, anywhere in it: stages, and files beside them."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        parts = [name.split(".") for name in names]
        found |= {two[1] for two in parts if two[0] == "caffelungo" and len(two) > 1}
    return found


def reached(path: Path) -> set[str]:
    """The stages that a file imports, itself or through files beside the stages."""
    found: set[str] = set()
    waiting = list(imports(path))
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            beside = ENGINE / f"{name}.py"
            waiting += imports(beside) if beside.exists() else ()
    return found & set(STAGES)


@pytest.mark.parametrize("stage", STAGES)
def test_nothing_imports_what_comes_after_it(stage: str) -> None:
    wrong = []
    for path in (ENGINE / stage).rglob("*.py"):
        for other in reached(path):
            later = STAGES.index(other) > STAGES.index(stage)
            if later and frozenset((stage, other)) not in BESIDE:
                wrong.append(f"{path.relative_to(ENGINE)} imports {other}")
    assert not wrong


def test_import_without_torch() -> None:
    """In one process, as each import of one takes half a second: the first that brings torch is named."""
    code = (
        "import importlib, sys\n"
        f"for module in {TORCH_FREE!r}:\n"
        "    importlib.import_module(module)\n"
        "    if 'torch' in sys.modules: sys.exit(f'{module} imports torch')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
