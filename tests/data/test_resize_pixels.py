"""Resized pictures are OpenCV's, bit for bit."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from caffelungo.data.resize_pixels import resize, resize_shorter

SIDE = st.integers(1, 70)


@given(
    source=st.tuples(SIDE, SIDE),
    target=st.tuples(SIDE, SIDE),
    channels=st.sampled_from([1, 3]),
    seed=st.integers(0, 99),
)
def test_equals_opencv(source: tuple[int, int], target: tuple[int, int], channels: int, seed: int) -> None:
    image = np.random.default_rng(seed).integers(0, 256, (*source, channels), dtype=np.uint8)
    expected = cv2.resize(image, target[::-1]).reshape(*target, channels)
    assert np.array_equal(resize(image, *target), expected)


@pytest.mark.parametrize("target", [(256, 256), (188, 250), (227, 300), (750, 1000), (40, 500), (375, 20)])
def test_equals_opencv_on_photo_sizes(target: tuple[int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 256, (375, 500, 3), dtype=np.uint8)
    assert np.array_equal(resize(image, *target), cv2.resize(image, target[::-1]))


def test_a_view_is_resized_as_its_copy() -> None:
    image = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    assert np.array_equal(resize(image[3:20, 5:30], 11, 13), resize(image[3:20, 5:30].copy(), 11, 13))
    assert np.array_equal(resize(image[:, :, ::-1], 11, 13), resize(image, 11, 13)[:, :, ::-1])


def test_the_same_size_is_the_same_picture() -> None:
    image = np.zeros((4, 5, 3), np.uint8)
    assert resize(image, 4, 5) is image


@pytest.mark.parametrize(("shape", "expected"), [((30, 60), (10, 20)), ((60, 30), (20, 10)), ((1, 1000), (10, 10000))])
def test_shorter_side(shape: tuple[int, int], expected: tuple[int, int]) -> None:
    assert resize_shorter(np.zeros((*shape, 3), np.uint8), 10).shape == (*expected, 3)
