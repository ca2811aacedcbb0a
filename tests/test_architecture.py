"""The rooms of the package: imports go one way, in no circle, and what needs no torch does not import it."""

from __future__ import annotations

import ast
import os
import re
import shutil
import statistics
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.import_graph import Graph, arrows_back, circles, module_files, read_graph, room_of
from tests.support import REPOSITORY

ENGINE = REPOSITORY / "engine" / "caffelungo"
ROOMS = [
    "definition", "layers", "plan", "passes", "weights", "report", "net", "data", "solve", "features", "rewriting",
    "probes", "evidence", "inference", "deploy", "verify", "check", "projects", "serving", "study", "advising",
    "api", "cli",
]  # fmt: skip
"""In the order in which they lean on each other: a module imports from its own room, earlier ones, and the helpers."""

APART = {
    "report": {"net", "data", "solve", "features", "probes", "verify", "study"},
    "inference": {"deploy", "net", "solve"},
    "serving": {"deploy", "net", "solve"},
}
"""Rooms that must not need certain others, wherever these are in the order."""

TORCH_FREE_ROOMS = [
    "definition", "layers", "plan", "passes", "weights", "report", "data", "rewriting", "evidence", "inference",
    "check", "projects", "serving", "cli",
]  # fmt: skip
"""Rooms of which no module imports torch before a function of it is called; so do the helpers beside the rooms."""

WITH_TORCH = [
    "caffelungo.layers.dropout_masks", "caffelungo.layers.onnx_forms", "caffelungo.layers.response_normalization",
]  # fmt: skip
"""Except these, which only what computes imports."""

TORCH_FREE = [
    "caffelungo",
    "caffelungo.verify.console_tables",
    "caffelungo.solve.observer",
    "caffelungo.solve.training_setup",
    "caffelungo.solve.choose_head",
    "caffelungo.solve.loss_heads",
    "caffelungo.features.prefix",
    "caffelungo.features.upstream",
    "caffelungo.features.formats",
    "caffelungo.features.addresses",
    "caffelungo.probes.options",
    "caffelungo.probes.candidates",
    "caffelungo.probes.picture_entries",
    "caffelungo.probes.table",
    "caffelungo.study.cells",
    "caffelungo.study.cells.worker",
    "caffelungo.study.statistics",
    "caffelungo.study.compare",
    "caffelungo.study.reporting",
]
"""Modules of the other rooms that do without it, too."""


@pytest.fixture(scope="module")
def graph() -> Graph:
    return read_graph(ENGINE)


def apart(graph: Graph) -> list[str]:
    """Imports by a room of what it must not need, as "a imports b"."""
    wrong = []
    for module, others in sorted(graph.items()):
        shut = APART.get(module.split(".")[1] if "." in module else "", set())
        wrong += [f"{module} imports {other}" for other in sorted(others) if other.split(".")[1:2] and
                  other.split(".")[1] in shut]  # fmt: skip
    return wrong


def test_every_folder_is_a_room() -> None:
    folders = {path.parent.relative_to(ENGINE).parts[0] for path in ENGINE.rglob("*.py") if path.parent != ENGINE}
    assert folders == set(ROOMS)
    assert {module for module in module_files(ENGINE) if room_of(module, ROOMS) is None} == set()


def test_nothing_imports_what_comes_after_it(graph: Graph) -> None:
    assert arrows_back(graph, ROOMS) == []


def test_rooms_that_stay_apart(graph: Graph) -> None:
    assert apart(graph) == []


def test_no_circle_among_modules(graph: Graph) -> None:
    assert circles(graph) == [], "modules import each other in a circle"


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package's files, to plant mistakes in."""
    place = tmp_path_factory.mktemp("planted") / "caffelungo"
    shutil.copytree(ENGINE, place, ignore=lambda folder, names: [
        name for name in names if ("." in name and not name.endswith(".py")) or name == "__pycache__"
    ])  # fmt: skip
    return place


INSIDE = "\n\ndef _later() -> None:\n    {}\n"
CHECKING = "\nfrom typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n    {}\n"


