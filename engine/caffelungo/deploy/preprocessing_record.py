"""The preprocessing record of a net that leaves: the one the weights carry, else the data layer's, else assumed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from caffelungo.data import preprocess
from caffelungo.data.sources import open_source
from caffelungo.definition.definition import Definition
from caffelungo.definition.filter import included, net_state
from caffelungo.definition.schema import TEST, Preprocessing
from caffelungo.errors import UserError
from caffelungo.layers.base import shape_text

DATA_TYPES = frozenset({"Data", "ImageData"})


def data_layer(definition: Definition) -> tuple[int, Any] | None:
    """(index, LayerParameter) of the layer that reads pictures in phase TEST, else in TRAIN; None without one."""
    net = definition.message
    state = net_state(net, TEST)
    found = [(index, layer) for index, layer in enumerate(net.layer) if layer.type in DATA_TYPES]
    tested = [(index, layer) for index, layer in found if included(layer, state)]
    return next(iter(tested or found), None)


def record_of(definition: Definition) -> tuple[Any | None, list[str]]:
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
        note = f"the data of layer `{layer.name}` cannot be opened ({first}); the net's file is used instead"
        return _stated(layer, definition, index), [note]


def takes_grey(layer: Any) -> bool:
    """Whether the data layer ``layer`` says itself that its pictures have one channel."""
    alone = layer.type == "ImageData" and not layer.image_data_param.is_color
    return bool(layer.transform_param.force_gray or alone)


def _stated(layer: Any, definition: Definition, index: int) -> Any:
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

    What is answered here is in ``assumed``. UserError when the record makes pictures of another size.
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
            f"the picture size of the preprocessing record does not match input `{blob}`",
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
