"""CONTRIBUTING's section on augmentations is true: two files here, one module in a package that is built as it says."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from caffelungo.definition.catalogue_names import NETS
from tests.data.make import pictures
from tests.support import REPOSITORY

ENGINE = REPOSITORY / "engine" / "caffelungo"
TEXT = (REPOSITORY / "CONTRIBUTING.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    return TEXT.split(f"### {title}\n")[1].split("\n### ")[0].split("\n## ")[0]


CODE, TEST = re.findall(r"```python\n(.*?)```", section("An augmentation"), re.DOTALL)
(PROJECT,) = re.findall(r"```toml\n(.*?)```", section("A package"), re.DOTALL)
NET = """layer {{
  name: "data" type: "ImageData" top: "data" top: "label" image_data_param {{ source: "list.txt" batch_size: 2 }}
  transform_param {{ lungo {{ augmentation {{ type: "UpsideDown"
    {} }} }} }}
}}
layer {{ name: "fc" type: "InnerProduct" bottom: "data" top: "fc" inner_product_param {{ num_output: 3
  weight_filler {{ type: "xavier" }} }} }}
layer {{ name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" }}
"""


def test_the_blocks_are_the_files() -> None:
    file = "data/augmentations/random_vertical_flip.py"
    assert (ENGINE / file).read_text(encoding="utf-8") == CODE
    assert (REPOSITORY / "tests/data/augmentations/test_random_vertical_flip.py").read_text(encoding="utf-8") == TEST


def test_nothing_else_of_the_engine_names_it() -> None:
    def names(path: Path) -> bool:
        tree = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        return any(getattr(node, "value", getattr(node, "id", None)) == "RandomVerticalFlip" for node in tree)

    assert [path.name for path in ENGINE.rglob("*.py") if names(path)] == ["random_vertical_flip.py"]


@pytest.mark.parametrize("title", ["An augmentation", "A net", "A verb", "A package"])
def test_the_files_and_commands_of_the_steps_exist(title: str) -> None:
    for path in re.findall(r"`((?:engine|tests|docs|nets|definition|layers|solve|cli)/[\w/.]+)`", section(title)):
        assert (REPOSITORY / path).exists() or (ENGINE / path).exists(), path
    for path in re.findall(r"\]\(([\w/.]+)\)", section(title)):
        assert (REPOSITORY / path).exists(), path
    for module in re.findall(r"python -m ([\w.]+)", section(title)):
        root = REPOSITORY / "engine" if module.startswith("caffelungo") else REPOSITORY
        assert module in ("pytest", "pip") or (root / f"{module.replace('.', '/')}.py").exists(), module
    for path in re.findall(r" (tests/[\w/]+(?:\.py)?)", section(title)):
        assert (REPOSITORY / path).exists(), path


def test_the_lines_of_a_net_are_those_of_the_files() -> None:
    lines = [line for block in re.findall(r"```(?:python)?\n(.*?)```", section("A net"), re.DOTALL) for line in
             block.splitlines()]  # fmt: skip
    files = ("engine/caffelungo/definition/catalogue_names.py", "tests/nets/test_nets.py", "docs/nets.md")
    known = "\n".join((REPOSITORY / file).read_text(encoding="utf-8") for file in files).splitlines()
    assert [line for line in lines if line not in known and not line.startswith(".venv/bin/")] == []
    assert all((REPOSITORY / "nets" / family).is_dir() for family, _, _ in NETS.values())


def test_the_blocks_of_a_verb_are_in_its_files() -> None:
    command, function = re.findall(r"```python\n(.*?)```", section("A verb"), re.DOTALL)
    assert (ENGINE / "cli/doctor.py").read_text(encoding="utf-8") == command
    assert (ENGINE / "api/verbs/doctor.py").read_text(encoding="utf-8").endswith(function)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site folder with the package of the section, built from its pyproject.toml; the module under another name."""
    folder = tmp_path_factory.mktemp("package")
    project = PROJECT.replace("random_vertical_flip", "upside_down")
    (folder / "pyproject.toml").write_text(project)
    (folder / "my_package").mkdir()
    (folder / "my_package/__init__.py").write_text("")
    (folder / "my_package/upside_down.py").write_text(CODE.replace("RandomVerticalFlip", "UpsideDown"))
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = (folder / "dist").glob("*.whl")
    zipfile.ZipFile(wheel).extractall(folder / "site")
    return folder / "site"


def lungo(site: Path, folder: Path, *words: str) -> tuple[int, str]:
    """Status and output of a command of an environment that has the package."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), str(REPOSITORY / "engine")])}
    environment |= {"OMP_NUM_THREADS": "1", "COLUMNS": "200"}
    command = [sys.executable, *words]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("written", "status", "said"),
    [
        ("upside_down { probability: 0.2 }", 0, "no problem found"),
        ("upside_down { probability: 2 }", 2, "probability must be from 0 to 1"),
        ("upside_down { probabilty: 0.2 }", 2, "did you mean `probability`?"),
        ("probability: 0.2", 2, "write upside_down { probability: ... }"),
        ("upside_dwn { }", 2, "did you mean `upside_down`?"),
    ],
)
def test_check_knows_the_augmentation_of_a_package(
    site: Path, tmp_path: Path, written: str, status: int, said: str
) -> None:
    pictures(tmp_path, 4)
    (tmp_path / "net.prototxt").write_text(NET.format(written))
    found, printed = lungo(site, tmp_path, "-m", "caffelungo", "check", "net.prototxt")
    assert (found, said in printed) == (status, True), printed


def test_a_package_is_tried_without_installing_it(tmp_path: Path) -> None:
    """By the commands of the section; the last of them is `lungo check`."""
    block = re.search(
        r"```\n(mkdir .*?)PYTHONPATH=(\S+) lungo check net.prototxt\n```", section("A package"), re.DOTALL
    )
    assert block is not None
    pictures(tmp_path, 4)
    (tmp_path / "net.prototxt").write_text(NET.format("upside_down { probability: 0.2 }"))
    package = tmp_path / "my_package" / "my_package"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "upside_down.py").write_text(CODE.replace("RandomVerticalFlip", "UpsideDown"))
    unknown, printed = lungo(tmp_path / block[2], tmp_path, "-m", "caffelungo", "check", "net.prototxt")
    assert (unknown, "UpsideDown" in printed) == (2, True), printed
    commands = block[1].replace("random_vertical_flip", "upside_down")
    subprocess.run(["sh", "-e", "-c", commands], cwd=tmp_path, check=True)
    assert lungo(tmp_path / block[2], tmp_path, "-m", "caffelungo", "check", "net.prototxt")[0] == 0


def test_what_a_package_s_augmentation_does_wrong_names_the_package(site: Path, tmp_path: Path) -> None:
    """By check, and by training before the first iteration."""
    pictures(tmp_path, 4)
    (tmp_path / "net.prototxt").write_text(NET.format(""))
    (tmp_path / "solver.prototxt").write_text(
        'net: "net.prototxt" base_lr: 0.01 lr_policy: "fixed" max_iter: 2 display: 1 snapshot_prefix: "run"'
    )
    wrong = tmp_path / "wrong"
    for path in site.rglob("*"):
        if path.is_file():
            target = wrong / path.relative_to(site)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(path.read_text().replace("picture[::-1] if", "picture[::2] / 2 if"))
    for words in (("check", "net.prototxt"), ("train", "--solver", "solver.prototxt")):
        status, said = lungo(wrong, tmp_path, "-m", "caffelungo", *words)
        assert status == 2, said
        assert "net.prototxt:3:50: augmentation `UpsideDown` of the package `my-package` does not return" in said
        assert "Traceback" not in said
    status, said = lungo(site, tmp_path, "-m", "caffelungo", "train", "--solver", "solver.prototxt")
    assert status == 0, said


def test_the_page_has_it_when_asked_for(site: Path, tmp_path: Path) -> None:
    assert "## UpsideDown" in lungo(site, tmp_path, "-m", "caffelungo.data.documentation", "--all")[1]
    assert "## UpsideDown" not in lungo(site, tmp_path, "-m", "caffelungo.data.documentation")[1]