@pytest.mark.parametrize(
    ("file", "how", "line", "arrow"),
    [
        ("errors.py", "{}", "import caffelungo.plan.plan", "errors imports caffelungo.plan.plan"),
        ("bounds.py", "{}", "import caffelungo", "bounds imports caffelungo"),
        ("definition/schema.py", INSIDE, "from caffelungo.layers import base",
         "definition.schema imports caffelungo.layers.base"),
        ("layers/base.py", CHECKING, "from caffelungo.plan.plan import Plan",
         "layers.base imports caffelungo.plan.plan"),
        ("layers/types/relu.py", "{}", "from ...net.graph import Net",
         "layers.types.relu imports caffelungo.net.graph"),
        ("report/confusion.py", INSIDE, "import caffelungo.solve.run_training as later",
         "report.confusion imports caffelungo.solve.run_training"),
        ("check/files.py", "{}", "from caffelungo.cli import check", "check.files imports caffelungo.cli.check"),
        ("cli/check.py", "{}", "import caffelungo.__main__", ""),
        ("inference/inputs.py", INSIDE, "from caffelungo.deploy.export import export",
         "inference.inputs imports caffelungo.deploy.export"),
        ("deploy/trace.py", "{}", "from caffelungo.study.cells.cell import Cell",
         "deploy.trace imports caffelungo.study.cells.cell"),
        ("data/source.py", INSIDE, "importlib.import_module('caffelungo.solve.run_training')",
         "data.source imports caffelungo.solve.run_training"),
    ],
)  # fmt: skip
def test_a_planted_arrow_back_is_found(copied: Path, file: str, how: str, line: str, arrow: str) -> None:
    path = copied / file
    text = path.read_text("utf-8")
    before = set(arrows_back(read_graph(copied), ROOMS))
    path.write_text(text + "\n" + how.format(line) + "\n", "utf-8")
    try:
        found = set(arrows_back(read_graph(copied), ROOMS)) - before
    finally:
        path.write_text(text, "utf-8")
    assert found == ({f"caffelungo.{arrow}"} if arrow else set())


@pytest.mark.parametrize(
    ("plants", "circle"),
    [
        ({"files.py": "from caffelungo import tabular"}, {"files", "tabular"}),
        ({"definition/edits.py": "def later():\n    from caffelungo.definition import editor"},
         {"definition.edits", "definition.editor"}),
        ({"weights/wire.py": "from . import caffemodel"}, {"weights.wire", "weights.caffemodel"}),
        ({"cli/options.py": "from caffelungo.cli.diff import diff"}, {"cli.options", "cli.diff"}),
        ({"bounds.py": "import caffelungo.wording", "wording.py": "import caffelungo.version",
          "version.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import caffelungo.bounds"},
         {"bounds", "wording", "version"}),
    ],
)  # fmt: skip
def test_a_planted_circle_is_found(copied: Path, plants: dict[str, str], circle: set[str]) -> None:
    texts = {file: (copied / file).read_text("utf-8") for file in plants}
    for file, line in plants.items():
        (copied / file).write_text(f"{texts[file]}\n{line}\n", "utf-8")
    try:
        found = [{module.removeprefix("caffelungo.") for module in group} for group in circles(read_graph(copied))]
    finally:
        for file, text in texts.items():
            (copied / file).write_text(text, "utf-8")
    assert any(circle <= group for group in found)


def test_a_planted_need_of_a_room_is_found(copied: Path) -> None:
    """Also one that the order allows: `serving` comes after `deploy`."""
    path = copied / "serving" / "app.py"
    text = path.read_text("utf-8")
    path.write_text(f"{text}\nfrom caffelungo.deploy.export import export\n", "utf-8")
    try:
        assert apart(read_graph(copied)) == ["caffelungo.serving.app imports caffelungo.deploy.export"]
    finally:
        path.write_text(text, "utf-8")


def test_circles_of_a_graph() -> None:
    graph = {"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": set(), "e": {"f", "d"}, "f": {"e"}, "g": {"a"}}
    assert circles(graph) == [["a", "b", "c"], ["e", "f"]]


def shared_class_names(engine: Path) -> set[str]:
    """Names of several public classes at the top of modules below ``engine``; a reader would open the wrong one."""
    found: Counter[str] = Counter()
    for path in module_files(engine).values():
        body = ast.parse(path.read_text("utf-8")).body
        found.update(node.name for node in body if isinstance(node, ast.ClassDef) and not node.name.startswith("_"))
    return {name for name, count in found.items() if count > 1}


def test_a_class_name_means_one_thing() -> None:
    assert shared_class_names(ENGINE) == set(), "two classes of one name: say in the name what each is"


