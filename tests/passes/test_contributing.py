"""CONTRIBUTING's sections on passes and rate policies are true: two files here, one module in a package."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from caffelungo.passes.registry import passes
from caffelungo.solve.rate_policy import policies
from tests.passes.nets import ALEX
from tests.support import REPOSITORY

ENGINE = REPOSITORY / "engine" / "caffelungo"
TEXT = (REPOSITORY / "CONTRIBUTING.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    return TEXT.split(f"### {title}\n")[1].split("\n### ")[0]


PASS, PASS_TEST = re.findall(r"```python\n(.*?)```", section("A pass"), re.DOTALL)
POLICY, POLICY_TEST = re.findall(r"```python\n(.*?)```", section("A rate policy"), re.DOTALL)
FILES = {
    "engine/caffelungo/passes/dropout.py": PASS,
    "tests/passes/test_dropout.py": PASS_TEST,
    "engine/caffelungo/solve/rate_policies/triangular.py": POLICY,
    "tests/solve/test_triangular.py": POLICY_TEST,
}
SOLVER = """net: "alex.prototxt" base_lr: 0.01 max_iter: 10 lr_policy: "%s" gamma: 0.1 %s"""


@pytest.mark.parametrize("path", FILES)
def test_the_blocks_are_the_files(path: str) -> None:
    assert (REPOSITORY / path).read_text(encoding="utf-8") == FILES[path]


@pytest.mark.parametrize(("word", "file"), [("DropoutOptions", "dropout.py"), ('"triangular"', "triangular.py")])
def test_nothing_else_of_the_engine_names_them(word: str, file: str) -> None:
    assert [path.name for path in ENGINE.rglob("*.py") if word in path.read_text(encoding="utf-8")] == [file]


def test_they_are_known() -> None:
    assert passes()["dropout"].flags.keys() == {"--dropout", "--dropout-layer"}
    assert "triangular" in policies()


@pytest.mark.parametrize("title", ["A pass", "A rate policy"])
def test_the_files_and_commands_of_the_steps_exist(title: str) -> None:
    for path in re.findall(r"`((?:engine|tests|passes|solve|docs)/[\w/.]+)`", section(title)):
        assert (REPOSITORY / path).exists() or (ENGINE / path).exists(), path
    for module in re.findall(r"python -m ([\w.]+)", section(title)):
        root = REPOSITORY / "engine" if module.startswith("caffelungo") else REPOSITORY
        assert module == "pytest" or (root / f"{module.replace('.', '/')}.py").exists(), module
    for path in re.findall(r"(tests/[\w/]+\.py)", section(title)):
        assert (REPOSITORY / path).exists(), path


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site folder with a package that has both blocks as modules, under other names."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "lean").mkdir()
    (folder / "lean/__init__.py").write_text("")
    (folder / "lean/leave_out.py").write_text(
        PASS.replace('register("dropout"', 'register("leave_out"').replace("--dropout", "--leave-out")
    )
    (folder / "lean/saw.py").write_text(POLICY.replace('"triangular"', '"saw"'))
    info = folder / "lean-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: lean\nVersion: 1.0\n")
    points = [re.search(r"\[project.entry-points.\"(.*)\"\]", section(title)) for title in ("A pass", "A rate policy")]
    groups = [one[1] for one in points if one is not None]
    (info / "entry_points.txt").write_text(
        f"[{groups[0]}]\nleave_out = lean.leave_out\n[{groups[1]}]\nsaw = lean.saw\n"
    )
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "alex.prototxt").write_text(ALEX)
    return tmp_path


def python(site: Path, folder: Path, *arguments: str) -> tuple[int, str]:
    """The exit status and the output of a Python that has the package."""
    paths = [str(site), str(REPOSITORY / "engine"), str(REPOSITORY)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1", "COLUMNS": "200"}
    done = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, env=environment, cwd=folder, check=False
    )
    return done.returncode, done.stdout + done.stderr


def lungo(site: Path, folder: Path, line: str) -> tuple[int, str]:
    """The exit status and the output of a command with the package."""
    return python(site, folder, "-m", "caffelungo", *line.split())


def test_a_pass_of_a_package_in_recipe_flag_and_python(site: Path, folder: Path) -> None:
    (folder / "r.prototxt").write_text('step { leave_out { ratio: 0.2 layer: "drop7" } }')
    (folder / "python.py").write_text(
        "import caffelungo as cl\n"
        "from caffelungo.definition.reader import read_net\n"
        "from caffelungo.passes.base import run, step\n"
        "from lean.leave_out import DropoutOptions, dropout\n"
        "cl.rewrite('alex.prototxt', output='face.prototxt', leave_out=0.2, leave_out_layer='drop7')\n"
        "done = run(read_net('alex.prototxt'), [step(dropout, DropoutOptions(0.2, ('drop7',)))])\n"
        "open('python.prototxt', 'w').write(done.definition.text)\n"
    )
    status, printed = lungo(
        site, folder, "rewrite alex.prototxt --leave-out 0.2 --leave-out-layer drop7 -o flag.prototxt --explain"
    )
    assert (status, "`drop7` drops 0.2 instead of 0.5" in printed) == (0, True), printed
    assert lungo(site, folder, "grow alex.prototxt --recipe r.prototxt -o recipe.prototxt")[0] == 0
    status, printed = lungo(site, folder, "check r.prototxt")
    assert status == 0, printed
    status, said = python(site, folder, "python.py")
    assert status == 0, said
    texts = {name: (folder / f"{name}.prototxt").read_text() for name in ("flag", "recipe", "face", "python")}
    assert len(set(texts.values())) == 1
    assert "dropout_ratio: 0.2" in texts["flag"]


def test_the_help_and_the_page_have_it(site: Path, folder: Path) -> None:
    status, printed = lungo(site, folder, "rewrite --help")
    assert status == 0, printed
    assert "--leave-out " in printed
    assert "Another ratio for Dropout layers. Share of the values that are dropped." in " ".join(printed.split())
    assert "--leave-out" not in lungo(site, folder, "grow --help")[1]
    status, printed = python(site, folder, "-m", "caffelungo.passes.documentation", "--all")
    assert (status, "### leave_out\n" in printed) == (0, True)
    status, printed = python(site, folder, "-m", "caffelungo.passes.documentation")
    assert (status, "### leave_out\n" in printed) == (0, False)
    code = "from caffelungo.passes.registry import passes; print(passes()['leave_out'].order, *passes())"
    status, printed = python(site, folder, "-c", code)
    assert (status, printed.split()[0], printed.split()[-1]) == (0, "215", "fold")


@pytest.mark.parametrize(
    ("recipe", "printed"),
    [
        ("step { leave_out { ratio: 1.5 } }", ["r.prototxt:1:27: ratio must be at least 0 and below 1", "ratio: 1.5"]),
        ("step { leave_out { ratoi: 0.5 } }", ["r.prototxt:1:20: `leave_out` has no field", "did you mean `ratio`?"]),
        ("step { leav_out { ratio: 0.5 } }", ["r.prototxt:1:8: `step` has no field", "did you mean `leave_out`?"]),
        ("step { leave_out { } }", ["r.prototxt:1:8: missing: ratio", "write ratio with a value"]),
        ("step { leave_out { ratio: big } }", ["r.prototxt:1:27"]),
        ("step { }", ["exactly one pass", "leave_out"]),
    ],
)
def test_mistakes_in_a_recipe_have_their_place(site: Path, folder: Path, recipe: str, printed: list[str]) -> None:
    (folder / "r.prototxt").write_text(recipe)
    status, said = lungo(site, folder, "grow alex.prototxt --recipe r.prototxt -o o/")
    assert status == 2, said
    assert [part for part in printed if part not in said] == []
    assert not (folder / "o").exists()


def test_mistakes_in_flags(site: Path, folder: Path) -> None:
    status, printed = lungo(site, folder, "rewrite alex.prototxt --leave-out 1.5 -o out.prototxt")
    assert status == 2, printed
    assert "--leave-out must be at least 0 and below 1" in printed
    status, printed = lungo(site, folder, "rewrite alex.prototxt --leave-ot 0.5 -o out.prototxt")
    assert status == 2, printed
    assert "--leave-out" in printed
    code = "import caffelungo as cl\ncl.rewrite('alex.prototxt', output='o.prototxt', leave_ot=0.5)"
    status, printed = python(site, folder, "-c", code)
    assert (status, "did you mean `leave_out`?" in printed) == (1, True), printed
    assert not (folder / "out.prototxt").exists()


def test_a_policy_of_a_package(site: Path, folder: Path) -> None:
    (folder / "solver.prototxt").write_text(SOLVER % ("saw", "stepsize: 3"))
    (folder / "lacks.prototxt").write_text(SOLVER % ("saw", ""))
    (folder / "slip.prototxt").write_text(SOLVER % ("sawe", "stepsize: 3"))
    code = (
        "from caffelungo.definition.reader import read_solver\n"
        "from caffelungo.solve.learning_rate import Schedule\n"
        "rates = Schedule(read_solver('solver.prototxt').message)\n"
        "print([round(rates.rate(k), 6) for k in range(5)])\n"
    )
    status, printed = python(site, folder, "-c", code)
    assert (status, printed) == (0, "[0.001, 0.004, 0.007, 0.01, 0.007]\n")
    for name, wanted in (
        ("solver", ""),
        ("lacks", 'lr_policy "saw" needs stepsize > 0'),
        ("slip", 'did you mean "saw"?'),
    ):
        _, printed = lungo(site, folder, f"check {name}.prototxt")
        assert wanted in printed
        assert ("lr_policy" in printed) == bool(wanted), printed


@pytest.mark.parametrize(
    ("flag", "reason"),
    [
        ("--weights", "is an option of `lungo rewrite` itself"),
        ("--help", "is an option of `lungo rewrite` itself"),
        ("--dropout", "is one of pass 'dropout' already"),
        ("--scale", "is one of pass 'normalize' already"),
    ],
)
def test_a_flag_that_is_taken_is_said(site: Path, folder: Path, flag: str, reason: str) -> None:
    """A package cannot take a flag from the verb, or share one with a pass that it does not know, unnoticed."""
    other = folder / "site"
    other.mkdir()
    for path in site.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            target = other / path.relative_to(site)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(path.read_text().replace('flag="--leave-out"', f'flag="{flag}"'))
    status, printed = lungo(other, folder, "rewrite alex.prototxt -o o.prototxt")
    assert status == 2, printed
    printed = " ".join(printed.split())
    assert "the passes of the package `lean` cannot be loaded" in printed
    assert f"the flag {flag} {reason}" in printed
    assert "Traceback" not in printed


def test_in_a_notebook_the_decorator_is_enough(site: Path, folder: Path) -> None:
    """Even after recipes were read; the cell may be run again."""
    (folder / "cell.py").write_text(
        PASS.replace('register("dropout"', 'register("thinner"').replace("--drop", "--thin")
    )
    code = (
        "import caffelungo as cl\n"
        "from caffelungo.definition.reader import parse_recipe, read_net\n"
        "from caffelungo.passes.base import run\n"
        "from caffelungo.rewriting import recipes\n"
        "recipes.recipe(parse_recipe('step { fold { } }'))\n"
        "cell = open('cell.py').read()\n"
        "exec(cell)\n"
        "exec(cell)\n"
        "net = read_net('alex.prototxt')\n"
        "done = run(net, recipes.recipe(parse_recipe('step { thinner { ratio: 0.2 } }')).steps)\n"
        "print(done.definition.text.count('dropout_ratio: 0.2'))\n"
        "cl.rewrite('alex.prototxt', output='thin.prototxt', thinout=0.2)\n"
        "print(open('thin.prototxt').read() == done.definition.text)\n"
    )
    status, printed = python(site, folder, "-c", code)
    assert (status, printed) == (0, "2\nTrue\n")
