"""The preprocessing record: how a picture becomes the numbers a net was trained on, and its NumPy reference.

A data layer makes the record, weights carry it, and train, test, classify and export obey it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf import text_format
from numpy.typing import NDArray

from caffelungo.data.decode import MOST_PIXELS, decode, to_grey
from caffelungo.data.resize_pixels import resize, resize_shorter
from caffelungo.definition.schema import Preprocessing
from caffelungo.errors import Location, UserError
from caffelungo.files import find, write_text
from caffelungo.passes.resize import before_crop
from caffelungo.weights import meanfile

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]

BESIDE = "preprocessing.prototxt"
"""Name of the file in a database's folder that says how its pictures were made."""


def read_mean(path: str, beside: str | Path | None, where: Location | None = None) -> Floats:
    """The mean picture of a ``.binaryproto`` or ``.npy`` file as channels x height x width."""
    return meanfile.read(find(path, beside, what="mean file", where=where))


def record_of(layer: Any, *, grey: bool, mean: Floats | None = None, stated: Any = None) -> tuple[Any, list[str]]:
    """(record, notices): what the data layer ``layer`` (a LayerParameter) says of its pictures.

    ``grey``: whether they have one channel. ``mean`` is the picture in its mean_file, BGR, as large as the pictures or
    larger than the crop. ``stated`` is the record that a converter left, which the layer adds to.
    """
    record = Preprocessing()
    if stated is not None:
        record.CopyFrom(stated)
    transform, options = layer.transform_param, layer.image_data_param
    if grey:
        record.channel_order = Preprocessing.GRAY
    elif transform.lungo.HasField("channel_order"):
        record.channel_order = transform.lungo.channel_order
    height, width = options.new_height, options.new_width
    if not height:
        height, width = transform.lungo.resize_height, transform.lungo.resize_width
    if height:
        record.resize_height, record.resize_width = height, width
        record.ClearField("resize_shorter")
    if transform.crop_size:
        record.crop_height = record.crop_width = transform.crop_size
    if transform.scale != 1:
        record.scale = transform.scale
    if mean is not None and record.channel_order == Preprocessing.RGB:
        mean = mean[::-1]
    return record, set_mean(record, values=list(transform.mean_value), image=mean)


def centre(size: int, crop: int) -> int:
    """Where Caffe's TEST crop starts."""
    return (size - crop) // 2


def set_mean(record: Any, *, values: Sequence[float] = (), image: Floats | None = None) -> list[str]:
    """Put the mean into ``record``; a mean picture larger than the crop is centre-cropped. Returns notices."""
    if image is None:
        record.mean_value.extend(values)
        return []
    notices = []
    _, height, width = image.shape
    crop = (record.crop_height or height, record.crop_width or width)
    if (height, width) != crop and height >= crop[0] and width >= crop[1]:
        top, left = centre(height, crop[0]), centre(width, crop[1])
        image = image[:, top : top + crop[0], left : left + crop[1]]
        notices.append(
            f"the mean picture is {height}x{width} and the crop {crop[0]}x{crop[1]}: its centre is used where the "
            "crop is centred"
        )
    record.mean_image.extend(image.ravel().tolist())
    record.mean_image_shape.extend(image.shape)
    return notices


def channels(record: Any) -> int:
    """1 for grey, else 3."""
    return 1 if record.channel_order == Preprocessing.GRAY else 3


def resized(record: Any, height: int, width: int) -> tuple[int, int]:
    """Height and width of a picture of ``height`` x ``width`` between the resize and the crop."""
    if record.resize_height:
        return int(record.resize_height), int(record.resize_width)
    if record.resize_shorter and height and width:
        shorter = int(record.resize_shorter)
        if height <= width:
            return shorter, max(1, round(width * shorter / height))
        return max(1, round(height * shorter / width)), shorter
    return height, width


def output_size(record: Any, height: int, width: int) -> tuple[int, int]:
    """Height and width of what a picture of ``height`` x ``width`` becomes."""
    if record.crop_height:
        return int(record.crop_height), int(record.crop_width)
    return resized(record, height, width)


