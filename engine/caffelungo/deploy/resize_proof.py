"""Photos of any size through the operators of ``picture_operators``: the same in PyTorch, and the proof with real ones.

``data.resize_pixels`` computes in whole numbers, as OpenCV does; the graph has no such operator, computes the same in
float32 and rounds. So its pixels are held to two references: to PyTorch's own resize in float64, up to the rounding,
and to those of training and test, up to one level. What the net makes of the pixels is held to PyTorch as closely as
ever.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor

from caffelungo.data import preprocess
from caffelungo.definition.schema import Preprocessing
from caffelungo.deploy.parity import Parity, Reference, compare, difference, same_class
from caffelungo.deploy.picture_operators import INTERPOLATION, Front
from caffelungo.errors import RunError
from caffelungo.inference import picture_input
from caffelungo.inference.runtime import EXACT, open_session
from caffelungo.wording import counted

LEVELS = 1.25
"""Most that a pixel may differ from the whole-number resize: one level of 255, since both round."""
HALF = 0.75
"""Most that it may differ from the exact one: half a level, and what float32 costs coordinates in large pictures."""
KEEP = "  to do: report the net, or remove --resize-inside; no file was written"


def resized(record: Any, values: Tensor) -> Tensor:
    """``values`` (batch x channels x height x width) resized and cropped as ``record`` says."""
    height, width = preprocess.resized(record, *values.shape[2:])
    values = torch.nn.functional.interpolate(values, (height, width), mode="bilinear", align_corners=False)
    if not record.crop_height:
        return values
    top, left = preprocess.centre(height, record.crop_height), preprocess.centre(width, record.crop_width)
    return values[:, :, top : top + record.crop_height, left : left + record.crop_width]


class Inside:
    """What the graph makes of pictures, held to PyTorch's resize in float64 each time it is asked."""

    def __init__(self, model: bytes, front: Front, blob: str, device: str) -> None:
        self.front, self.blob = front, blob
        self.session = open_session(_until(model, blob), device, settings=EXACT)

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The net's input blob for ``images`` as the file takes them; RunError when it is another picture."""
        made: NDArray[np.float32] = self.session.run({self.front.image: images})[self.blob]
        right = exact(self.front, images)
        apart = float(np.abs(made - right).max(initial=0.0)) / abs(self.front.record.scale)
        if made.shape != right.shape or not apart <= HALF:
            raise RunError(
                f"the resize in the graph is {apart:.3g} of 255 levels off PyTorch's for pictures of "
                f"{'x'.join(map(str, images.shape))}, where {HALF:g} are allowed\n{KEEP}"
            )
        return made


def exact(front: Front, images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The net's input blob for pictures that the file takes, at any size, in float64 and not rounded."""
    values = torch.from_numpy(np.ascontiguousarray(images)).to(torch.float64)
    if front.layout == "NHWC":
        values = values.permute(0, 3, 1, 2)
    values = resized(front.record, values)
    if front.record.channel_order == Preprocessing.BGR:
        values = values.flip(1)
    subtract = preprocess.mean(front.record)
    made = values.numpy() if subtract is None else values.numpy() - subtract
    return np.asarray(made * front.record.scale, np.float64)


def _until(model: bytes, blob: str) -> bytes:
    """The part of ``model`` that makes ``blob``, with it as the output."""
    proto = onnx.load_model_from_string(model)
    wanted: set[str] = {blob}
    nodes: list[Any] = []
    for node in reversed(proto.graph.node):
        if wanted & set(node.output):
            nodes.insert(0, node)
            wanted |= set(node.input)
    kept = [tensor for tensor in proto.graph.initializer if tensor.name in wanted]
    part = onnx.ModelProto(ir_version=proto.ir_version, opset_import=proto.opset_import)
    part.graph.name = proto.graph.name
    part.graph.node.extend(nodes)
    part.graph.initializer.extend(kept)
    part.graph.input.extend(proto.graph.input)
    part.graph.output.append(onnx.helper.make_tensor_value_info(blob, onnx.TensorProto.FLOAT, [None] * 4))
    return part.SerializeToString()


def random_sizes(height: int, width: int) -> list[tuple[int, int]]:
    """Sizes of pictures for a net of ``height`` x ``width``: landscape, portrait, smaller, and its own."""
    return [
        (height + height // 3, 2 * width + 1), (2 * height + 1, width + width // 4 + 1),
        (max(1, height // 2), max(1, (2 * width) // 3)), (height, width),
    ]  # fmt: skip


@dataclass
class Photos:
    """What real pictures showed: ``levels`` (of 255) and ``relative`` (by output) from the 8-bit resize, ``same``
    classes of ``count`` pictures."""

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
        text = (
            "the resize in the graph and that of training and test, which computes in whole numbers, differ by at most "
            f"{self.levels:.2g} of 255 in {counted(self.count, 'picture')}, and {apart}"
        )
        return text if self.same is None else f"{text}; the top class is the same for {self.same} of {self.count}"


def prove_photos(
    model: bytes, reference: Reference, front: Front, inside: Inside, paths: Sequence[Path], batch: int, proof: Parity,
    classifiers: Sequence[str] = (),
) -> Photos:  # fmt: skip
    """Real pictures at their own sizes through the whole file; RunError when it answers otherwise.

    ``reference`` takes pictures (through ``inside``) and the blob itself. ``batch`` copies of each picture go in.
    """
    session, blob = open_session(model, proof.device, settings=EXACT), inside.blob
    found = Photos(relative=dict.fromkeys(session.outputs, 0.0), same=0 if classifiers else None)
    own = picture_input.without_geometry(front.record)
    for path in paths:
        image = picture_input.read(own, path)
        feeds = {front.image: picture_input.laid(np.repeat(image[None], batch, axis=0), front.layout)}
        got, right = session.run(feeds), reference.run(feeds)
        _, wrong = compare(session.outputs, right, got, reference, feeds, path.name, proof)
        if wrong is not None:
            raise RunError(
                f"PyTorch and ONNX Runtime disagree in output `{wrong.blob}` on {path.name} of {image.shape[0]}x"
                f"{image.shape[1]}: by {wrong.relative:.3g} of its largest value\n{KEEP}"
            )
        eight = picture_input.rgb(preprocess.pixels(front.record, picture_input.rgb(image)))[None]
        plain = picture_input.apply(front.record, np.repeat(eight, batch, axis=0))
        levels = float(np.abs(inside(feeds[front.image]) - plain).max()) / abs(front.record.scale)
        if not levels <= LEVELS:
            raise RunError(
                f"the resize in the graph makes other pixels of {path.name} ({image.shape[0]}x{image.shape[1]}) than "
                f"training and test do: {levels:.3g} of 255, where {LEVELS:g} are allowed\n{KEEP}"
            )
        _count(found, reference.run({blob: plain}), got, levels, classifiers)
    proof.real = found.count
    return found


def _count(
    found: Photos, usual: Mapping[str, NDArray[Any]], got: Mapping[str, NDArray[Any]], levels: float,
    classifiers: Sequence[str],
) -> None:  # fmt: skip
    found.count, found.levels = found.count + 1, max(found.levels, levels)
    assert found.relative is not None
    for name in found.relative:
        found.relative[name] = max(found.relative[name], difference(name, usual[name], got[name], "").relative)
    if found.same is not None:
        found.same += int(all(same_class(usual[one], got[one], 0.0)[0] for one in classifiers))
