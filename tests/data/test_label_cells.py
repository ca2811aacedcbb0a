"""Cells of one column of labels: classes, labels or numbers, and the mistakes among them."""

from __future__ import annotations

from pathlib import Path

import pytest

from caffelungo.data import label_cells, named_pictures
from caffelungo.data.label_cells import Reading
from caffelungo.data.named_pictures import NamedPictures
from caffelungo.data.table_columns import PictureColumns
from caffelungo.errors import UserError
from tests.data import make

AUTO = PictureColumns(numbers=None)
LABELS = PictureColumns(labels=True, names=True)
CLASSES = PictureColumns(names=True)
KNOWN = PictureColumns(labels=True, known=("bright", "clear"))


def read(folder: Path, cells: list[str], columns: PictureColumns, name: str = "tags") -> NamedPictures:
    for number in range(len(cells)):
        make.save(folder / f"{number}.png", make.picture(number))
    lines = [f"path;{name}", *(f"{number}.png;{cell}" for number, cell in enumerate(cells))]
    (folder / "t.csv").write_text("\n".join(lines) + "\n")
    return named_pictures.resolve(folder / "t.csv", columns, rows=True)


def refused(folder: Path, cells: list[str], columns: PictureColumns) -> list[tuple[int, str | None, str | None]]:
    with pytest.raises(UserError) as caught:
        read(folder, cells, columns)
    return [(one.where.line if one.where else 0, one.received, one.remedy) for one in caught.value.problems]


@pytest.mark.parametrize(
    ("cells", "columns", "wanted"),
    [
        (["1", "0", "1"], AUTO, Reading(single=True)),
        (["1", "0", "?"], AUTO, Reading()),
        (["1", "", "1"], AUTO, Reading()),
        (["?", "?"], AUTO, Reading(single=True)),
        (["1", "0", "1"], LABELS, Reading()),
        (["1", "0", "1"], CLASSES, Reading(single=True)),
        (["a", "b"], LABELS, Reading(single=True)),
        (["a", ""], LABELS, Reading(tags=True)),
        (["clear", "bright"], KNOWN, Reading(tags=True)),
        (["clear,bright", "bright"], KNOWN, Reading(sign=",", tags=True)),
        (["0.5", "1"], AUTO, Reading(numbers=True)),
        (["0.5", "1"], CLASSES, Reading(single=True)),
    ],
)
def test_readings(cells: list[str], columns: PictureColumns, wanted: Reading) -> None:
    assert label_cells.reading(cells, columns) == wanted


@pytest.mark.parametrize(
    ("cells", "columns", "names", "rows"),
    [
        (["1", "0", "?", ""], AUTO, ("ripe",), [[1], [0], [-1], [-1]]),
        (["1", "0", "0", "1"], LABELS, ("ripe",), [[1], [0], [0], [1]]),
        (["clear", "", "?", "bright"], KNOWN, ("bright", "clear"), [[0, 1], [0, 0], [-1, -1], [1, 0]]),
    ],
)
def test_rows(
    tmp_path: Path, cells: list[str], columns: PictureColumns, names: tuple[str, ...], rows: list[list[int]]
) -> None:
    pictures = read(tmp_path, cells, columns, "ripe" if names == ("ripe",) else "tags").lists["train"]
    assert pictures.targets is not None
    assert (pictures.target_names, pictures.targets.tolist()) == (names, rows)


def test_unknown_is_no_label(tmp_path: Path) -> None:
    assert refused(tmp_path, ["fibre|?", "?", "fibre|dust"], AUTO) == [
        (2, "column tags: fibre|?", "write ? alone where nothing is known, or remove it")
    ]
    found = refused(tmp_path, ["1", "?", "0"], PictureColumns())
    assert found[0][:2] == (3, "column tags: ?")
    assert "--predict labels" in str(found[0][2])


NUMBERS = [f"{0.5 * number + 20}" for number in range(10)]


@pytest.mark.parametrize(
    ("cells", "wrong", "remedy"),
    [
        ([*NUMBERS, "unknown"], [(12, "column tags: unknown")], "correct it"),
        ([*NUMBERS, ""], [(12, "column tags: empty")], "remove the line"),
        (["31,5", "4,25"], [(2, "column tags: 31,5"), (3, "column tags: 4,25")], "write 31.5, or"),
        ([*(str(30 * number) for number in range(10)), "x"], [(12, "column tags: x")], "--predict classes"),
    ],
)
def test_slips_in_a_column_of_numbers(
    tmp_path: Path, cells: list[str], wrong: list[tuple[int, str]], remedy: str
) -> None:
    found = refused(tmp_path, cells, AUTO)
    assert [one[:2] for one in found] == wrong
    assert remedy in str(found[0][2])
    if "" not in cells:
        read(tmp_path, cells, CLASSES)


def test_numbers_of_classes_may_stand_beside_names(tmp_path: Path) -> None:
    cells = [*(str(number) for number in range(12)), "none"]
    assert len(read(tmp_path, cells, AUTO).lists["train"].classes) == 13


def test_fractions_are_no_classes(tmp_path: Path) -> None:
    ((line, received, remedy),) = refused(tmp_path, ["1", "0.5"], PictureColumns())
    assert (line, received) == (3, "column tags: 0.5")
    assert "lungo finetune --predict numbers" in str(remedy)


def test_remedies_say_what_fits(tmp_path: Path) -> None:
    ((_, _, remedy),) = refused(tmp_path, ["1", "x"], PictureColumns(numbers=True))
    assert remedy == "write a finite number, or remove the line"


def test_labels_are_named_where_one_is_wanted(tmp_path: Path) -> None:
    read(tmp_path, ["bright|clear", "clear|fog|wet"], AUTO)
    with pytest.raises(UserError, match="several labels, where one label is wanted") as caught:
        named_pictures.resolve(tmp_path / "t.csv")
    assert str(caught.value.problems[0].received).startswith("4 labels per picture (bright, clear, fog")
