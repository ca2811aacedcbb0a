"""The Python in the documents runs, each page from its beginning, in a folder such as a user has."""

from __future__ import annotations

import contextlib
import io
import re
import shutil
from pathlib import Path

import pytest

import caffelungo as cl
from tests.support import REPOSITORY

BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PAGES = {"python.md": "# From Python", "growing.md": "## From Python"}


@pytest.mark.parametrize("page", PAGES)
def test_its_python_runs(page: str, prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (REPOSITORY / "docs" / page).read_text("utf-8")
    blocks = BLOCK.findall(text[text.index(PAGES[page]) :])
    assert len(blocks) > 1
    shutil.copytree(prepared, tmp_path / "user")
    monkeypatch.chdir(tmp_path / "user")
    names: dict[str, object] = {}
    printed = io.StringIO()
    for block in blocks:
        with contextlib.redirect_stdout(printed):
            exec(compile(block, page, "exec"), names)
    assert isinstance(names["grown"], cl.Net)
    assert Path("grown.caffemodel").is_file()
    assert printed.getvalue()


def test_the_page_names_every_verb() -> None:
    text = (REPOSITORY / "docs" / "python.md").read_text("utf-8")
    table = text[text.index("| start |") : text.index("What a verb prints")]
    assert set(re.findall(r"`(\w+)`", table)) == set(cl._VERBS)
