"""The preprocessing that a user states for a foreign net, over what its weights or its data layer say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from caffelungo.data import preprocess
from caffelungo.definition import editor
from caffelungo.definition.edits import ClearField, Edit
from caffelungo.definition.reader import Definition
from caffelungo.definition.schema import Preprocessing
from caffelungo.deploy import preprocessing_record
from caffelungo.deploy.options import ConvertOptions
from caffelungo.errors import UserError
from caffelungo.weights.weights import Weights
from caffelungo.wording import counted

ORDERS = {"bgr": Preprocessing.BGR, "rgb": Preprocessing.RGB, "gray": Preprocessing.GRAY, "grey": Preprocessing.GRAY}


def carries_record(weights: Weights | None) -> bool:
    return weights is not None and weights.extras is not None and bool(weights.extras.HasField("preprocessing"))


def check_mean_file(definition: Definition) -> None:
    """UserError where the data layer names a mean picture that cannot be read."""
    found = preprocessing_record.data_layer(definition)
    if found is None or not found[1].transform_param.mean_file:
        return
    index, layer = found
    where = definition.where("layer", index, "transform_param", "mean_file")
    try:
        preprocess.read_mean(layer.transform_param.mean_file, definition.path, where)
    except UserError as error:
        more = "; or set the mean directly: --mean 104,117,123, or --mean-file"
        raise UserError([replace(one, remedy=f"{one.remedy}{more}") for one in error.problems]) from None


def _without_mean_file(definition: Definition) -> Definition:
    """``definition``, whose data layers name no mean picture: one that is given takes precedence."""
    edits: list[Edit] = [
        ClearField(("layer", index, "transform_param", "mean_file"))
        for index, layer in enumerate(definition.message.layer)
        if layer.transform_param.mean_file
    ]
    return editor.apply(definition, edits) if edits else definition


def base_record(definition: Definition, weights: Weights | None, shape: Sequence[int], *, stated_mean: bool) -> Any:
    """What is known without flags; all else is marked as assumed."""
    if weights is not None and carries_record(weights):
        base = weights.extras.preprocessing  # type: ignore[union-attr]
    else:
        base, _ = preprocessing_record.record_of(_without_mean_file(definition) if stated_mean else definition)
    record = Preprocessing()
    if base is not None:
        record.CopyFrom(base)
    else:
        record.channel_order = Preprocessing.GRAY if shape[1] == 1 else Preprocessing.BGR
        record.assumed.extend(["channel_order", "mean_value", "scale"])
    return record


def state(record: Any, shape: Sequence[int], options: ConvertOptions) -> None:
    _, colors, height, width = shape
    stated = set()
    if options.channel_order is not None:
        order = ORDERS.get(options.channel_order.lower())
        if order is None or (order == Preprocessing.GRAY) != (colors == 1):
            raise UserError(
                "the channel order does not fit the net's input",
                received=f"{options.channel_order} for {counted(colors, 'channel')}",
                remedy="use bgr or rgb for 3 channels, gray for 1",
            )  # fmt: skip
        record.channel_order = order
        stated.add("channel_order")
    if options.resize is not None:
        tall, wide = options.resize
        for name in ("resize_height", "resize_width", "resize_shorter"):
            record.ClearField(name)
        if wide:
            record.resize_height, record.resize_width = tall, wide
        else:
            record.resize_shorter = tall
        if (tall, wide) != (height, width):
            record.crop_height, record.crop_width = height, width
        stated.update(("resize_height", "resize_width", "resize_shorter"))
    if options.mean or options.mean_file:
        _state_mean(record, shape, options)
        stated.update(("mean_value", "mean_image"))
    if options.scale is not None:
        record.scale = options.scale
        stated.add("scale")
    left = [name for name in record.assumed if name not in stated]
    del record.assumed[:]
    record.assumed.extend(left)


def _state_mean(record: Any, shape: Sequence[int], options: ConvertOptions) -> None:
    if options.mean and options.mean_file:
        raise UserError("--mean and --mean-file contradict each other", remedy="keep one of them")
    without_mean(record)
    if options.mean_file:
        image = preprocess.read_mean(str(options.mean_file), None)
        if record.channel_order == Preprocessing.RGB:
            image = image[::-1]
        inner = Preprocessing(crop_height=shape[2], crop_width=shape[3])
        preprocess.set_mean(inner, image=image)
        record.mean_image.extend(inner.mean_image)
        record.mean_image_shape.extend(inner.mean_image_shape)
    elif len(options.mean) in (1, shape[1]):
        record.mean_value.extend(options.mean)
    else:
        raise UserError(
            f"--mean takes one value, or one for each of the {shape[1]} channels",
            received=", ".join(f"{value:g}" for value in options.mean),
            remedy="write --mean 104,117,123 (blue, green, red, unless --channel-order differs)"
            if shape[1] == 3
            else f"write one value, or {shape[1]}: --mean {','.join(['110'] * min(shape[1], 4))}",
        )


def without_mean(record: Any) -> None:
    for name in ("mean_value", "mean_image", "mean_image_shape"):
        record.ClearField(name)
