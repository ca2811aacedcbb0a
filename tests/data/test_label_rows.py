"""Rows of labels: of class folders, counted, and told apart by the rarest."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from caffelungo.data import label_rows
from caffelungo.data.image_list import read_folder
from tests.data.make import classes

ROWS = np.array([[1, 0, 1], [1, 0, -1], [0, 0, 0], [1, 1, 0], [-1, -1, -1]], np.float32)


def test_numbers_of_labels() -> None:
    assert label_rows.counts(ROWS).tolist() == [3, 1, 1]
    assert label_rows.share(ROWS) == 5 / 11
    assert label_rows.share(ROWS[4:]) == 0.5


def test_the_rarest_label_of_each_picture() -> None:
    assert label_rows.rarest(ROWS).tolist() == [2, 0, 3, 1, 3]


def test_a_picture_in_several_folders_has_their_labels(tmp_path: Path) -> None:
    folder = classes(tmp_path / "p", {"cat": 2, "dog": 2, "grass": 1})
    (folder / "grass" / "again.png").write_bytes((folder / "cat" / "1.png").read_bytes())
    (folder / "grass" / "link.png").symlink_to(folder / "dog" / "0.png")
    pictures = read_folder(folder)
    names = pictures.names
    groups = [
        [names.index("grass/again.png"), names.index("cat/1.png")],
        [names.index("dog/0.png"), names.index("grass/link.png")],
    ]
    found, kept = label_rows.of_classes(pictures, groups)
    assert found.names == ["cat/0.png", "cat/1.png", "dog/0.png", "dog/1.png", "grass/0.png"]
    assert [names[index] for index in kept] == found.names
    assert found.target_names == ("cat", "dog", "grass")
    assert found.targets is not None
    assert found.targets.tolist() == [[1, 0, 0], [1, 0, 1], [0, 1, 1], [0, 1, 0], [0, 0, 1]]
    assert (found.labels == -1).all()
    assert Path(found.path(1)) == folder / "cat" / "1.png"


@pytest.mark.parametrize("rows", [np.zeros((2, 1), np.float32)])
def test_pictures_without_a_label_are_one_class(rows: np.ndarray) -> None:
    assert label_rows.rarest(rows).tolist() == [1, 1]
