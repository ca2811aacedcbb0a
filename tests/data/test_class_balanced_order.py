"""Every class equally often, every sample of a class equally often, each batch a function of its number."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from caffelungo.data.class_balanced_order import ClassBalancedOrder
from caffelungo.data.sample_order import SampleOrder
from caffelungo.data.sources import open_source
from caffelungo.definition.reader import parse_net
from caffelungo.definition.schema import TEST, TRAIN
from caffelungo.errors import UserError
from tests.layers.helper import plan_of

LABELS = st.lists(st.integers(0, 5), min_size=1, max_size=40).map(lambda found: np.array(found, np.int64))


def drawn(order: ClassBalancedOrder, batches: int) -> tuple[np.ndarray, np.ndarray]:
    parts = [order.samples(k) for k in range(batches)]
    epochs, index = zip(*parts, strict=True)
    return np.concatenate(epochs), np.concatenate(index)


@given(labels=LABELS, batch=st.integers(1, 9), seed=st.integers(0, 99))
def test_no_class_is_ever_more_than_one_draw_ahead(labels: np.ndarray, batch: int, seed: int) -> None:
    _, index = drawn(ClassBalancedOrder(labels, batch, seed=seed), 12)
    seen = dict.fromkeys(np.unique(labels).tolist(), 0)
    for label in labels[index].tolist():
        seen[label] += 1
        assert max(seen.values()) - min(seen.values()) <= 1


@given(labels=LABELS, seed=st.integers(0, 99))
def test_every_sample_of_a_class_comes_once_before_any_comes_again(labels: np.ndarray, seed: int) -> None:
    epochs, index = drawn(ClassBalancedOrder(labels, 4, seed=seed), 60)
    came = np.zeros(len(labels), int)
    for epoch, sample in zip(epochs.tolist(), index.tolist(), strict=True):
        assert epoch == came[sample]  # so that its augmentation is another one each time
        came[sample] += 1
    for label in np.unique(labels):
        own = came[labels == label]
        assert own.max() - own.min() <= 1


@given(labels=LABELS, asked=st.lists(st.integers(0, 300), min_size=1, max_size=8))
def test_a_batch_does_not_depend_on_what_was_asked_before(labels: np.ndarray, asked: list[int]) -> None:
    used = ClassBalancedOrder(labels, 5, seed=3)
    for k in asked:
        for left, right in zip(used.samples(k), ClassBalancedOrder(labels, 5, seed=3).samples(k), strict=True):
            assert left.tolist() == right.tolist()


@given(labels=LABELS, batch=st.integers(1, 9))
def test_the_position_alone_decides(labels: np.ndarray, batch: int) -> None:
    """Batches of another size go on in the same order: a resumed run with smaller ones sees what it would have."""
    whole = drawn(ClassBalancedOrder(labels, 1, seed=1), 9 * batch)
    for left, right in zip(whole, drawn(ClassBalancedOrder(labels, batch, seed=1), 9), strict=True):
        assert left.tolist() == right.tolist()


def test_seeds_differ() -> None:
    labels = np.repeat([0, 1, 2], [30, 10, 5])
    first, second = (drawn(ClassBalancedOrder(labels, 10, seed=seed), 5)[1].tolist() for seed in (0, 1))
    assert first != second


def pictures(folder: Path) -> Path:
    """A list of 12 pictures of class 0 and 3 of class 1, each of one colour."""
    from PIL import Image

    lines = []
    for number in range(15):
        Image.new("RGB", (4, 4), (number, 2 * number, 0)).save(folder / f"{number}.png")
        lines.append(f"{number}.png {int(number >= 12)}\n")
    path = folder / "list.txt"
    path.write_text("".join(lines))
    return path


def image_layer(path: Path, more: str = "") -> Any:
    text = (
        f'layer {{ name: "d" type: "ImageData" top: "data" top: "label" image_data_param {{ source: "{path}" '
        f'root_folder: "{path.parent}/" batch_size: 6 }} lungo {{ image_data {{ class_balanced: true }} }} {more} }}'
    )
    return parse_net(text).message.layer[0]


def test_image_data_draws_each_class_half_of_the_time(tmp_path: Path) -> None:
    source = open_source(image_layer(pictures(tmp_path)), TRAIN, seed=4)
    for k in range(6):
        data, labels = source.batch(k).arrays
        assert sorted(labels.tolist()) == [0, 0, 0, 1, 1, 1]
        assert (np.asarray(data[:, 2, 0, 0] >= 12) == (labels == 1)).all()
    assert any("4.0 times as often" in text for text in source.notices)
    assert not any("reshuffled" in text for text in source.notices)


def test_another_process_draws_the_same(tmp_path: Path) -> None:
    source = open_source(image_layer(pictures(tmp_path)), TRAIN, seed=4)
    copy = pickle.loads(pickle.dumps(source))
    for k in (0, 7, 3):
        for left, right in zip(source.batch(k).arrays, copy.batch(k).arrays, strict=True):
            np.testing.assert_array_equal(left, right)


def test_rand_skip_leaves_out_as_many_samples_as_elsewhere(tmp_path: Path) -> None:
    param = image_layer(pictures(tmp_path))
    orders: list[ClassBalancedOrder] = []
    for skip in (0, 9):
        param.image_data_param.rand_skip = skip
        order = open_source(param, TRAIN, seed=4).order
        assert isinstance(order, ClassBalancedOrder)
        orders.append(order)
    whole = drawn(orders[0], 10)[1]
    assert orders[1].skip == SampleOrder(15, 6, seed=4, skip=9).skip > 0
    assert drawn(orders[1], 5)[1].tolist() == whole[orders[1].skip : orders[1].skip + 30].tolist()


def test_gone_through_once_every_picture_comes_once(tmp_path: Path) -> None:
    source = open_source(image_layer(pictures(tmp_path)), TRAIN, once=True)
    assert np.concatenate([source.batch(k).arrays[1] for k in range(3)]).tolist() == [0] * 12 + [1] * 3


def test_a_database_draws_each_class_half_of_the_time(tmp_path: Path) -> None:
    from caffelungo.data.convert_imageset import convert_imageset

    path = pictures(tmp_path)
    convert_imageset(f"{tmp_path}/", path, tmp_path / "db")
    text = (
        f'layer {{ name: "d" type: "Data" top: "data" top: "label" data_param {{ source: "{tmp_path}/db" '
        "backend: LMDB batch_size: 6 } lungo { data { class_balanced: true } } }"
    )
    source = open_source(parse_net(text).message.layer[0], TRAIN)
    for k in range(6):
        data, labels = source.batch(k).arrays
        assert sorted(labels.tolist()) == [0, 0, 0, 1, 1, 1]
        assert (np.asarray(data[:, 2, 0, 0] >= 12) == (labels == 1)).all()


@pytest.mark.parametrize(
    ("rest", "phase", "what"),
    [
        ("", TEST, "in training only"),
        ("shuffle: false", TRAIN, "asks for the order of the list"),
    ],
)
def test_what_is_refused(rest: str, phase: int, what: str) -> None:
    text = (
        f'layer {{ name: "d" type: "ImageData" top: "data" top: "label" image_data_param {{ source: "a" batch_size: 1 '
        f"{rest} }} lungo {{ image_data {{ class_balanced: true }} }} }}"
    )
    with pytest.raises(UserError, match=what) as caught:
        plan_of(text, phase)
    assert "remove" in str(caught.value.problems[0].remedy) or "include" in str(caught.value.problems[0].remedy)
