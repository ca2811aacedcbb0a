"""The pre-commit hook: what the repository offers and what docs/checking.md shows are commands that run."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import REPOSITORY

HOOKS = REPOSITORY / ".pre-commit-hooks.yaml"
PAGE = REPOSITORY / "docs" / "checking.md"
NET = 'layer { name: "d" type: "Input" top: "d" input_param { shape { dim: 1 dim: 3 dim: 8 dim: 8 } } }\n'


def settings(text: str) -> dict[str, str]:
    """``key: value`` of the one hook in ``text``; the files here need no more of YAML."""
    pairs = re.findall(r"^[ -]*([a-z_]+): +(.+)$", text, re.MULTILINE)
    assert len(pairs) == len(dict(pairs))
    return {key: value.strip("'") for key, value in pairs}


def offered() -> dict[str, str]:
    return settings(HOOKS.read_text("utf-8"))


def shown() -> dict[str, str]:
    page = PAGE.read_text("utf-8")
    return settings(page[page.index("repos:\n") :].partition("```")[0])


def run(entry: str, *files: str, folder: Path) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        [*shlex.split(entry), *files], cwd=folder, env={**os.environ, "PATH": path}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip


def test_the_hook_has_what_pre_commit_requires() -> None:
    hook = offered()
    assert {"id", "name", "entry", "language"} <= set(hook)
    assert hook["id"] == "lungo-check"
    assert hook["language"] == "python"  # pre-commit then installs this repository
    assert (REPOSITORY / "pyproject.toml").is_file()


@pytest.mark.parametrize("entry", [offered()["entry"], shown()["entry"], "lungo check --no-data"])
def test_the_entry_runs(entry: str, tmp_path: Path) -> None:
    (tmp_path / "good.prototxt").write_text(NET)
    (tmp_path / "bad net.prototxt").write_text(NET.replace("Input", "Inptu"))
    done = run(entry, "good.prototxt", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    done = run(entry, "good.prototxt", "bad net.prototxt", folder=tmp_path)
    assert done.returncode == 2
    assert 'did you mean "Input"?' in done.stderr


@pytest.mark.parametrize("pattern", [offered()["files"], shown()["files"]])
def test_it_looks_at_definitions(pattern: str) -> None:
    found = [name for name in ("a/net.prototxt", "net.prototxt.j2", "x.txt", "prototxt.py") if re.search(pattern, name)]
    assert found == ["a/net.prototxt"]
    assert all(re.search(hook["exclude"], "labelmap_voc.prototxt") for hook in (shown(), offered()))
