"""Groups by a pattern or a column, and names that look grouped."""

from __future__ import annotations

import networkx  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st

from caffelungo.data import picture_groups
from caffelungo.errors import UserError

NAMES = ["a/hand1_01.jpg", "b/hand1_02.jpg", "a/hand2_01.jpg", "a/face.jpg"]


def test_a_pattern_and_its_parentheses() -> None:
    keys, notices = picture_groups.keys(NAMES, r"(hand\d+)_")
    assert keys == ["hand1", "hand1", "hand2", None]
    assert "1 picture has no group" in notices[0]
    assert "face.jpg" in notices[0]
    assert picture_groups.keys(NAMES, r"hand\d+|face")[0] == ["hand1", "hand1", "hand2", "face"]
    assert len(set(picture_groups.keys(NAMES, r"^(\w)/(hand\d+)")[0])) == 4


def test_a_column() -> None:
    columns = {"person": ["p", "q", "p", " "], "label": ["a"] * 4}
    assert picture_groups.keys(NAMES, "person", columns)[0] == ["p", "q", "p", None]
    assert picture_groups.keys(NAMES, r"hand\d", columns)[0][:2] == ["hand1", "hand1"]
    with pytest.raises(UserError, match="did you mean --groups person"):
        picture_groups.keys(NAMES, "persons", columns)


@pytest.mark.parametrize(
    ("pattern", "said"),
    [("(", "no regular expression"), ("foot", "no picture has a group"), (r"\.jpg", "all pictures are in one group")],
)
def test_patterns_that_are_refused(pattern: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        picture_groups.keys(NAMES, pattern)


def test_groups_of_one_are_said() -> None:
    assert "changes nothing" in picture_groups.keys(NAMES, r".+")[1][-1]


@given(data=st.data(), count=st.integers(1, 25))
def test_merged_sets_are_connected_components(data: st.DataObject, count: int) -> None:
    member = st.integers(0, count - 1)
    sets = data.draw(st.lists(st.lists(member, min_size=1, max_size=4, unique=True), max_size=5))
    keys = data.draw(st.lists(st.none() | st.sampled_from("abcd"), min_size=count, max_size=count))
    graph = networkx.Graph()
    graph.add_nodes_from(range(count))
    for one in sets:
        networkx.add_path(graph, one)
    for key in "abcd":
        networkx.add_path(graph, [index for index, own in enumerate(keys) if own == key])
    wanted = [sorted(part) for part in networkx.connected_components(graph) if len(part) > 1]
    assert sorted(picture_groups.merged(count, sets, keys)) == sorted(wanted)


def names(pattern: str, things: int, each: int) -> tuple[list[str], list[int]]:
    pairs = [
        (pattern.format(thing=thing, number=number), thing % 3) for thing in range(things) for number in range(each)
    ]
    return [f"{label}/{name}" for name, label in pairs], [label for _, label in pairs]


@pytest.mark.parametrize(
    "pattern", ["hand{thing}_{number:03d}.jpg", "p{thing:02d}-{number}.png", "S{thing} frame_{number:04d}.jpeg",
                "{thing:05d}_{number}.jpg"],
)  # fmt: skip
def test_names_that_look_grouped(pattern: str) -> None:
    found, labels = names(pattern, 12, 6)
    notice = picture_groups.looks_grouped(found, labels)
    assert notice is not None
    suggested = notice.rpartition("--groups '")[2].removesuffix("'")
    keys, _ = picture_groups.keys(found, suggested)
    assert len(set(keys)) == 12, "the suggestion groups as it says"
    assert None not in keys


@pytest.mark.parametrize(
    ("pattern", "things", "each"),
    [
        ("img_{thing}{number:03d}.jpg", 12, 6), ("cardboard{thing}{number}.jpg", 12, 6),
        ("image_{thing:04d}.jpg", 60, 1), ("hand{thing}_{number}.jpg", 12, 1), ("hand{thing}_{number}.jpg", 3, 40),
        ("IMG_2019031{thing}_{number:06d}.jpg", 9, 8), ("{thing:08x}_8365_{number:x}a7d3_d7a7f0.jpg", 12, 6),
    ],
)  # fmt: skip
def test_names_that_do_not(pattern: str, things: int, each: int) -> None:
    assert picture_groups.looks_grouped(*names(pattern, things, each)) is None


def test_a_column_that_says_what_belongs_together() -> None:
    assert "--groups 'Patient ID'" in picture_groups.grouping({"Patient ID": ["1", "1", "2"], "label": ["a"] * 3})[0]
    assert picture_groups.grouping({"patient": ["1", "2", "3"], "colour": ["a", "a", "b"]}) == []
