"""What the documents say exists: links lead somewhere, commands are commands, flags are flags."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
import typer.main

from caffelungo.cli.caffe_spelling import caffe_spelling
from caffelungo.cli.main import VERBS, app
from caffelungo.definition import catalogue
from caffelungo.passes import registry
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
    used = [word.partition("=")[0] for word in caffe_spelling([verb, *words], verbs) if re.match("-.", word)]
    assert set(used) <= flags | {"--help"}, f"{line} uses {set(used) - flags}"


def test_the_page_on_nets_lists_all() -> None:
    text = (REPOSITORY / "docs" / "nets.md").read_text("utf-8")
    assert re.findall(r"^\| `([\w.]+)` \| [\d,]+ \|", text, re.MULTILINE) == catalogue.names()


ARCHITECTURE = (REPOSITORY / "docs" / "architecture.md").read_text("utf-8")
ENGINE = REPOSITORY / "engine" / "caffelungo"
ROOMS = (
    "definition", "layers", "plan", "passes", "weights", "report", "net", "data", "solve", "features", "rewriting",
    "probes", "evidence", "inference", "deploy", "verify", "check", "projects", "serving", "study", "advising",
    "api", "cli",
)  # fmt: skip
"""The sections of the map, in the order in which nothing imports what comes after it."""


def sections() -> dict[str, str]:
    """The text under each ``### room`` heading; that on the modules of no room under the empty name."""
    parts = re.split(r"^#{2,3} (.*)$", ARCHITECTURE, flags=re.MULTILINE)
    titles = {"Errors, files and other helpers": ""}
    return {titles.get(title, title): text for title, text in zip(parts[1::2], parts[2::2], strict=True)}


def test_the_map_has_every_room_in_order() -> None:
    assert re.findall(r"^### (.*)$", ARCHITECTURE, re.MULTILINE) == list(ROOMS)
    folders = {path.name for path in ENGINE.iterdir() if (path / "__init__.py").exists()}
    assert folders == set(ROOMS)


def test_the_figure_has_the_rooms_in_the_order_of_the_sections() -> None:
    figure = ARCHITECTURE.partition("## The rooms")[2].split("```")[1]
    assert re.findall(r"^   ([a-z]+)  ", figure, re.MULTILINE) == list(ROOMS)


def off_the_map(files: Iterable[Path]) -> list[str]:
    """The modules that neither their room's section names nor a rule of the page finds; see "A module is named"."""
    named = {room: set(re.findall(r"`(?:[a-z_]+/)?([a-z_0-9]+)/?`", text)) for room, text in sections().items()}
    by_rule = {"passes": set(registry.passes()), "cli": set(VERBS)}
    lost = []
    for file in files:
        room, *inner = file.relative_to(ENGINE).with_suffix("").parts if file.parent != ENGINE else ("", file.stem)
        known = named[room] | by_rule.get(room, set()) | {"options"}
        if not file.name.startswith("__") and not known & set(inner):
            lost.append(str(file.relative_to(ENGINE)))
    return lost


def test_every_module_is_on_the_map() -> None:
    assert off_the_map(sorted(ENGINE.rglob("*.py"))) == [], "name them in docs/architecture.md, in their room's section"


@pytest.mark.parametrize("file", ["planted.py", "net/planted.py", "solve/planted/inner.py", "passes/planted.py"])
def test_a_module_that_the_map_lacks_is_found(file: str) -> None:
    assert off_the_map([ENGINE / file, ENGINE / "cli" / "train.py", ENGINE / "passes" / "widen.py"]) == [file]


@pytest.mark.parametrize("room", ["", *ROOMS])
def test_every_module_that_the_map_names_exists(room: str) -> None:
    """The names that open a bullet, and those that open a sentence in it: "`a`, `b`: what they do. `c`: ..."."""
    bullets = re.findall(r"^- (.*(?:\n  .*)*)", sections()[room], re.MULTILINE)
    named = [
        name
        for bullet in bullets
        for names in re.findall(r"(?:^|\. )((?:`[a-z_0-9]+`(?:,\s|(?= and|:)))+)", bullet)
        for name in re.findall(r"`(.*?)`", names)
    ]
    assert named
    missing = [
        name for name in named if not ((ENGINE / room / f"{name}.py").exists() or (ENGINE / room / name).is_dir())
    ]
    assert missing == []


def test_the_map_has_no_long_lines() -> None:
    assert [line for line in ARCHITECTURE.splitlines() if len(line) > 120] == []


@pytest.mark.parametrize("room", ROOMS)
def test_classes_and_functions_that_the_map_names_exist(room: str) -> None:
    """``Name`` and ``name(...)`` are found in the source of the room that names them."""
    source = "\n".join(path.read_text("utf-8") for path in (ENGINE / room).rglob("*.py"))
    words = re.findall(r"`([A-Z][a-zA-Z]+)`|`(\w+)\(.*?\)`", sections()[room])
    names = {name for pair in words for name in pair if name}
    assert [name for name in sorted(names) if not re.search(rf"\b(class|def) {name}\b|^{name} =", source, re.M)] == []
