"""Tables of pictures, against Python's csv module."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caffelungo.data import picture_table
from caffelungo.data.picture_table import PictureColumns, is_table, read_table
from caffelungo.errors import UserError
from tests.data import make

PLAIN = PictureColumns()


def table(folder: Path, text: str, name: str = "t.csv", pictures: int = 4) -> Path:
    for number in range(pictures):
        make.save(folder / "p" / f"{number}.png", make.picture(number))
    (folder / name).write_text(text, "utf-8")
    return folder / name


TEXT = "path,label\np/0.png,cat\np/1.png,dog\np/2.png,cat\n"


@pytest.mark.parametrize("text", [TEXT, "\ufeff" + TEXT.replace("\n", "\r\n"), TEXT.replace(",", "\t"),
                                  TEXT.replace(",", ";"), TEXT + "\n\n"])  # fmt: skip
def test_delimiters_marks_and_line_ends(tmp_path: Path, text: str) -> None:
    found = read_table(table(tmp_path, text), PLAIN)
    assert [Path(name).name for name in found.pictures.names] == ["0.png", "1.png", "2.png"]
    assert found.pictures.labels.tolist() == [0, 1, 0]
    assert found.pictures.classes == ("cat", "dog")
    assert "column `path`" in found.notices[0]
    assert "`label`" in found.notices[0]


@given(cells=st.lists(st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=8),
                      min_size=1, max_size=6))  # fmt: skip
def test_cells_are_those_of_the_csv_module(tmp_path_factory: pytest.TempPathFactory, cells: list[str]) -> None:
    folder = tmp_path_factory.mktemp("t")
    path = table(folder, "", pictures=1)
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["path", "label", "more"], *(["p/0.png", "a b, c", cell] for cell in cells)])
    with path.open(newline="", encoding="utf-8") as file:
        wanted = [row["more"] for row in csv.DictReader(file)]
    found = read_table(path, PLAIN)
    assert found.columns["more"] == wanted
    assert len(found.pictures) == len(cells)
    assert found.pictures.classes == ("a b, c",)


@pytest.mark.parametrize(
    ("labels", "classes", "numbers"),
    [
        (["2", "0", "1", "10"], ("0", "1", "2", "10"), [2, 0, 1, 3]),
        (["1", "0", "2", "1"], ("0", "1", "2"), [1, 0, 2, 1]),
        (["b", "a", "01", "1"], ("01", "1", "a", "b"), [3, 2, 0, 1]),
    ],
)
def test_classes(tmp_path: Path, labels: list[str], classes: tuple[str, ...], numbers: list[int]) -> None:
    rows = "".join(f"p/{number}.png,{label}\n" for number, label in enumerate(labels))
    found = read_table(table(tmp_path, "path,label\n" + rows), PLAIN).pictures
    assert (found.classes, found.labels.tolist()) == (classes, numbers)


def test_columns_that_are_named(tmp_path: Path) -> None:
    path = table(tmp_path, "id,where,what\n7,p/0.png,a\n8,p/1.png,b\n")
    found = read_table(path, PictureColumns("where", "what"))
    assert found.pictures.classes == ("a", "b")
    assert found.columns["id"] == ["7", "8"]
    assert found.notices == ()


def test_names_without_a_suffix(tmp_path: Path) -> None:
    found = read_table(table(tmp_path, "image_id,dx\np/0,a\np/1,b\n"), PLAIN).pictures
    assert [Path(name).name for name in found.names] == ["0.png", "1.png"]


def test_paths_from_the_table_s_folder_before_those_from_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table(tmp_path, "")
    path = table(tmp_path / "inner", TEXT, pictures=1)
    monkeypatch.chdir(tmp_path)
    wanted = [tmp_path / "inner/p/0.png", tmp_path / "p/1.png", tmp_path / "p/2.png"]
    assert [Path(name) for name in read_table(path, PLAIN).pictures.names] == wanted


def test_an_empty_picture_and_a_table_that_is_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = table(tmp_path, TEXT)
    (tmp_path / "p/1.png").write_bytes(b"")
    with pytest.raises(UserError, match=r"t\.csv:3:1: picture is an empty file"):
        read_table(path, PLAIN)
    monkeypatch.setattr(picture_table, "MOST", len(TEXT) - 1)
    with pytest.raises(UserError, match="the table is too large"):
        read_table(path, PLAIN)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("file,image,label\np/0.png,p/1.png,a\n", "t.csv:1.*which column holds the paths[\\s\\S]*--path-column NAME"),
        ("path,one,two\np/0.png,a,b\n", "which column holds the labels[\\s\\S]*columns path, one, two"),
        ("p/0.png,cat\np/1.png,dog\n", "a first line that names no columns: p/0.png, cat"),
        ("path,path\na,b\n", "two columns have the same name"),
        ("path,label\n", "the table is empty"),
        ("", "the table is empty"),
        ('path,label\np/0.png,"cat\n', "t.csv:2: the table cannot be read"),
    ],
)
def test_tables_that_are_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        read_table(table(tmp_path, text), PLAIN)


def test_all_wrong_lines_at_once_with_their_places(tmp_path: Path) -> None:
    text = 'path,label,note\np/8.png,a,"two\nlines"\np/9.png,b,\n,a,\np/1.png,,\np/2.png,a\np/3.png,b,\n'
    path = table(tmp_path, text)
    with pytest.raises(UserError) as caught:
        read_table(path, PLAIN)
    places = [(problem.where.line, problem.what) for problem in caught.value.problems if problem.where is not None]
    assert places == [
        (2, "picture not found"), (4, "picture not found"), (5, "a cell is empty or holds a line break"),
        (6, "a cell is empty or holds a line break"), (7, "the line has another number of cells"),
    ]  # fmt: skip


def test_many_wrong_lines_are_counted(tmp_path: Path) -> None:
    path = table(tmp_path, "path,label\n" + "".join(f"no{n}.png,a\n" for n in range(50)))
    with pytest.raises(UserError, match="30 more lines of the table are wrong"):
        read_table(path, PLAIN)


def test_a_column_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="did you mean --label-column label"):
        read_table(table(tmp_path, TEXT), PictureColumns(None, "labels"))


@pytest.mark.parametrize(
    ("name", "text", "wanted"),
    [
        ("a.txt", "path\tlabel\nx.png\t1\n", True), ("a.csv", "file,what\nx.png,1\n", True),
        ("a.txt", "p/a, b.png 0\n", False), ("a.txt", "my path, a label.png 0\n", False),
        ("a.csv", "p/0.png 0\np/1.png 1\n", False), ("a.txt", "", False),
    ],
)  # fmt: skip
def test_a_list_is_no_table(tmp_path: Path, name: str, text: str, wanted: bool) -> None:
    (tmp_path / name).write_text(text)
    assert is_table(tmp_path / name, PLAIN) == wanted


def test_the_only_other_column_holds_the_labels(tmp_path: Path) -> None:
    found = read_table(table(tmp_path, "path,kind\np/0.png,cat\np/1.png,dog\n"), PLAIN)
    assert found.pictures.classes == ("cat", "dog")
    assert found.notices[-1] == "labels are taken from column `kind`, the only other one"
    with pytest.raises(UserError, match=r"--label-column NAME or, of several, --label-column a,b,c"):
        read_table(table(tmp_path, "path,one,two\np/0.png,a,b\n"), PictureColumns(numbers=None))
