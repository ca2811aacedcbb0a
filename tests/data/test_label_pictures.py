"""Pictures with several labels, prepared for training: what is left out, refused, and worth a look."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from caffelungo.data import label_pictures
from caffelungo.data.folder import PhotoFolder
from caffelungo.data.image_list import ImageList, of_targets
from caffelungo.errors import UserError


def listed(rows: list[list[int]], names: tuple[str, ...]) -> PhotoFolder:
    pictures = of_targets(Path("l.txt"), [f"{k}.png" for k in range(len(rows))], np.array(rows, np.float32), names)
    return PhotoFolder(Path(), pictures, listed=True)


def test_labels_that_tell_nothing_are_named() -> None:
    rows = [[number % 2, 1, 0, 1 if number == 3 else -1] for number in range(22)] + [[-1] * 4] * 2
    found = label_pictures.of_rows(listed(rows, ("cat", "sky", "sea", "Cat")))
    assert found.notices == [
        "2 pictures of which no label is known left out: 22.png, 23.png",
        "1 label that no picture has, so that nothing tells it apart: sea",
        "2 labels that every picture has, so that nothing tells them apart: sky, Cat",
        "1 label with fewer than 10 pictures: Cat (1)",
        "1 label known of fewer than 10 pictures: Cat (1)",
        "labels that differ in capitals only are told apart: cat and Cat",
    ]
    assert found.usable == list(range(22))


def test_labels_that_differ_are_not_noticed() -> None:
    rows = [[number % 2, number // 12] for number in range(24)]
    assert label_pictures.of_rows(listed(rows, ("cat", "sky"))).notices == []


def test_a_label_of_which_nothing_is_known_is_refused() -> None:
    with pytest.raises(UserError, match="nothing is known of a label") as caught:
        label_pictures.of_rows(listed([[number % 2, -1] for number in range(8)], ("cat", "sea")))
    assert caught.value.problems[0].received == "unknown for every picture: sea"


@pytest.mark.parametrize("several", [False, True])
def test_classes_as_labels_say_how_many_are_in_several(several: bool) -> None:
    pictures = ImageList(Path("p"), [f"{k}.png" for k in range(24)], np.arange(24) % 2, np.zeros(24, np.int64), ("",),
                         ("cat", "dog"))  # fmt: skip
    found = PhotoFolder(Path("p"), pictures)
    if several:
        found = dataclasses.replace(found, groups=[[0, 1]], copies=[[0, 1]])
    said = [text for text in label_pictures.of_classes(found).notices if "in several classes" in text]
    assert said == (["1 picture found in several classes: all of these are its labels"] if several else [])
