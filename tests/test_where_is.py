"""CONTRIBUTING.md asks questions of a newcomer and names the file that answers each: is it found by its name?"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support import REPOSITORY

ENGINE = REPOSITORY / "engine" / "caffelungo"
TEXT = (REPOSITORY / "CONTRIBUTING.md").read_text("utf-8").partition("## Where is ...?")[2].partition("\n## ")[0]
ROWS = re.findall(r"^\| (.+?) \| \[(.+?)\]\((.+?)\) \|$", TEXT, re.MULTILINE)
FACES = ("api", "cli")
"""Rooms whose files bear the names of the verbs."""
FILES = sorted(
    path.relative_to(ENGINE)
    for path in ENGINE.rglob("*.py")
    if not path.name.startswith("__") and path.relative_to(ENGINE).parts[0] not in FACES
)

SMALL = re.compile(
    "how|the|what|does|which|where|are|and|when|for|its|with|from|one|two|old|new|may|them|that|they|those|come|made|"
    "files?|caffe|lungo"
)
FIRST = 5
"""The file is among so many that its question leads to."""


def words(text: str) -> list[str]:
    return [word for word in re.findall(r"[a-z0-9]+", text.lower()) if len(word) > 2 and not SMALL.fullmatch(word)]


def alike(one: str, other: str) -> bool:
    """Whether two words have one stem: all but their last two letters, and four at least."""
    shared = next((k for k, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    return one == other or (shared >= 4 and shared >= min(len(one), len(other)) - 2)


def score(question: str, file: Path) -> float:
    """How much of the names of ``file`` and its folders a question says."""
    asked = words(question)
    name = file.stem.split("_")
    hits = sum(any(alike(word, one) for one in asked) for word in name)
    folder = any(alike(word, one) for part in file.parts[:-1] for word in part.split("_") for one in asked)
    return hits + 2 * hits / len(name) + folder


def leads_to(question: str, files: list[Path]) -> list[Path]:
    """The files in the order in which their names answer ``question``; those that do not at all are left out."""
    scores = {file: score(question, file) for file in files}
    return [file for file in sorted(files, key=lambda one: (-scores[one], str(one))) if scores[file] > 0]


def test_there_are_many_of_different_files() -> None:
    assert len(ROWS) >= 28
    assert len({file for _, file, _ in ROWS}) == len(ROWS)
    assert len({file.split("/")[0] for _, file, _ in ROWS}) >= 14, "the questions go through the rooms"


@pytest.mark.parametrize(("question", "file", "link"), ROWS, ids=[file for _, file, _ in ROWS])
def test_a_question_leads_to_its_file(question: str, file: str, link: str) -> None:
    assert link == f"engine/caffelungo/{file}"
    assert (REPOSITORY / link).is_file()
    found = [str(one) for one in leads_to(question, FILES)]
    assert file in found[:FIRST], f"the names of these say more of it: {found[:FIRST]}"


@pytest.mark.parametrize(
    ("question", "name", "better"),
    [
        ("Which pass makes a layer wider?", "passes/grow.py", "passes/widen.py"),
        ("How is a logistic regression fitted in a probe?", "probes/model.py", "probes/logistic.py"),
    ],
)
def test_a_name_that_says_nothing_is_not_found(question: str, name: str, better: str) -> None:
    files = [Path(name) if str(file) == better else file for file in FILES]
    assert Path(name) not in leads_to(question, files)[:FIRST]


def test_what_is_alike() -> None:
    assert alike("parsed", "parser")
    assert alike("wider", "widen")
    assert alike("statistics", "statistic")
    assert not alike("cost", "cast")
    assert not alike("net", "nets_of")
