"""The preprocessing record: its NumPy reference, its words for people, its place beside a database."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from google.protobuf import text_format

from caffelungo.data import preprocess
from caffelungo.definition.schema import Preprocessing
from caffelungo.errors import UserError
from tests.data.make import picture


def record(text: str) -> Any:
    return text_format.Parse(text, Preprocessing())


def test_apply_is_resize_crop_order_mean_scale() -> None:
    image = picture(0, 40, 50)
    made = record(
        "channel_order: RGB resize_height: 20 resize_width: 24 crop_height: 16 crop_width: 12 "
        "mean_value: [1, 2, 3] scale: 0.5"
    )
    cut = cv2.resize(image, (24, 20))[2:18, 6:18]
    np.testing.assert_array_equal(preprocess.pixels(made, image), cut)
    expected = (cut[:, :, ::-1].transpose(2, 0, 1).astype(np.float32) - np.float32([1, 2, 3])[:, None, None]) * 0.5
    np.testing.assert_array_equal(preprocess.apply(made, image), expected)
    assert preprocess.output_size(made, 40, 50) == (16, 12)


@pytest.mark.parametrize(
    "text", ["", "resize_shorter: 10", "resize_height: 7 resize_width: 9", "crop_height: 5 crop_width: 6"]
)
@pytest.mark.parametrize("size", [(40, 50), (50, 40)])
def test_output_size_is_the_size_of_the_output(text: str, size: tuple[int, int]) -> None:
    made = record(text)
    assert preprocess.pixels(made, picture(1, *size)).shape[:2] == preprocess.output_size(made, *size)


def test_a_colour_picture_becomes_grey_before_the_resize() -> None:
    made = record("channel_order: GRAY resize_height: 9 resize_width: 8")
    image = picture(0)
    expected = cv2.resize(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), (8, 9))
    np.testing.assert_array_equal(preprocess.apply(made, image)[0], expected)


def test_a_mean_picture_is_cut_at_the_crops_centre() -> None:
    made = record("crop_height: 4 crop_width: 6")
    image = np.arange(3 * 8 * 10, dtype=np.float32).reshape(3, 8, 10)
    notices = preprocess.set_mean(made, image=image)
    assert "8x10" in notices[0]
    np.testing.assert_array_equal(preprocess.mean(made), image[:, 2:6, 2:8])
    assert preprocess.set_mean(record(""), image=image) == []


def test_a_picture_smaller_than_the_crop_is_refused() -> None:
    with pytest.raises(UserError, match="picture is smaller than the crop") as error:
        preprocess.pixels(record("crop_height: 30 crop_width: 10"), picture(0, 20, 24))
    assert "20x24 pixels for a crop of 30x10" in str(error.value)


def test_one_mean_value_serves_all_channels() -> None:
    mean = preprocess.mean(record("mean_value: 7"))
    assert mean is not None
    assert mean.shape == (3, 1, 1)
    assert preprocess.mean(record("")) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "BGR, values 0 to 255, not resized, no mean"),
        (
            "channel_order: GRAY resize_height: 8 resize_width: 9 mean_value: 104.5 scale: 0.25 "
            'assumed: "resize_height"',
            "grey, values 0 to 255, resized to 8x9 (assumed), mean 104.5 subtracted, times 0.25",
        ),
        (
            'resize_shorter: 256 crop_height: 224 crop_width: 224 mean_value: [1, 2, 3] assumed: "channel_order" '
            'assumed: "mean_value"',
            "BGR, values 0 to 255 (assumed), shorter side resized to 256, centre 224x224, "
            "mean 1/2/3 subtracted (assumed)",
        ),
        (
            "mean_image: [1, 2] mean_image_shape: [1, 1, 2]",
            "BGR, values 0 to 255, not resized, mean picture of 1x1x2 subtracted",
        ),
    ],
)
def test_describe(text: str, expected: str) -> None:
    assert preprocess.describe(record(text)) == expected


def test_the_record_beside_a_database_reads_back(tmp_path: Path) -> None:
    assert preprocess.read_beside(tmp_path) is None
    made = record("resize_height: 8 resize_width: 9")
    preprocess.write_beside(tmp_path, made)
    assert preprocess.read_beside(tmp_path) == made


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("", "", []),
        ("crop_height: 5 crop_width: 5", "resize_height: 9 resize_width: 9", []),
        ("mean_value: [104, 117, 123]", "mean_value: [103.9, 116.8, 123.7]", []),
        ("mean_value: [104, 117, 123]", "mean_value: 115", ["mean 104/117/123 and 115/115/115"]),
        ("mean_value: [104, 117, 123]", "", ["mean 104/117/123 and none"]),
        ("mean_value: 2", "", []),
        ("mean_value: [9, 9, 9]", "mean_value: 9", []),
        ("mean_image: [1, 3, 100, 100, 8, 8] mean_image_shape: [3, 1, 2]", "mean_value: [2, 100, 8]", []),
        ("channel_order: RGB scale: 0.5", "", ["channel order RGB and BGR", "scale 0.5 and 1"]),
        ('channel_order: RGB assumed: "channel_order"', "", []),
        ('scale: 0.5 mean_value: 9 assumed: ["scale", "mean_value"]', "", []),
    ],
)
def test_differences_are_those_that_change_the_numbers(one: str, other: str, expected: list[str]) -> None:
    assert preprocess.differences(record(one), record(other)) == expected
    assert len(preprocess.differences(record(other), record(one))) == len(expected)