def at_size(record: Any, height: int, width: int) -> tuple[Any, list[str]]:
    """(record, notices): ``record`` for a net whose input is ``height`` x ``width``, with the mean as it was.

    The crop is that size; what pictures are resized to before it changes in proportion (``resize.before_crop``). A mean
    picture gives its centre, as it does for Caffe's crop_size; UserError where it is too small for that.
    """
    old = output_size(record, 0, 0)
    if old in ((0, 0), (height, width)):
        return record, []
    result = Preprocessing()
    result.CopyFrom(record)
    if record.crop_height:
        result.crop_height, result.crop_width = height, width
        if record.resize_height:
            result.resize_height = before_crop(height, old[0], record.resize_height)
            result.resize_width = before_crop(width, old[1], record.resize_width)
        elif record.resize_shorter:
            result.resize_shorter = before_crop(max(height, width), max(old), record.resize_shorter)
    else:
        result.resize_height, result.resize_width = height, width
    if not record.mean_image:
        return result, []
    picture = np.asarray(record.mean_image, np.float32).reshape(tuple(record.mean_image_shape))
    if picture.shape[1] < height or picture.shape[2] < width:
        values = ",".join(f"{value:.4g}" for value in picture.mean(axis=(1, 2), dtype=np.float64))
        raise UserError(
            "the mean picture is smaller than the net's input",
            received=f"a mean of {picture.shape[1]}x{picture.shape[2]} for {height}x{width}",
            remedy=f"give one mean per channel, which works at any size: lungo convert --mean {values}",
        )
    result.ClearField("mean_image")
    result.ClearField("mean_image_shape")
    return result, set_mean(result, image=picture)


def read(record: Any, source: str | Path | bytes, name: str | None = None) -> Pixels:
    """Decode ``source`` as the net of ``record`` expects it: BGR, or one grey channel."""
    return decode(source, color=record.channel_order != Preprocessing.GRAY, name=name)


def check_resized(record: Any, height: int, width: int) -> None:
    """UserError for a picture so long and thin that resizing would make more of it than is ever decoded."""
    tall, wide = resized(record, height, width)
    if tall * wide > MOST_PIXELS:
        raise UserError(
            "picture is too large after resizing",
            received=f"{width}x{height} pixels, which become {wide}x{tall}",
            remedy=f"crop it so that at most {MOST_PIXELS} pixels result, or remove it",
        )


def pixels(record: Any, image: Pixels) -> Pixels:
    """Geometry only: a decoded picture (H x W x C, uint8, BGR or grey) resized and centre-cropped, still BGR.

    An exported model takes this, but in RGB. Raises UserError when the picture is smaller than the crop, or so long and
    thin that resizing would make more of it than is ever decoded.
    """
    check_resized(record, *image.shape[:2])
    if record.channel_order == Preprocessing.GRAY and image.shape[2] == 3:
        image = to_grey(image)
    if record.resize_height:
        image = resize(image, record.resize_height, record.resize_width)
    elif record.resize_shorter:
        image = resize_shorter(image, record.resize_shorter)
    if record.crop_height:
        height, width = image.shape[:2]
        if height < record.crop_height or width < record.crop_width:
            raise UserError(
                "picture is smaller than the crop",
                received=f"{height}x{width} pixels for a crop of {record.crop_height}x{record.crop_width}",
                remedy="use a larger picture, or resize in the data layer (new_height, new_width)",
            )
        top, left = centre(height, record.crop_height), centre(width, record.crop_width)
        image = image[top : top + record.crop_height, left : left + record.crop_width]
    return image


def mean(record: Any) -> Floats | None:
    """The mean as C x 1 x 1 or C x H x W, None when there is none."""
    if record.mean_image:
        return np.asarray(record.mean_image, np.float32).reshape(tuple(record.mean_image_shape))
    if record.mean_value:
        values = np.asarray(record.mean_value, np.float32)
        return np.broadcast_to(values, (channels(record),) if values.size == 1 else values.shape)[:, None, None]
    return None


