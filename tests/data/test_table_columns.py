"""The columns of a table as they are named, and as a net knows them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caffelungo.api import values
from caffelungo.data.table_columns import PictureColumns, chosen, joined
from caffelungo.errors import UserError

FILE = Path("t.csv")
WORDS = st.lists(st.text("ab,\" '[%]", min_size=1).map(str.strip).filter(bool), min_size=1, max_size=4, unique=True)


@given(WORDS)
def test_lists_of_names_are_read_as_they_are_written(names: list[str]) -> None:
    table = ["path", *(name + "!" for name in names), *names]
    assert chosen(FILE, table, PictureColumns(label=joined(names)))[1] == tuple(names)


def test_lists_of_python() -> None:
    assert [values.columns(one) for one in (None, "a,b", ["a", "b"], ["a,b", "c"])] == [None, "a,b", "a,b", '"a,b",c']


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("brightness,warmth", "did you mean --label-column 'brightness [%],warmth'?"),
        ("brightnes,warmht", "did you mean --label-column 'brightness [%],warmth'?"),
        ("zzz,warmth", "use one of: path, brightness [%], warmth"),
        ("warmth,warmth", "name `warmth` once"),
    ],
)
def test_suggestions_keep_the_other_columns(asked: str, said: str) -> None:
    with pytest.raises(UserError, match=re.escape(said)):
        chosen(FILE, ["path", "brightness [%]", "warmth"], PictureColumns(label=asked))


@pytest.mark.parametrize(
    ("names", "known", "labels", "wanted"),
    [
        (["path", "b (m)", "c", "a [s]"], ("a", "b"), False, ("a [s]", "b (m)")),
        (["path", "a", "x", "y"], ("a", "b"), False, ("a",)),
        (["path", "tags", "cat"], ("cat", "dog"), True, ("tags",)),
        (["path", "tags", "cat", "dog"], ("dog", "cat"), True, ("dog", "cat")),
        (["path", "dog", "n"], ("cat", "dog"), True, ("dog",)),
    ],
)
def test_columns_of_a_net(names: list[str], known: tuple[str, ...], labels: bool, wanted: tuple[str, ...]) -> None:
    columns = PictureColumns(numbers=not labels, labels=labels, known=known)
    _, found, notices = chosen(FILE, names, columns)
    assert found == wanted
    assert ("by their names" in notices[0]) == (wanted == ("tags",))
