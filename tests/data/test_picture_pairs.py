"""Pairs of pictures: lists of them, the layer that reads them, and pairs drawn from classes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from caffelungo.check import check
from caffelungo.data.picture_pairs import drawn, looks_like_pairs, pairs_of, parsed, read_pairs, write_pairs
from caffelungo.data.sources import open_source
from caffelungo.definition.reader import parse_net
from caffelungo.definition.schema import TEST, TRAIN
from caffelungo.errors import UserError
from tests.data import make
from tests.layers.helper import plan_of

PAIRS = [("im0.png", "im1.png", 1), ("im1.png", "im2.png", 0), ("im3.png", "im0.png", 0)]


def text(folder: Path, more: str = "", own: str = "pairs: true") -> str:
    return (
        f'name: "d" type: "ImageData" top: "data" top: "same" {more} '
        f'image_data_param {{ source: "{folder}/pairs.txt" root_folder: "{folder}/" batch_size: 2 }} '
        f"lungo {{ image_data {{ {own} }} }}"
    )


def in_net(inside: str) -> Any:
    return parse_net(f"layer {{ {inside} }}").message.layer[0]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make.pictures(tmp_path, 4)
    write_pairs(tmp_path / "pairs.txt", PAIRS)
    return tmp_path


def test_a_list_reads_as_it_was_written(folder: Path) -> None:
    assert pairs_of(read_pairs(folder / "pairs.txt")) == PAIRS


@pytest.mark.parametrize(
    ("line", "pair"),
    [
        ("a.jpg b.png 1", ("a.jpg", "b.png", 1)),
        ("my photos/a 1.jpg other/b 2.JPG 0", ("my photos/a 1.jpg", "other/b 2.JPG", 0)),
        ("a.jpg b.png 2", None), ("a.jpg 1", None), ("a.jpg b.png", None), ("a.jpg b.jpg c.jpg 1", None), ("", None),
    ],
)  # fmt: skip
def test_lines(line: str, pair: Any) -> None:
    assert parsed(line) == pair


def test_lists_of_pairs_are_recognised() -> None:
    assert looks_like_pairs(["a.jpg b.jpg 1", "a.jpg c.jpg 0"])
    assert not looks_like_pairs(["a.jpg 1", "b.jpg 0"])
    assert not looks_like_pairs([])


def test_every_wrong_line_has_its_place(tmp_path: Path) -> None:
    (tmp_path / "p.txt").write_text("a.jpg b.jpg 1\na.jpg 1\n\na.jpg b.jpg yes\n")
    with pytest.raises(UserError) as caught:
        read_pairs(tmp_path / "p.txt")
    assert [problem.where.line for problem in caught.value.problems] == [2, 4]
    (tmp_path / "p.txt").write_text("\n")
    with pytest.raises(UserError, match="empty"):
        read_pairs(tmp_path / "p.txt")
    with pytest.raises(UserError, match="need a list"):
        read_pairs(tmp_path)


def test_first_pictures_then_second_ones(folder: Path) -> None:
    source: Any = open_source(in_net(text(folder)), TEST)
    assert source.shapes == [(4, 3, 20, 24), (2,)]
    assert source.size == 3
    whole: Any = open_source(in_net(text(folder)), TEST, once=True)
    first, last = (whole.finish(whole.batch(k)) for k in (0, 1))
    assert [one.shape[0] for one in (*first, *last)] == [4, 2, 2, 1]
    assert [*first[1].tolist(), *last[1].tolist()] == [1, 0, 0]
    pictures = [whole.picture(k).astype(float) for k in range(6)]
    np.testing.assert_array_equal(first[0], [pictures[0], pictures[2], pictures[1], pictures[3]])
    np.testing.assert_array_equal(last[0], [pictures[4], pictures[5]])


def test_each_picture_of_a_pair_is_changed_by_itself(folder: Path) -> None:
    source: Any = open_source(in_net(text(folder, "transform_param { crop_size: 8 mirror: true }")), TRAIN, seed=2)
    other: Any = open_source(in_net(text(folder, "transform_param { crop_size: 8 mirror: true }")), TRAIN, seed=2)
    batches = [source.batch(k) for k in range(6)]
    for k in (5, 2):  # a batch is a function of its number alone
        for one, two in zip(other.batch(k).arrays, batches[k].arrays, strict=True):
            np.testing.assert_array_equal(one, two)
    assert len({one.arrays[0].tobytes() for one in batches}) == 6


def test_shapes_and_mistakes_of_the_layer(folder: Path) -> None:
    planned = plan_of(f"layer {{ {text(folder, 'transform_param { crop_size: 8 }')} }}").layers[0]
    assert planned.top_shapes == ((4, 3, 8, 8), (2,))
    for own in ("class_balanced: true", "label_size: 3"):
        with pytest.raises(UserError, match="not for pairs"):
            plan_of(f"layer {{ {text(folder, '', f'pairs: true {own}')} }}")


def test_check_judges_the_list_as_the_layer_reads_it(folder: Path) -> None:
    (folder / "net.prototxt").write_text(f"layer {{ {text(folder)} }}\n")
    assert not check([folder / "net.prototxt"]).problems
    (folder / "im2.png").unlink()
    assert any("picture not found" in one.what for one in check([folder / "net.prototxt"]).problems)


@given(st.lists(st.integers(0, 3), min_size=6, max_size=20), st.integers(0, 100))
def test_drawn_pairs(labels: list[int], seed: int) -> None:
    counts = np.bincount(labels)
    same = int((counts * (counts - 1) // 2).sum())
    if min(same, len(labels) * (len(labels) - 1) // 2 - same) < 3:
        with pytest.raises(UserError, match="so many different pairs"):
            drawn(labels, 6, seed)
        return
    found = drawn(labels, 6, seed)
    assert [same for _, _, same in found] == [1, 0] * 3
    assert all((labels[one] == labels[two]) == bool(same) and one < two for one, two, same in found)
    assert len({pair[:2] for pair in found}) == 6
    assert found[:4] == drawn(labels, 4, seed)
