"""The preprocessing record of a net that leaves: the one the weights carry, else the data layer's, else assumed.

And pictures in the form the exported file takes them: uint8, batch x height x width x channels, RGB or grey.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caffelungo.data import preprocess
from caffelungo.data.decode import SUFFIXES
from caffelungo.data.resize import resize
from caffelungo.data.sources import open_source
from caffelungo.definition.filter import included, net_state
from caffelungo.definition.schema import TEST, Preprocessing
from caffelungo.errors import UserError
from caffelungo.inference.metadata import ImageInput
from caffelungo.layers.base import shape_text

Pixels = NDArray[np.uint8]
DATA_TYPES = frozenset({"Data", "ImageData"})


def data_layer(definition: Any) -> tuple[int, Any] | None:
    """(index, LayerParameter) of the layer that reads pictures in phase TEST, else in TRAIN; None without one."""
    net = definition.message
    state = net_state(net, TEST)
    found = [(index, layer) for index, layer in enumerate(net.layer) if layer.type in DATA_TYPES]
    tested = [(index, layer) for index, layer in found if included(layer, state)]
    return next(iter(tested or found), None)


def record_of(definition: Any) -> tuple[Any | None, list[str]]:
    """(record, notes) from the data layer of ``definition``; None when it has none.

    Where its data cannot be opened, the record is what the file alone says.
    """
    found = data_layer(definition)
    if found is None:
        return None, []
    index, layer = found
    try:
        source = open_source(layer, TEST, beside=definition.path, where=definition.where("layer", index))
        return source.record, list(source.notices)
    except UserError as error:
        first = error.problems[0].what
        note = f"the data of layer `{layer.name}` cannot be opened ({first}); preprocessing is what the file says"
        return _stated(layer, definition, index), [note]


def takes_grey(layer: Any) -> bool:
    """Whether the data layer ``layer`` says itself that its pictures have one channel."""
    alone = layer.type == "ImageData" and not layer.image_data_param.is_color
    return bool(layer.transform_param.force_gray or alone)


def _stated(layer: Any, definition: Any, index: int) -> Any:
    transform, grey = layer.transform_param, takes_grey(layer)
    mean = None
    if transform.mean_file:
        where = definition.where("layer", index, "transform_param", "mean_file")
        mean = preprocess.read_mean(transform.mean_file, definition.path, where)
    record, _ = preprocess.record_of(layer, grey=grey, mean=mean)
    if not grey and len(transform.mean_value) != 3:
        record.assumed.append("channel_order")
    return record


def completed(record: Any | None, blob: str, shape: Sequence[int]) -> Any:
    """``record`` with every open question answered for the input ``blob`` of ``shape`` (batch included).

    What is answered here stands in ``assumed``. UserError when the record makes pictures of another size.
    """
    colors, height, width = shape[1:]
    if record is None:
        result = Preprocessing(channel_order=Preprocessing.GRAY if colors == 1 else Preprocessing.BGR)
        result.assumed.extend(["channel_order", "mean_value", "scale"])
    else:
        result = Preprocessing()
        result.CopyFrom(record)
    if "channel_order" in result.assumed and preprocess.channels(result) != colors:
        result.channel_order = Preprocessing.GRAY if colors == 1 else Preprocessing.BGR
    if not (result.resize_height or result.resize_shorter):
        result.resize_height = result.crop_height or height
        result.resize_width = result.crop_width or width
        result.assumed.extend(["resize_height", "resize_width"])
    if result.resize_shorter and not result.crop_height:
        result.crop_height, result.crop_width = height, width
        result.assumed.extend(["crop_height", "crop_width"])
    made = (preprocess.channels(result), *preprocess.output_size(result, height, width))
    if made != tuple(shape[1:]):
        raise UserError(
            f"the preprocessing record makes pictures of another size than input `{blob}` takes",
            received=f"{shape_text(made)} for {shape_text(tuple(shape[1:]))} ({preprocess.describe(result)})",
            remedy="give the input the record's size, or export with a record that fits the input",
        )
    subtract = preprocess.mean(result)
    if subtract is not None and subtract.shape not in ((colors, 1, 1), (colors, height, width)):
        raise UserError(
            f"the mean of the preprocessing record does not fit input `{blob}`",
            received=f"mean {shape_text(subtract.shape)} for {shape_text(tuple(shape[1:]))}",
            remedy="use a mean picture as large as the crop, or mean_value",
        )
    return result


def takes_pictures(inputs: dict[str, tuple[int, ...]]) -> bool:
    """Whether a net with these inputs (blob -> shape) can be fed with pictures: one input of 1 or 3 channels."""
    shapes = list(inputs.values())
    return len(shapes) == 1 and len(shapes[0]) == 4 and shapes[0][1] in (1, 3)


def read(record: Any, source: str | Path | bytes, name: str | None = None) -> Pixels:
    """One picture as the exported file takes it: height x width x channels, RGB or grey, resized and cropped."""
    return rgb(preprocess.pixels(record, preprocess.read(record, source, name)))


def from_array(record: Any, image: Pixels) -> Pixels:
    """The same for a decoded picture, height x width x 3 in RGB or height x width (x 1) in grey."""
    if image.dtype != np.uint8 or image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] not in (1, 3)):
        raise UserError(
            "this array is no picture",
            received=f"{image.dtype} of shape {shape_text(image.shape)}",
            remedy="give uint8 of height x width x 3 in RGB, or height x width in grey",
        )
    image = rgb(image if image.ndim == 3 else image[:, :, None])
    if record.channel_order != Preprocessing.GRAY and image.shape[2] == 1:
        image = np.repeat(image, 3, axis=2)
    return rgb(preprocess.pixels(record, image))


def rgb(image: Pixels) -> Pixels:
    """BGR to RGB, or back; grey as it is."""
    return np.ascontiguousarray(image[:, :, ::-1]) if image.shape[2] == 3 else np.ascontiguousarray(image)


def without_geometry(record: Any) -> Any:
    """``record`` for pictures that keep their size."""
    inner = Preprocessing()
    inner.CopyFrom(record)
    for name in ("resize_height", "resize_width", "resize_shorter", "crop_height", "crop_width"):
        inner.ClearField(name)
    return inner


def without_crop(record: Any) -> Any:
    """``record`` as far as its resize."""
    inner = Preprocessing()
    inner.CopyFrom(record)
    for name in ("crop_height", "crop_width"):
        inner.ClearField(name)
    return inner


def apply(record: Any, images: Pixels) -> NDArray[np.float32]:
    """The net's input blob for pictures as ``read`` gives them: what the exported graph does inside, in NumPy."""
    inner = without_geometry(record)
    return np.stack([preprocess.apply(inner, rgb(image)) for image in images])