def test_a_planted_class_of_a_known_name_is_found(copied: Path) -> None:
    before = shared_class_names(copied)
    path = copied / "study" / "planted.py"
    path.write_text("class Training:\n    pass\n\n\nclass _Private:\n    pass\n", "utf-8")
    (copied / "solve" / "planted.py").write_text("class _Private:\n    pass\n", "utf-8")
    try:
        assert shared_class_names(copied) - before == {"Training"}
    finally:
        path.unlink()
        (copied / "solve" / "planted.py").unlink()


def test_files_are_small() -> None:
    lines = {str(path.relative_to(ENGINE)): len(path.read_text("utf-8").splitlines()) for path in ENGINE.rglob("*.py")}
    assert {file: count for file, count in lines.items() if count > 400} == {}, "part it by job"
    assert statistics.median(lines.values()) < 110


def long_functions(engine: Path, most: int = 60) -> dict[str, int]:
    """Functions of more than ``most`` lines, as "file: function", with their lines.

    The options of a verb are the parameters of the function of its file in `cli` and `api/verbs`: a line or more for
    each, with its help. These lines are not counted, as a verb has as many as it has options.
    """
    found = {}
    for path in module_files(engine).values():
        file = path.relative_to(engine)
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                verb = file.parts[0] in ("api", "cli") and node.name == file.stem
                first = node.body[0].lineno - 1 if verb else node.lineno - 1
                if (lines := (node.end_lineno or 0) - first) > most:
                    found[f"{file}: {node.name}"] = lines
    return found


def test_functions_are_short() -> None:
    assert long_functions(ENGINE) == {}, "part it by what is done"


def test_a_planted_long_function_is_found(copied: Path) -> None:
    """Of a verb what it does is counted, its options are not."""
    options = "".join(f"    option_{k}: int = {k},\n" for k in range(70))
    body = "    print(0)\n"
    texts = {
        "cli/planted.py": f"def planted(\n{options}) -> None:\n{60 * body}\n\ndef other() -> None:\n{60 * body}",
        "api/verbs/planted.py": f"def planted(\n{options}) -> None:\n{61 * body}",
        "data/planted.py": f"class Planted:\n    def method(self) -> None:\n{60 * ('    ' + body)}",
    }
    for file, text in texts.items():
        (copied / file).write_text(text, "utf-8")
    try:
        found = long_functions(copied)
    finally:
        for file in texts:
            (copied / file).unlink()
    assert found == {"cli/planted.py: other": 61, "api/verbs/planted.py: planted": 61, "data/planted.py: method": 61}


def torch_free() -> list[str]:
    """All modules that are to be imported without torch."""
    found = []
    for module in module_files(ENGINE):
        parts = module.split(".")
        helper = len(parts) == 2 and parts[1] not in (*ROOMS, "__main__")
        if helper or (len(parts) > 1 and parts[1] in TORCH_FREE_ROOMS):
            found.append(module)
    return [module for module in [*found, *TORCH_FREE] if module not in WITH_TORCH]


def imported(modules: list[str], engine: Path) -> tuple[int, str]:
    """Imports ``modules`` in one process, as an import of torch takes a second; the first that brings it is named."""
    code = (
        "import importlib, sys\n"
        "for module in sys.stdin.read().split():\n"
        "    importlib.import_module(module)\n"
        "    if 'torch' in sys.modules: sys.exit(f'{module} imports torch')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], input="\n".join(modules), env={**os.environ, "PYTHONPATH": str(engine.parent)},
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    return done.returncode, done.stderr.strip()


def test_import_without_torch() -> None:
    modules = torch_free()
    assert len(modules) > 300
    assert imported(modules, ENGINE) == (0, "")


def test_modules_with_torch_are_named_rightly() -> None:
    for module in WITH_TORCH:
        assert imported([module], ENGINE) == (1, f"{module} imports torch")


def test_modules_that_docstrings_name_exist() -> None:
    """``room.module`` in backticks: names that a move leaves behind. ``net.`` and ``plan.`` mean objects, too."""
    wrong = []
    for path in sorted(ENGINE.rglob("*.py")):
        for room, name in re.findall(r"``([a-z_]+)\.([a-z_]+)(?:\.\w+)?``", path.read_text()):
            if room not in ("net", "plan") and (ENGINE / room / "__init__.py").exists():
                there = (ENGINE / room / f"{name}.py").exists() or (ENGINE / room / name).is_dir()
                if not there and not re.search(rf"\b{name}\b", (ENGINE / room / "__init__.py").read_text()):
                    wrong.append(f"{path.relative_to(ENGINE)}: {room}.{name}")
    assert wrong == []
