"""Pictures of their own sizes: what the operators of ``front`` make of them, in PyTorch, and the proof with real ones.

``data.resize`` computes with 8 bits, as OpenCV does; the graph has no such operator and computes the same in float32.
So the file is held to two references: to PyTorch's own resize in float64, as closely as everything else, and to what
all else here does with a picture, within the rounding to 8 bits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from caffelungo.data import preprocess
from caffelungo.definition.schema import Preprocessing
from caffelungo.deploy import pictures
from caffelungo.deploy.front import IMAGE, INTERPOLATION, Front
from caffelungo.deploy.parity import Parity, Reference, difference, disagree, same_class, with_all_outputs
from caffelungo.errors import RunError

LEVELS = 1.25
"""Most that a value may differ from the 8-bit resize, in levels of 255: its rounding, and float32's of coordinates."""


def resized(record: Any, values: Tensor) -> Tensor:
    """``values`` (batch x channels x height x width) resized and cropped as ``record`` says."""
    height, width = preprocess.output_size(pictures.without_crop(record), *values.shape[2:])
    values = torch.nn.functional.interpolate(values, (height, width), mode="bilinear", align_corners=False)
    if not record.crop_height:
        return values
    top, left = preprocess.centre(height, record.crop_height), preprocess.centre(width, record.crop_width)
    return values[:, :, top : top + record.crop_height, left : left + record.crop_width]


def expected(front: Front, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The net's input blob for pictures that the file takes, at any size, computed in float64."""
    values = torch.from_numpy(np.ascontiguousarray(images)).to(torch.float64)
    if front.layout == "NHWC":
        values = values.permute(0, 3, 1, 2)
    values = resized(front.record, values)
    if front.record.channel_order == Preprocessing.BGR:
        values = values.flip(1)
    subtract = preprocess.mean(front.record)
    made = values.numpy() if subtract is None else values.numpy() - subtract
    return np.ascontiguousarray(made * front.record.scale, np.float32)


def random_sizes(height: int, width: int) -> list[tuple[int, int]]:
    """Sizes of pictures for a net of ``height`` x ``width``: landscape, portrait, smaller, and its own."""
    return [
        (height + height // 3, 2 * width + 1), (2 * height + 1, width + width // 4 + 1),
        (max(1, height // 2), max(1, (2 * width) // 3)), (height, width),
    ]  # fmt: skip


@dataclass
class Photos:
    """What real pictures told: ``levels`` (of 255) and ``relative`` (by output) from the 8-bit resize, ``same`` classes
    of ``count`` pictures."""

    count: int = 0
    levels: float = 0.0
    relative: dict[str, float] | None = None
    same: int | None = None

    def facts(self) -> dict[str, Any]:
        """For the file's metadata."""
        return {
            "interpolation": INTERPOLATION, "pictures": self.count, "levels_of_255": float(f"{self.levels:.3g}"),
            "outputs": {name: float(f"{apart:.3g}") for name, apart in (self.relative or {}).items()},
            "same_class": self.same,
        }  # fmt: skip

    def line(self) -> str:
        """For people."""
        apart = ", ".join(f"`{name}` by {apart:.2g} of its largest value" for name, apart in
                          (self.relative or {}).items())  # fmt: skip
        told = (
            f"beside the resize to 8 bits of training and test, the graph's changes no pixel of {self.count} pictures "
            f"by more than {self.levels:.2g} of 255, and {apart}"
        )
        return told if self.same is None else f"{told}; the same class comes first for {self.same} of {self.count}"


def prove_photos(
    model: bytes, reference: Reference, front: Front, blob: str, paths: Sequence[Path], batch: int, proof: Parity,
    classifier: str | None,
) -> Photos:  # fmt: skip
    """Real pictures at their own sizes through the whole file; RunError when it answers otherwise.

    ``reference`` takes ``image`` (through ``expected``) and ``blob`` itself. ``batch`` copies of each picture go in.
    """
    session = with_all_outputs(model, {blob: None})
    outputs = [name for name in session.outputs if name in reference.names and name != blob]
    found = Photos(relative=dict.fromkeys(outputs, 0.0), same=None if classifier is None else 0)
    own = pictures.without_geometry(front.record)
    for path in paths:
        image = pictures.read(own, path)
        stack = np.repeat(image[None], batch, axis=0)
        feeds = {IMAGE: pictures.laid(stack, front.layout)}
        got, right = session.run(feeds), reference.run(feeds)
        for name in outputs:
            apart = difference(name, right[name], got[name], path.name)
            if disagree(apart, reference, feeds, proof):
                raise RunError(
                    f"PyTorch and ONNX Runtime disagree in output `{name}` on {path.name} of {image.shape[0]}x"
                    f"{image.shape[1]}: by {apart.relative:.3g} of its largest value\n"
                    "  to do: report the net; no file was written"
                )
        made = pictures.rgb(preprocess.pixels(front.record, pictures.rgb(image)))[None]
        plain = pictures.apply(front.record, np.repeat(made, batch, axis=0))
        levels = float(np.abs(got[blob] - plain).max()) / abs(front.record.scale)
        if not levels <= LEVELS:
            raise RunError(
                f"the resize in the graph makes other pixels of {path.name} ({image.shape[0]}x{image.shape[1]}) than "
                f"training and test do: {levels:.3g} of 255, where {LEVELS:g} are allowed\n"
                "  to do: report the net; no file was written"
            )
        usual = reference.run({blob: plain})
        _count(found, usual, got, levels, classifier)
    proof.real = found.count
    return found


def _count(
    found: Photos, usual: Mapping[str, NDArray[Any]], got: Mapping[str, NDArray[Any]], levels: float,
    classifier: str | None,
) -> None:  # fmt: skip
    found.count, found.levels = found.count + 1, max(found.levels, levels)
    assert found.relative is not None
    for name in found.relative:
        found.relative[name] = max(found.relative[name], difference(name, usual[name], got[name], "").relative)
    if classifier is not None and found.same is not None:
        found.same += int(same_class(usual[classifier], got[classifier], 0.0)[0])