def apply(record: Any, image: Pixels) -> Floats:
    """The numbers the net sees for a decoded picture: C x H x W, float32. The reference for all other ways."""
    values = pixels(record, image).transpose(2, 0, 1)
    if record.channel_order == Preprocessing.RGB:
        values = values[::-1]
    result = values.astype(np.float32)
    subtract = mean(record)
    if subtract is not None:
        result = result - subtract
    return np.ascontiguousarray(result * np.float32(record.scale))


MEANS_APART = 3.0
"""Channel means further apart than this (of 255) are different means, not two roundings of one."""


def differences(one: Any, other: Any) -> list[str]:
    """How two records turn the same pixels into different numbers: ``mean 104/117/123 and none``; empty when alike.

    Sizes are not compared (crops and resizes differ on purpose), nor what either record only assumed.
    """
    assumed = {*one.assumed, *other.assumed}
    found = []
    if one.channel_order != other.channel_order and "channel_order" not in assumed:
        names = [Preprocessing.ChannelOrder.Name(record.channel_order) for record in (one, other)]
        found.append(f"channel order {names[0]} and {names[1]}")
    means = [_channel_means(record) for record in (one, other)]
    alike = means[0].size in (1, means[1].size) or means[1].size == 1
    if not assumed & {"mean_value", "mean_image"} and not (alike and abs(means[0] - means[1]).max() <= MEANS_APART):
        texts = ["/".join(f"{value:.4g}" for value in values) if values.any() else "none" for values in means]
        found.append(f"mean {texts[0]} and {texts[1]}")
    if abs(one.scale - other.scale) > 0.01 * abs(one.scale) and "scale" not in assumed:
        found.append(f"scale {one.scale:g} and {other.scale:g}")
    return found


def _channel_means(record: Any) -> Floats:
    values = mean(record)
    return np.zeros(1, np.float32) if values is None else np.asarray(values.mean(axis=(1, 2)), np.float32)


def describe(record: Any) -> str:
    """One line for people; what was assumed is marked."""
    assumed = set(record.assumed)

    def mark(*names: str) -> str:
        return " (assumed)" if assumed.intersection(names) else ""

    order = Preprocessing.ChannelOrder.Name(record.channel_order)
    parts = [f"{'grey' if order == 'GRAY' else order}, values 0 to 255{mark('channel_order')}"]
    size_mark = mark("resize_height", "resize_width", "resize_shorter")
    if record.resize_height:
        parts.append(f"resized to {record.resize_height}x{record.resize_width}{size_mark}")
    elif record.resize_shorter:
        parts.append(f"shorter side resized to {record.resize_shorter}{size_mark}")
    else:
        parts.append(f"not resized{size_mark}")
    if record.crop_height:
        parts.append(f"centre {record.crop_height}x{record.crop_width}{mark('crop_height', 'crop_width')}")
    if record.mean_image:
        shape = "x".join(map(str, record.mean_image_shape))
        parts.append(f"mean picture of {shape} subtracted{mark('mean_image')}")
    elif record.mean_value:
        parts.append(f"mean {'/'.join(f'{value:g}' for value in record.mean_value)} subtracted{mark('mean_value')}")
    else:
        parts.append(f"no mean{mark('mean_value', 'mean_image')}")
    if record.scale != 1:
        parts.append(f"times {record.scale:g}{mark('scale')}")
    return ", ".join(parts)


def write_beside(folder: Path, record: Any) -> None:
    """Keep what a converter did to the pictures in the database's folder."""
    header = "# How the pictures of this database were made. Data layers read it and store it in the weights.\n"
    write_text(folder / BESIDE, header + text_format.MessageToString(record))


def read_beside(folder: Path) -> Any | None:
    """The record in the database's folder, None when there is none."""
    path = folder / BESIDE
    if not path.is_file():
        return None
    try:
        return text_format.Parse(path.read_text(encoding="utf-8"), Preprocessing())
    except (text_format.ParseError, UnicodeDecodeError) as error:
        raise UserError(
            "the database's preprocessing record cannot be read",
            where=Location(str(path)),
            received=str(error),
            remedy="correct the file, or delete it; unknown values are then assumed",
        ) from error
