"""Lists with a line that has more or fewer numbers than the others."""

from __future__ import annotations

from pathlib import Path

import pytest

from caffelungo.check import check
from caffelungo.data import named_pictures
from caffelungo.data.image_list import read_list
from caffelungo.data.picture_table import PictureColumns
from caffelungo.errors import UserError
from tests.data.make import picture, save


def made(folder: Path, ends: list[str]) -> Path:
    for number in range(len(ends)):
        save(folder / f"{number}.png", picture(number))
    (folder / "l.txt").write_text("".join(f"{number}.png {end}\n" for number, end in enumerate(ends)))
    return folder / "l.txt"


@pytest.mark.parametrize(("odd", "said"), [("1 2 3 4 5 6", "6 numbers"), ("1 2 3", "3 numbers"), ("7", "1 number")])
@pytest.mark.parametrize("late", [False, True])
def test_the_line_is_named_alone(tmp_path: Path, odd: str, said: str, late: bool) -> None:
    file = made(tmp_path, [*["1 2 3 4 5"] * (3 if not late else 110), odd])
    with pytest.raises(UserError) as caught:
        named_pictures.resolve(file, PictureColumns(numbers=None), rows=True)
    (problem,) = caught.value.problems
    assert problem.where is not None
    assert problem.where.line == (111 if late else 4)
    if not late or said == "6 numbers":
        assert problem.what == f"the line ends with {said}, the others with 5"


def test_check_names_it_too(tmp_path: Path) -> None:
    problems = check([made(tmp_path, [*["1 2 3 4 5"] * 3, "1 2 3 4 5 6"])]).problems
    assert [problem.what for problem in problems] == ["the line ends with 6 numbers, the others with 5"]


def test_a_layer_that_reads_five(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="ends with 6 numbers, the others with 5"):
        read_list(made(tmp_path, [*["1 2 3 4 5"] * 3, "1 2 3 4 5 6"]), label_size=5)


def test_names_with_numbers_behind_a_suffix_are_names(tmp_path: Path) -> None:
    """Files may be called so, and lists of one label with a missing picture say that it is missing."""
    save(tmp_path / "a.png", picture(0))
    (tmp_path / "a.png").rename(tmp_path / "a.png 1")
    save(tmp_path / "b.png", picture(1))
    (tmp_path / "l.txt").write_text("a.png 1 0\nb.png 1\nc.png 1\n")
    assert read_list(tmp_path / "l.txt").names == ["a.png 1", "b.png", "c.png"]
