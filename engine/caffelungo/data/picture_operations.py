"""Changes of the pixels of a picture, of a given strength: what random augmentations draw from. Pillow does them.

Pictures are H x W x C, uint8, with 1 or 3 channels (B, G, R). Results are those of torchvision's functions for pictures
of Pillow.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from caffelungo.bounds import Bounds
from caffelungo.definition.option_blocks import Option

if TYPE_CHECKING:
    from PIL.Image import Image

Pixels = NDArray[np.uint8]
Operation = Callable[["Image", float, int], "Image"]
"""(picture, magnitude, fill) -> picture; ``fill`` is what comes in from outside the picture."""

FILL = Option(
    "fill", 128, "Value of pixels that come in from outside the picture, in every channel.", bounds=Bounds(0, 255)
)


def apply(picture: Pixels, *changes: tuple[str, float], fill: int = FILL.default) -> Pixels:  # type: ignore[assignment]
    """``picture`` after ``changes``, one after the other: names in ``OPERATIONS``, each with its magnitude."""
    from PIL import Image

    grey = picture.shape[2] == 1
    image = Image.fromarray(picture[:, :, 0] if grey else np.ascontiguousarray(picture[:, :, ::-1]))
    for name, magnitude in changes:
        image = OPERATIONS[name](image, magnitude, fill)
    pixels = np.asarray(image)
    return pixels[:, :, None] if grey else pixels[:, :, ::-1]


def rotate(image: Image, degrees: float, fill: int) -> Image:
    """Turned about its centre, against the clock."""
    import PIL.Image

    return image.rotate(degrees, PIL.Image.Resampling.BILINEAR, fillcolor=_colour(image, fill))


def shear_x(image: Image, share: float, fill: int) -> Image:
    """Each row moved to the left by ``share`` of its number."""
    return _affine(image, (1, share, 0, 0, 1, 0), fill)


def shear_y(image: Image, share: float, fill: int) -> Image:
    """Each column moved up by ``share`` of its number."""
    return _affine(image, (1, 0, 0, share, 1, 0), fill)


def translate_x(image: Image, pixels: float, fill: int) -> Image:
    """Moved to the right."""
    return _affine(image, (1, 0, -int(pixels), 0, 1, 0), fill)


def translate_y(image: Image, pixels: float, fill: int) -> Image:
    """Moved down."""
    return _affine(image, (1, 0, 0, 0, 1, -int(pixels)), fill)


def _affine(image: Image, matrix: tuple[float, ...], fill: int) -> Image:
    """``matrix`` leads from a place in the result to the one in ``image``."""
    import PIL.Image

    return image.transform(
        image.size, PIL.Image.Transform.AFFINE, matrix, PIL.Image.Resampling.BILINEAR, fillcolor=_colour(image, fill)
    )


def _colour(image: Image, fill: int) -> Any:
    return fill if image.mode == "L" else (fill, fill, fill)


def _enhanced(name: str) -> Operation:
    """Pillow's enhancer ``name``, whose magnitude 0 changes nothing and -1 takes all of it away."""

    def enhance(image: Image, magnitude: float, fill: int) -> Image:
        from PIL import ImageEnhance

        result: Image = getattr(ImageEnhance, name)(image).enhance(1 + magnitude)
        return result

    return enhance


def hue(image: Image, turns: float, fill: int) -> Image:
    """Every hue moved on by ``turns`` (-0.5 to 0.5) of the colour circle; a grey picture as it is."""
    import PIL.Image

    if image.mode == "L":
        return image
    planes = image.convert("HSV").split()
    moved = np.asarray(planes[0]) + np.int32(turns * 255).astype(np.uint8)
    return PIL.Image.merge("HSV", (PIL.Image.fromarray(moved), *planes[1:])).convert("RGB")


def grey(image: Image, magnitude: float, fill: int) -> Image:
    """Without colours, in as many channels."""
    return image.convert("L").convert(image.mode)


def posterize(image: Image, bits: float, fill: int) -> Image:
    """Only the upper ``bits`` of each value."""
    from PIL import ImageOps

    return ImageOps.posterize(image, int(bits))


def solarize(image: Image, threshold: float, fill: int) -> Image:
    """Values from ``threshold`` on inverted."""
    from PIL import ImageOps

    return ImageOps.solarize(image, threshold)  # type: ignore[arg-type]


def auto_contrast(image: Image, magnitude: float, fill: int) -> Image:
    """Each channel stretched over the whole range."""
    from PIL import ImageOps

    return ImageOps.autocontrast(image)


def equalize(image: Image, magnitude: float, fill: int) -> Image:
    """Each channel with all values about equally often."""
    from PIL import ImageOps

    return ImageOps.equalize(image)


def identity(image: Image, magnitude: float, fill: int) -> Image:
    """As it is."""
    return image


OPERATIONS: dict[str, Operation] = {
    "Identity": identity,
    "ShearX": shear_x,
    "ShearY": shear_y,
    "TranslateX": translate_x,
    "TranslateY": translate_y,
    "Rotate": rotate,
    "Brightness": _enhanced("Brightness"),
    "Color": _enhanced("Color"),
    "Contrast": _enhanced("Contrast"),
    "Sharpness": _enhanced("Sharpness"),
    "Posterize": posterize,
    "Solarize": solarize,
    "AutoContrast": auto_contrast,
    "Equalize": equalize,
    "Hue": hue,
    "Grey": grey,
}
"""By the names of torchvision, and two more: the first 14 are those of RandAugment and TrivialAugment."""
DRAWN = tuple(OPERATIONS)[:14]
BINS = 31
"""Steps of magnitude of RandAugment and TrivialAugment, the first of which is 0."""
