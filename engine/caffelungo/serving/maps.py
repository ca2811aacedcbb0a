"""Maps of what mattered: class activation where the net's ending allows it, else occlusion."""

from __future__ import annotations

import base64
import io
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caffelungo.serving.class_activation import Cam
from caffelungo.serving.occlusion import occlusion_of
from caffelungo.wording import counted

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Map:
    """``values`` 0 (nothing, or against it) to 1 (most), height x width; ``how`` says in words what they are.

    ``lowest`` and ``highest`` are the values before they were brought to 0 to 1.
    """

    method: str
    how: str
    values: Floats
    lowest: float
    highest: float

    def body(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "method": self.method, "how": self.how, "lowest": round(self.lowest, 4), "highest": round(self.highest, 4),
            "values": [[round(float(value), 3) for value in row] for row in self.values],
        }  # fmt: skip


def activation(cam: Cam, image: Pixels, index: int) -> Map:
    """The class activation map of class ``index``."""
    values = cam.map(image, index)
    height, width = values.shape
    constant = "" if cam.ending.bias is None else ", and adds a constant"
    how = (
        f"Class activation map: how strongly each of {height} × {width} places supports this class. The net averages "
        f"exactly these values into the class's score{constant}, so the map is the decision itself; but each place "
        "also depends on its surroundings."
    )
    return _scaled("class activation", how, values)


async def occlusion(
    submit: Callable[[Sequence[Pixels]], Awaitable[Sequence[Floats]]], image: Pixels, index: int, most: int
) -> Map:
    """The occlusion map of class ``index``; ``submit`` gives the probabilities of ``most`` pictures at a time."""
    plan = occlusion_of(image)
    before = float((await submit([image]))[0][index])
    after: list[float] = []
    group: list[Pixels] = []
    for covered in plan.covered(image):
        group.append(covered)
        if len(group) == most:
            after += [float(row[index]) for row in await submit(group)]
            group = []
    if group:
        after += [float(row[index]) for row in await submit(group)]
    how = (
        f"Occlusion map: the picture was classified {counted(len(after), 'more time')}, each time with a "
        f"square of {plan.side} pixels covered in its mean colour; bright is where covering lowered the odds of this "
        f"class most. The largest effect changed the probability from {before:.1%} to {min(after):.1%}. The map is "
        "no finer than the square, and evidence that is in the picture twice stays dark."
    )
    return _scaled("occlusion", how, plan.map(before, np.asarray(after, np.float32)))


def _scaled(method: str, how: str, values: Floats) -> Map:
    highest = float(values.max())
    positive = np.maximum(values, 0) / highest if highest > 0 else np.zeros_like(values)
    if highest <= 0:
        how += " Here nothing supports it: the map is empty."
    return Map(method, how, positive.astype(np.float32), float(values.min()), highest)


def view(image: Pixels) -> str:
    """What the net saw of a picture, after resizing and cropping, as a PNG data URI."""
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image).save(stream, "PNG")
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode()