def laid(images: Pixels, layout: str) -> Pixels:
    """``images`` (batch x height x width x channels) in ``layout``: ``NHWC`` or ``NCHW``."""
    return images if layout == "NHWC" else np.ascontiguousarray(images.transpose(0, 3, 1, 2))


def fed(given: ImageInput, record: Any, images: Pixels) -> NDArray[Any]:
    """What the input ``given`` of a file takes for ``images`` (batch x height x width x channels)."""
    return laid(images, given.layout) if given.takes_pictures else apply(record, images)


def fitted(record: Any, path: Path, height: int, width: int) -> Pixels:
    """``read``, but a picture that the geometry cannot take is resized to ``height`` x ``width`` outright."""
    image = preprocess.read(record, path)
    try:
        made = preprocess.pixels(record, image)
    except UserError:
        made = resize(image, height, width)
    return rgb(made)


def picture_files(paths: Iterable[str | Path], most: int | None = None) -> list[Path]:
    """The files that ``paths`` mean, folders searched for pictures; ``most`` of them, evenly chosen."""
    found: list[Path] = []
    for path in map(Path, paths):
        if path.is_dir():
            found += sorted(p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
        else:
            found.append(path)
    if most is not None and len(found) > most:
        found = [found[i * len(found) // most] for i in range(most)]
    return found
