"""Corrections of labels: what a person may write, what becomes of it, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caffelungo.data import corrections, split_pictures
from caffelungo.data import folder as photos
from caffelungo.data.corrections import Correction
from caffelungo.data.image_list import ImageList, read_folder, read_list
from caffelungo.errors import UserError
from caffelungo.features.picture_list import listing
from caffelungo.probes import picture_entries
from caffelungo.study import picture_splits
from tests.data.make import classes

HEAD = "path,label,suggested,score,decision\n"
TABLE = HEAD + (
    "cat/0.png,cat,dog,0.02,suggested\n"
    "cat/1.png,cat,dog,0.03,keep\n"
    "cat/2.png,cat,dog,0.04,Remove\n"
    "dog/0.png,dog,cat,0.05,eel\n"
    "dog/1.png,dog,cat,0.06,\n"
)  # fmt: skip


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return classes(tmp_path_factory.mktemp("p") / "photos", {"cat": 8, "dog": 8, "eel": 8})


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "corrections.csv"
    path.write_text(TABLE)
    return path


def words(labels: np.ndarray, names: list[str]) -> dict[str, str]:
    return {name: ("cat", "dog", "eel")[label] for name, label in zip(names, labels, strict=True)}


def test_each_decision(root: Path, table: Path) -> None:
    pictures = read_folder(root)
    found = corrections.apply(table, pictures)
    before, after = words(pictures.labels, pictures.names), words(found.labels, pictures.names)
    changed = {name: after[name] for name in before if before[name] != after[name]}
    assert changed == {"cat/0.png": "dog", "dog/0.png": "eel"}
    assert [pictures.names[index] for index in found.removed] == ["cat/2.png"]
    assert found.summary == "corrections of corrections.csv: 2 labels changed, 1 picture left out"
    assert found.notices == ()
    assert corrections.decided(table) == 3


@pytest.mark.parametrize("way", ["semicolons", "tabs", "crlf", "marked", "order", "quoted"])
def test_what_spreadsheets_make_of_it(root: Path, table: Path, way: str) -> None:
    expected = corrections.apply(table, read_folder(root))
    text = TABLE
    if way == "order":
        rows = [line.split(",") for line in TABLE.splitlines()]
        text = "".join(f"{d},{p},note,{s},{lab}\n" for p, lab, s, _, d in rows).replace("note", "Notes", 1)
    if way == "quoted":
        text = "".join(",".join(f'"{cell}"' for cell in line.split(",")) + "\n" for line in TABLE.splitlines())
    text = {"semicolons": text.replace(",", ";"), "tabs": text.replace(",", "\t")}.get(way, text)
    table.write_bytes((b"\xef\xbb\xbf" if way == "marked" else b"")
                      + text.replace("\n", "\r\n" if way == "crlf" else "\n").encode())  # fmt: skip
    found = corrections.apply(table, read_folder(root))
    assert found.labels.tolist() == expected.labels.tolist()
    assert found.removed == expected.removed


NAMES = st.text(st.characters(blacklist_categories=("Cs", "Cc", "Zl", "Zp")), min_size=1, max_size=8).map(str.strip)


@settings(max_examples=15)
@given(st.lists(st.tuples(NAMES, NAMES, NAMES), min_size=1, max_size=5, unique_by=lambda row: row[0]))
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, str]]) -> None:
    """Also names that a spreadsheet would take for formulas."""
    path = tmp_path_factory.mktemp("c") / "c.csv"
    wanted = [Correction(*row, 0.25) for row in rows if all(row)]
    corrections.write(path, wanted)
    if wanted:
        assert [(one.path, one.label, one.suggested) for one in corrections.read(path)[1]] == [
            (one.path, one.label, one.suggested) for one in wanted
        ]
        assert corrections.decided(path) == 0


def test_every_wrong_row_is_named(root: Path, table: Path) -> None:
    table.write_text(HEAD + "cat/0.png,cat,dog,0,dgo\ncat/1.png,cat,dog,0,keep\ndog/0.png,dog,cat,0,whale\n")
    with pytest.raises(UserError) as caught:
        corrections.apply(table, read_folder(root))
    text = str(caught.value)
    assert "corrections.csv:2" in text
    assert "did you mean dog?" in text
    assert "corrections.csv:4" in text
    assert "one of: cat, dog, eel" in text
    table.write_text(HEAD + ",cat,dog,0,keep\ncat/1.png,cat\ncat/0.png,cat,,0,suggested\ncat/3.png,cat,dog,0,class:\n"
                     "cat/4.png,cat,dog,0,keep\ncat/4.png,cat,dog,0,remove\n")  # fmt: skip
    with pytest.raises(UserError) as caught:
        corrections.read(table)
    text = str(caught.value)
    for line in (2, 3, 4, 5, 7):
        assert f"corrections.csv:{line}" in text
    assert "in line 6" in text
    assert corrections.decided(table) == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("path,label\na,b\n", "no column suggested, decision"),
        ("", "the table is empty"),
        ("path,label,suggested,score,decision\n" + "x,cat,dog,0,nothing\n" * 1, "no class of these"),
    ],
)
def test_files_that_are_none(root: Path, table: Path, text: str, said: str) -> None:
    table.write_text(text)
    with pytest.raises(UserError, match=said):
        corrections.apply(table, read_folder(root))
    with pytest.raises(UserError, match="corrections"):
        corrections.apply(table.with_name("none.csv"), read_folder(root))
    with pytest.raises(UserError, match="folder"):
        corrections.apply(root, read_folder(root))


def test_many_wrong_rows_are_counted(root: Path, table: Path) -> None:
    table.write_text(HEAD + "".join(f"cat/{row}.png,cat,dog,0,whale\n" for row in range(50)))
    with pytest.raises(UserError, match="30 more lines of the corrections are wrong"):
        corrections.apply(table, read_folder(root))


def test_pictures_that_are_gone_or_have_been_corrected(root: Path, table: Path) -> None:
    table.write_text(
        HEAD + "cat/gone.png,cat,dog,0,suggested\ncat/0.png,eel,dog,0,suggested\ndog/0.png,cat,dog,0,suggested\n"
    )
    found = corrections.apply(table, read_folder(root))
    assert found.labels.tolist() == read_folder(root).labels.tolist()
    assert "changes nothing" in found.summary
    assert found.notices == (
        "1 picture is in corrections.csv but not among these: cat/gone.png",
        "1 picture has another label than corrections.csv says, so nothing is changed there: cat/0.png",
    )


def test_classes_called_like_decisions(tmp_path: Path, table: Path) -> None:
    root = classes(tmp_path / "photos", {"keep": 2, "remove": 2})
    table.write_text(HEAD + "keep/0.png,keep,remove,0,remove\nkeep/1.png,keep,remove,0,class:remove\n")
    found = corrections.apply(table, read_folder(root))
    assert (found.labels.tolist(), found.removed) == ([0, 1, 1, 1], {0})


def test_pictures_are_found_by_any_sensible_path(root: Path, table: Path, tmp_path: Path) -> None:
    everything = read_folder(root)
    entries = "".join(
        f"{root}/{name} {label}\n" for name, label in zip(everything.names, everything.labels, strict=True)
    )
    (tmp_path / "list.txt").write_text(entries)
    (tmp_path / "cats.txt").write_text("".join(line for line in entries.splitlines(True) if "/cat/" in line))
    table.write_text(HEAD + f"{root}/cat/0.png,0,1,0,suggested\ncat/1.png,0,1,0,1\ncat\\2.png,0,1,0,suggested\n")
    named = read_list(tmp_path / "list.txt")
    assert corrections.apply(table, named).labels[:4].tolist() == [1, 1, 1, 0]
    # Of a part of the set, whose common folder is a deeper one.
    assert corrections.apply(table, read_list(tmp_path / "cats.txt"), ("0", "1")).labels[:4].tolist() == [1, 1, 1, 0]
    table.write_text(HEAD + "0.png,0,1,0,suggested\n")
    with pytest.raises(UserError, match=r"several pictures have this path[\s\S]*write more of it"):
        corrections.apply(table, named)


def test_targets_cannot_be_corrected(table: Path) -> None:
    targets = np.zeros((1, 2), np.float32)
    pictures = ImageList(table, ["a.png"], np.array([-1]), np.zeros(1, np.int64), ("",), targets=targets)
    with pytest.raises(UserError, match="one label each"):
        corrections.apply(table, pictures)


# -- where they are applied


def test_a_scan_leaves_out_and_changes(root: Path, table: Path) -> None:
    found = photos.scan(root, corrected=str(table))
    assert found.counts() == {"cat": 6, "dog": 8, "eel": 9}
    assert len(found.usable) == 23
    assert found.corrections in found.notices
    for seed in range(3):
        parts = split_pictures.split(found, 0.3, seed)
        assert sorted(parts.train + parts.val) == found.usable
    out = table.parent / "out"
    out.mkdir()
    split_pictures.write(found, parts, out)
    lines = (out / "train.txt").read_text() + (out / "val.txt").read_text()
    assert "cat/0.png 1\n" in lines
    assert "dog/0.png 2\n" in lines
    assert "cat/2.png" not in lines


def test_a_class_that_is_left_without_pictures(tmp_path: Path, table: Path) -> None:
    root = classes(tmp_path / "photos", {"ant": 4, "bee": 1, "cat": 4})
    table.write_text(HEAD + "bee/0.png,bee,cat,0,suggested\ncat/1.png,cat,ant,0,remove\n")
    found = photos.scan(root, corrected=str(table))
    assert found.classes == ("ant", "cat")
    assert found.counts() == {"ant": 4, "cat": 4}
    assert {found.pictures.names[index] for index in range(9)} - {
        found.pictures.names[index] for index in found.usable
    } == {"cat/1.png"}
    table.write_text(HEAD + "".join(f"{name}/0.png,{name},ant,0,remove\n" for name in ("bee",)))
    found = photos.scan(root, corrected=str(table))
    assert (found.classes, len(found.pictures)) == (("ant", "cat"), 8)


def test_copies_that_are_left_out_hold_nothing_together(tmp_path: Path, table: Path) -> None:
    root = classes(tmp_path / "photos", {"ant": 6, "bee": 6})
    (root / "bee" / "twin.png").write_bytes((root / "ant" / "0.png").read_bytes())
    table.write_text(HEAD + "ant/0.png,ant,bee,0,remove\n")
    assert photos.scan(root).copies
    found = photos.scan(root, corrected=str(table))
    assert (found.copies, found.groups) == ([], [])
    assert "several classes" not in "\n".join(found.notices)


def test_probe_compare_and_features_take_them(
    root: Path, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    gathered = picture_entries.gather(str(root), choice=picture_entries.Choice(corrections=str(table)))
    assert gathered.counts.tolist() == [6, 8, 9]
    (split,) = picture_splits.gather(str(root), corrected=str(table))
    assert sum(map(len, (split.fit, split.validation, split.test))) == 23
    said = "corrections of corrections.csv: 2 labels changed, 1 picture left out"
    assert said in gathered.notices
    assert said in split.notices
    plain, found = listing(root, tmp_path), listing(root, tmp_path, corrected=str(table))
    assert found.pictures.names == [name for name in plain.pictures.names if name != "cat/2.png"]
    assert said in found.notices
    assert found.source.read_text().startswith(f"{root}/cat/0.png 1\n")
    assert read_list(found.source).classes == ("cat", "dog", "eel")
    assert np.array_equal(read_list(found.source).labels, found.pictures.labels)
    table.write_text(HEAD + "".join(f"{name},{name[:3]},dog,0,remove\n" for name in plain.pictures.names))
    with pytest.raises(UserError, match="leave no picture"):
        listing(root, tmp_path, corrected=str(table))
    with pytest.raises(UserError, match="without labels"):
        listing(root / "cat", tmp_path, corrected=str(table))
