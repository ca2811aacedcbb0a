"""Pictures with rows of numbers, prepared for training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from caffelungo.data import named_pictures, split_pictures
from caffelungo.data.picture_table import PictureColumns
from caffelungo.data.target_pictures import scan_targets, write_targets
from caffelungo.errors import UserError
from tests.data.make import picture, save

GUESS = PictureColumns(numbers=None)


def table(place: Path, column: list[str], name: str = "age", pictures: int | None = None) -> Path:
    """A table of one picture per cell."""
    count = len(column) if pictures is None else pictures
    for number in range(count):
        save(place / f"{number}.png", picture(number))
    rows = [f"{number}.png,{cell}" for number, cell in enumerate(column)]
    (place / "t.csv").write_text("\n".join([f"path,{name}", *rows]) + "\n")
    return place / "t.csv"


def read(file: Path, columns: PictureColumns) -> named_pictures.NamedPictures:
    return named_pictures.resolve(file, columns, rows=True)


def test_fractions_are_values_to_predict(tmp_path: Path) -> None:
    found = read(table(tmp_path, ["1.5", "2", "30", "-4.25"]), PictureColumns(label="age", numbers=None))
    (pictures,) = found.lists.values()
    assert pictures.targets is not None
    assert pictures.targets.tolist() == [[1.5], [2], [30], [-4.25]]
    assert pictures.target_names == ("age",)
    assert any("read as values to predict (--predict classes" in text for text in found.notices)


def test_whole_numbers_stay_classes(tmp_path: Path) -> None:
    found = read(table(tmp_path, ["0", "1", "1", "2"], "label"), GUESS)
    (pictures,) = found.lists.values()
    assert pictures.targets is None
    assert pictures.labels.tolist() == [0, 1, 1, 2]


def test_many_whole_numbers_are_classes_with_a_notice(tmp_path: Path) -> None:
    column = PictureColumns(label="age", numbers=None)
    cells = [str(20 + number) for number in range(22)]
    found = read(table(tmp_path, cells), column)
    assert any("22 different whole numbers, read as classes; --predict numbers" in text for text in found.notices)
    assert found.label_size == 0
    asked = read(tmp_path / "t.csv", PictureColumns(label="age", numbers=True))
    assert asked.label_size == 1
    assert not any("read as classes" in text for text in asked.notices)


def test_cells_that_are_no_numbers_are_named_with_their_lines(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        read(table(tmp_path, ["1.5", "", "x", "inf"]), PictureColumns(label="age", numbers=True))
    problems = caught.value.problems
    assert [problem.where.line for problem in problems] == [3, 4, 5]
    assert all(problem.what == "a cell is not a number" for problem in problems)


@pytest.mark.parametrize(
    ("lines", "numbers", "size"),
    [
        (["a.png 1.5", "b.png 2"], None, 1),
        (["a.png 1", "b.png 2"], None, 0),
        (["a.png 1", "b.png 2"], True, 1),
        (["a.png 1 2.5", "b.png 2 7"], None, 2),
    ],
)
def test_lists(tmp_path: Path, lines: list[str], numbers: bool | None, size: int) -> None:
    for name in "ab":
        save(tmp_path / f"{name}.png", picture(ord(name)))
    (tmp_path / "l.txt").write_text("\n".join(lines) + "\n")
    assert read(tmp_path / "l.txt", PictureColumns(numbers=numbers)).label_size == size


def test_what_has_no_numbers(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="only a table or a list has numbers"):
        read(tmp_path, PictureColumns(numbers=True))
    (tmp_path / "l.txt").write_text("a.png cat\n")
    with pytest.raises(UserError, match="do not end with numbers"):
        read(tmp_path / "l.txt", PictureColumns(numbers=True))


def test_copies_stay_on_one_side(tmp_path: Path) -> None:
    file = table(tmp_path, [str(number + 0.5) for number in range(12)])
    for number in (1, 2):
        (tmp_path / f"{number}.png").write_bytes((tmp_path / "0.png").read_bytes())
    (tmp_path / "11.png").write_bytes(b"no picture")
    found = scan_targets(read(file, PictureColumns(label="age", numbers=None)))
    assert list(found.unreadable) == [11]
    assert any("2 pictures are copies of another" in text for text in found.notices)
    assert any("other numbers in a copy" in text for text in found.notices)
    for seed in range(6):
        parts = split_pictures.split(found, 0.25, seed)
        assert sorted(parts.train + parts.val) == list(range(11))
        assert 2 <= len(parts.val) <= 4
        assert len({index in parts.val for index in (0, 1, 2)}) == 1


def test_lists_are_written_and_read_again(tmp_path: Path) -> None:
    file = table(tmp_path, ["0.1", "2", "1e9", "-3.5"])
    found = scan_targets(read(file, PictureColumns(label="age", numbers=None)))
    paths = write_targets(found, split_pictures.FolderSplit([0, 2, 3], [1], []), tmp_path)
    assert paths["train"].read_text() == "0.png 0.1\n2.png 1e+09\n3.png -3.5\n"
    again = read(paths["train"], PictureColumns(numbers=True)).lists["train"]
    assert again.targets is not None
    np.testing.assert_array_equal(again.targets, np.float32([[0.1], [1e9], [-3.5]]))


def test_too_few_pictures(tmp_path: Path) -> None:
    file = table(tmp_path, ["0.1", "2", "3"])
    with pytest.raises(UserError, match="at least 4 pictures"):
        scan_targets(read(file, PictureColumns(label="age", numbers=None)))
