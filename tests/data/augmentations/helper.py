"""One augmentation on one picture, as a net's file asks for it."""

from __future__ import annotations

from typing import Any

import numpy as np

from caffelungo.data.augment_pictures import Augmentations
from caffelungo.data.augmentation import Pixels, Size
from caffelungo.data.mixing import Mixing
from caffelungo.definition.numeric import range_problems
from caffelungo.definition.reader import parse_net


def transform(text: str, crop: int = 0) -> Any:
    """The TransformationParameter of a layer with the augmentation ``text``, as `type: "..." block { ... }`."""
    net = parse_net(
        f'layer {{ name: "d" type: "ImageData" top: "x" transform_param {{ crop_size: {crop}\n'
        f"lungo {{ augmentation {{ {text} }} }} }} }}"
    )
    assert range_problems(net.message, net.where) == []
    return net.message.layer[0].transform_param


def augmented(text: str, picture: Pixels, count: int = 1, size: Size = None) -> list[Pixels]:
    """``picture`` (H x W x C, uint8) as ``count`` epochs draw it; ``size``: height and width that the net wants."""
    augmentations = Augmentations(transform(text), lambda name: None)
    return [augmentations.apply(picture, size, 3, epoch, 0, "the picture") for epoch in range(count)]


def noise(height: int, width: int, channels: int = 3) -> Pixels:
    """A picture without any symmetry."""
    return np.random.default_rng(height + width).integers(0, 256, (height, width, channels), np.uint8)


def mixtures(text: str, count: int, samples: int = 4, size: tuple[int, int] = (8, 8)) -> list[Mixing]:
    """How ``count`` batches of ``samples`` pictures of ``size`` are mixed."""
    augmentations = Augmentations(transform(text), lambda name: None)
    found = [augmentations.mixing(samples, size, 3, 0, first) for first in range(count)]
    return [one for one in found if one is not None]
