"""The operations against torchvision's functions for pictures of Pillow, given the same magnitudes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image
from torchvision.transforms import InterpolationMode, v2
from torchvision.transforms.v2 import functional as F

from caffelungo.data import picture_operations
from caffelungo.data.picture_operations import DRAWN, OPERATIONS, apply
from tests.data.augmentations.helper import noise

MAGNITUDES = {
    "ShearX": (-0.99, 0.3), "ShearY": (-0.3, 0.7), "TranslateX": (-5.9, 3.0), "TranslateY": (4.2, -2.0),
    "Rotate": (-135.0, 15.5), "Brightness": (-0.99, 0.4), "Color": (-0.7, 0.9), "Contrast": (-0.4, 0.99),
    "Sharpness": (-0.9, 0.9), "Posterize": (2, 7), "Solarize": (255.0, 0.0, 119.0),
}  # fmt: skip


def by_torchvision(picture: np.ndarray[Any, Any], name: str, magnitude: float, fill: int) -> np.ndarray[Any, Any]:
    """``picture`` in BGR or grey, changed by torchvision in RGB or grey."""
    grey = picture.shape[2] == 1
    image = Image.fromarray(picture[..., 0] if grey else picture[..., ::-1].copy())
    if name == "Hue":
        changed = F.adjust_hue(image, magnitude)
    elif name == "Grey":
        changed = F.rgb_to_grayscale(image, num_output_channels=picture.shape[2])
    else:
        given = magnitude / 255 if name == "Solarize" else magnitude
        colour = [fill] * picture.shape[2]
        changed = v2.RandAugment()._apply_image_or_video_transform(
            image, name, given, InterpolationMode.BILINEAR, {Image.Image: colour}
        )
    pixels = np.asarray(changed)
    return pixels[..., None] if grey else pixels[..., ::-1]


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("channels", [1, 3])
def test_pixels_are_those_of_torchvision(name: str, channels: int) -> None:
    smooth = np.linspace(20, 230, 23 * 17 * channels).reshape(23, 17, channels).astype(np.uint8)
    for picture in (noise(23, 17, channels), smooth):
        for magnitude in (-0.3, 0.25) if name == "Hue" else MAGNITUDES.get(name, (0.0,)):
            ours = apply(picture, (name, magnitude), fill=90)
            apart = np.abs(ours.astype(int) - by_torchvision(picture, name, magnitude, 90))
            assert apart.max() <= name.startswith("Shear"), magnitude  # torchvision's share is tan(atan(share))
            assert ours.dtype == np.uint8


def test_the_names_are_those_that_torchvision_draws() -> None:
    assert set(DRAWN) == set(v2.RandAugment._AUGMENTATION_SPACE) == set(v2.TrivialAugmentWide._AUGMENTATION_SPACE)


def test_the_order_of_channels_is_minded() -> None:
    """Red is darker than green: 0.299 and 0.587 of it."""
    red, green = ((np.eye(3)[one] * 200).astype(np.uint8).reshape(1, 1, 3) for one in (2, 1))
    assert apply(red, ("Grey", 0.0)).tolist() == [[[60, 60, 60]]]
    assert apply(green, ("Grey", 0.0)).tolist() == [[[117, 117, 117]]]


def test_several_changes_follow_each_other() -> None:
    picture = noise(9, 8)
    both = apply(picture, ("Brightness", 0.5), ("TranslateX", 2.0))
    assert np.array_equal(both, apply(apply(picture, ("Brightness", 0.5)), ("TranslateX", 2.0)))
    assert (both[:, :2] == picture_operations.FILL.default).all()
