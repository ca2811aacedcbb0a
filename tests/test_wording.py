"""Parts of sentences that many messages have."""

from __future__ import annotations

import ast
import re
from itertools import pairwise
from pathlib import Path
from typing import TypeGuard

import pytest

from caffelungo.wording import counted, listed, sentence
from tests.support import REPOSITORY

ENGINE = REPOSITORY / "engine" / "caffelungo"

BOTH_NUMBERS = re.compile(r"[a-z`]\((s|es|ies)\)(?!\w)")
PLURAL = re.compile(r" (?:[a-z]+ )?(?:[a-z]{2,}[^su'\W]s|classes)\b(?!')")
FORMULAS = re.compile(r"\b(?:exp|f|log)\(s\)")


@pytest.mark.parametrize(
    ("count", "told"),
    [(1, "1 top"), (0, "0 tops"), ("1 to 2", "1 to 2 tops"), ("at least 1", "at least 1 top"),
     ("at least 2", "at least 2 tops")],
)  # fmt: skip
def test_one_of_a_thing_is_singular(count: object, told: str) -> None:
    assert counted(count, "top") == told


def test_a_long_list_is_cut_and_the_rest_counted() -> None:
    assert listed(range(3)) == "0, 1, 2"
    assert listed(range(2), 2) == "0, 1"
    assert listed(range(12), 2) == "0, 1 and 10 more"
    assert listed([]) == ""
    assert listed("abc", 2, "; ") == "a; b and 1 more"
    assert listed("ab", 8, total=9) == "a, b and 7 more"


def test_a_sentence_is_cut_between_words_alone() -> None:
    assert sentence("one two-part word", 12) == ["One two-part", "word."]
    assert sentence("") == []


@pytest.mark.parametrize(
    ("count", "thing", "text"),
    [
        (1, "layer", "1 layer"), (0, "layer", "0 layers"), (3, "readable picture", "3 readable pictures"),
        (2, "class", "2 classes"), (1, "class", "1 class"), (2, "batch", "2 batches"), (2, "entry", "2 entries"),
        (2, "key", "2 keys"), (2, "spatial axis", "2 spatial axes"), ("1 to 2", "top", "1 to 2 tops"),
        ("1", "bottom", "1 bottom"), ("12,000", "byte", "12,000 bytes"), (2, "box", "2 boxes"),
    ],
)  # fmt: skip
def test_what_is_counted_has_its_number(count: object, thing: str, text: str) -> None:
    assert counted(count, thing) == text


def test_a_plural_that_no_rule_gives_is_written() -> None:
    assert counted(1, "picture is", "pictures are") == "1 picture is"
    assert counted(2, "picture is", "pictures are") == "2 pictures are"


def mistakes(source: str) -> list[str]:
    """The texts of a module that give a thing both its numbers, or a plural after ``len(...)``, which may be one."""
    tree = ast.parse(source)
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, documented) and node.body and isinstance(node.body[0], ast.Expr)
    }
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            found += [match[0] for match in BOTH_NUMBERS.finditer(FORMULAS.sub("", node.value))]
        if isinstance(node, ast.JoinedStr):
            for value, after in pairwise(node.values):
                if _length(value) and isinstance(after, ast.Constant) and (match := PLURAL.match(after.value)):
                    found.append(f"{{{ast.unparse(value.value)}}}{match[0]}")
    return found


def _length(value: ast.expr) -> TypeGuard[ast.FormattedValue]:
    return (
        isinstance(value, ast.FormattedValue)
        and value.format_spec is None
        and isinstance(value.value, ast.Call)
        and isinstance(value.value.func, ast.Name)
        and value.value.func.id == "len"
    )


def test_mistakes_in_the_number_of_things_are_found() -> None:
    assert mistakes('say(f"{many} picture(s) skipped")') == ["e(s)"]
    assert mistakes('say("class(es) of val")') == ["s(es)"]
    assert mistakes('say(f"{len(names)} old layers, {len(rows)} classes")') == [
        "{len(names)} old layers",
        "{len(rows)} classes",
    ]
    assert mistakes('"""One or more layer(s)."""\nsay(f"exp(s) of {len(names)} in all")') == []


@pytest.mark.parametrize("path", sorted(ENGINE.rglob("*.py")), ids=lambda path: str(path.relative_to(ENGINE)))
def test_messages_count_things_in_singular_and_plural(path: Path) -> None:
    found = mistakes(path.read_text("utf-8"))
    assert not found, f"write {{counted(number, 'layer')}} (caffelungo.wording) in {path.name} instead of {found}"
