"""What the documents say exists: links lead somewhere, commands are commands, flags are flags."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main

from caffelungo.cli.main import app
from caffelungo.cli.spelling import caffe_spelling
from caffelungo.definition import catalogue
from tests.support import REPOSITORY

PAGES = sorted(
    page
    for pattern in ("*.md", "docs/*.md", "nets/*/*.md", "solvers/*.md", "examples/*/*.md")
    for page in REPOSITORY.glob(pattern)
)
RECIPES = sorted(
    path
    for folder in ("nets", "solvers")
    for path in (REPOSITORY / folder).rglob("*")
    if path.name.endswith((".prototxt", ".j2"))
)
COMMAND = re.compile(r"^(?:#   |    )(lungo [a-z_]+.*?)(?: {2,}#.*| \| .*)?$", re.MULTILINE)


def name(path: Path) -> str:
    return str(path.relative_to(REPOSITORY))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_to_files(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)\)", page.read_text("utf-8")):
        if not re.match(r"https?://", target):
            assert (page.parent / target).exists(), target


def commands() -> Iterator[tuple[str, str]]:
    for path in (*PAGES, *RECIPES):
        for line in COMMAND.findall(path.read_text("utf-8")):
            yield name(path), line.strip()


def test_there_are_commands_to_check() -> None:
    assert len({where for where, _ in commands()}) > 20


@pytest.mark.parametrize(("where", "line"), sorted(set(commands())))
def test_a_command_and_its_flags_exist(where: str, line: str) -> None:
    verbs = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    _, verb, *words = shlex.split(line)
    if verb == "nets" and words[:1] == ["copy"] and words[1] != "NAME":
        assert words[1] in catalogue.names()
    assert verb in verbs
    flags = {flag for parameter in verbs[verb].params for flag in (*parameter.opts, *parameter.secondary_opts)}
    used = [word.partition("=")[0] for word in caffe_spelling([verb, *words], verbs) if word.startswith("-")]
    assert set(used) <= flags | {"--help"}, f"{line} uses {set(used) - flags}"


def test_the_page_on_nets_lists_all() -> None:
    text = (REPOSITORY / "docs" / "nets.md").read_text("utf-8")
    assert re.findall(r"^\| `([\w.]+)` \| [\d,]+ \|", text, re.MULTILINE) == catalogue.names()
