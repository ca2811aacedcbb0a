"""ImageData: lists and folders of pictures, shuffled, resized, cropped, and pictures that cannot be used."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from caffelungo.data import preprocess
from caffelungo.data.sources import images as module
from caffelungo.data.sources import open_source
from caffelungo.definition.schema import TEST, TRAIN
from caffelungo.errors import UserError
from tests.data.make import classes, layer, picture, pictures, save

SIZE = "new_height: 16 new_width: 18"


def images(path: Path, extra: str = SIZE, transform: str = "", batch: int = 4, phase: int = TEST, **kwargs: Any) -> Any:
    options = f'image_data_param {{ source: "{path}" batch_size: {batch} {extra} }}'
    text = f'name: "d" type: "ImageData" top: "data" top: "label" transform_param {{ {transform} }} {options}'
    return open_source(layer(text), phase, **kwargs)


def test_a_batch_is_what_opencv_makes_of_the_files(tmp_path: Path) -> None:
    source = images(pictures(tmp_path, 5), transform="crop_size: 12 mean_value: 100 scale: 0.5")
    assert source.shapes == [(4, 3, 12, 12), (4,)]
    values, labels = source.finish(source.batch(1))
    for n, number in enumerate([4, 0, 1, 2]):
        image = cv2.resize(cv2.imread(str(tmp_path / f"im{number}.png")), (18, 16))[2:14, 3:15]
        np.testing.assert_array_equal(values[n], (image.transpose(2, 0, 1).astype(np.float32) - 100) * 0.5)
    assert labels.tolist() == [1, 0, 1, 2]


def test_train_shuffles_unless_told_otherwise(tmp_path: Path) -> None:
    path = pictures(tmp_path, 12, classes=12)
    order = list(range(12))

    def labels(**kwargs: Any) -> tuple[list[int], list[str]]:
        source = images(path, batch=12, **kwargs)
        return source.batch(0).arrays[1].astype(int).tolist(), source.notices

    shuffled, notices = labels(phase=TRAIN)
    assert sorted(shuffled) == order != shuffled
    assert "reshuffled each epoch" in notices[0]
    assert labels(phase=TRAIN, caffe=True) == (order, [])
    assert labels(phase=TRAIN, shuffle=False) == (order, [])
    assert labels(phase=TRAIN, extra=f"{SIZE} shuffle: false") == (order, [])
    assert labels(phase=TEST) == (order, [])
    assert labels(phase=TRAIN, once=True) == (order, [])
    explicit, notices = labels(phase=TRAIN, extra=f"{SIZE} shuffle: true")
    assert (explicit, notices) == (shuffled, [])
    assert labels(phase=TRAIN, seed=9)[0] not in (order, shuffled)


def test_sizes_may_vary_one_by_one_but_not_in_a_batch(tmp_path: Path) -> None:
    for number, height in enumerate((20, 22)):
        save(tmp_path / f"im{number}.png", picture(number, height, 24))
    (tmp_path / "list.txt").write_text("im0.png 0\nim1.png 1\n")
    source = images(tmp_path / "list.txt", extra="", batch=1)
    assert [source.batch(k).arrays[0].shape for k in range(2)] == [(1, 3, 20, 24), (1, 3, 22, 24)]
    with pytest.raises(UserError, match="does not fit into the batch") as error:
        images(tmp_path / "list.txt", extra="", batch=2).batch(0)
    place = error.value.problems[0].where
    assert place is not None
    assert (place.file, place.line) == (str(tmp_path / "list.txt"), 2)
    assert "new_height and new_width" in str(error.value)
    assert images(tmp_path / "list.txt", extra="", batch=2, transform="crop_size: 20").batch(0).arrays[0].shape[2:] == (
        20,
        20,
    )


def test_a_folder_of_classes_is_a_source(tmp_path: Path) -> None:
    source = images(classes(tmp_path / "photos", {"b": 2, "a": 3}))
    assert source.labels().tolist() == [0, 0, 0, 1, 1]
    assert source.pictures.classes == ("a", "b")
    assert source.batch(1).arrays[1].tolist() == [1, 0, 0, 0]


def test_grey_and_rgb_and_offset(tmp_path: Path) -> None:
    path = pictures(tmp_path, 4)
    bgr = images(path).batch(0).arrays[0]
    rgb = images(path, transform="lungo { channel_order: RGB label_offset: -1 }")
    np.testing.assert_array_equal(rgb.batch(0).arrays[0], bgr[:, ::-1])
    assert rgb.batch(0).arrays[1].tolist() == [-1, 0, 1, -1]
    grey = images(path, f"{SIZE} is_color: false")
    assert grey.shapes[0] == (4, 1, 16, 18)
    expected = cv2.resize(cv2.imread(str(tmp_path / "im1.png"), cv2.IMREAD_GRAYSCALE), (18, 16))
    np.testing.assert_array_equal(grey.batch(0).arrays[0][1, 0], expected)


@pytest.mark.parametrize("extra", [SIZE, f"{SIZE} is_color: false", ""])
@pytest.mark.parametrize("transform", ["", "crop_size: 11 mean_value: 90 scale: 0.3", "lungo { channel_order: RGB }"])
def test_the_record_gives_classify_the_same_numbers(tmp_path: Path, extra: str, transform: str) -> None:
    source = images(pictures(tmp_path, 4), extra, transform)
    values = source.finish(source.batch(0))[0].numpy()
    for number in range(4):
        decoded = preprocess.read(source.record, tmp_path / f"im{number}.png")
        np.testing.assert_array_equal(values[number], preprocess.apply(source.record, decoded))
    assert not source.record.assumed


def test_a_damaged_picture_is_named_with_its_line(tmp_path: Path) -> None:
    path = pictures(tmp_path, 4)
    (tmp_path / "im2.png").write_bytes((tmp_path / "im2.png").read_bytes()[:200])
    with pytest.raises(UserError, match="picture cannot be read") as error:
        images(path).batch(0)
    place = error.value.problems[0].where
    assert place is not None
    assert (place.file, place.line) == (str(path), 3)
    assert "im2.png: 200 bytes" in str(error.value)
    (tmp_path / "im0.png").unlink()
    with pytest.raises(UserError, match="no such file"):
        images(path)


def test_pictures_stay_in_memory_while_there_is_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = pictures(tmp_path, 4)
    source = images(path)
    assert (source.heavy, source.ahead) == (False, True)
    first = source.batch(0).arrays[0]
    (tmp_path / "im1.png").unlink()
    np.testing.assert_array_equal(source.batch(1).arrays[0], first)
    with pytest.raises(UserError):
        pickle.loads(pickle.dumps(source)).batch(0)
    monkeypatch.setattr(module, "IN_MEMORY", 16 * 18 * 3)
    pictures(tmp_path, 4)
    assert images(path).heavy
    np.testing.assert_array_equal(images(path).batch(0).arrays[0], first)


def test_rand_skip_starts_elsewhere(tmp_path: Path) -> None:
    path = pictures(tmp_path, 6, classes=6)
    starts = {int(images(path, f"{SIZE} rand_skip: 4", batch=1, seed=seed).batch(0).arrays[1][0]) for seed in range(20)}
    assert starts == {0, 1, 2, 3}
