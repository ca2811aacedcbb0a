"""Random brightness, contrast, saturation and hue."""

from __future__ import annotations

from typing import Any

import numpy as np

from caffelungo.bounds import SHARE, Bounds
from caffelungo.data import picture_operations
from caffelungo.data.augmentation import Pixels, Size, register
from caffelungo.definition.option_blocks import Option


@register(
    "ColorJitter",
    options=(
        Option("brightness", 0.4, "Largest change of the factor of brightness, which is 1.", bounds=SHARE),
        Option("contrast", 0.4, "The same of contrast.", bounds=SHARE),
        Option("saturation", 0.4, "The same of saturation.", bounds=SHARE),
        Option("hue", 0.0, "Largest change of the hue, as a share of the colour circle.", bounds=Bounds(0, 0.5)),
    ),
)
def color_jitter(picture: Pixels, options: Any, size: Size, rng: np.random.Generator) -> Pixels:
    """Brightness, contrast, saturation and hue changed in an order that is drawn, each by a change drawn evenly.

    Saturation and hue do nothing to a grey picture. The defaults are those of fb.resnet.torch, which jittered ImageNet.

    Source: Howard 2013 (Some improvements on deep convolutional neural network based image classification), section 2.
    """
    most = {
        "Brightness": options.brightness, "Contrast": options.contrast, "Color": options.saturation, "Hue": options.hue,
    }  # fmt: skip
    changes = [(name, float(rng.uniform(-limit, limit))) for name, limit in most.items()]
    order = rng.permutation(len(changes))
    return picture_operations.apply(picture, *(changes[k] for k in order if changes[k][1]))
