"""V0 layers (`layers { layer { ... } }`) become V1 layers, in place.

Caffe: UpgradeV0Net, UpgradeV0PaddingLayers, UpgradeV0LayerParameter.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from caffelungo.definition.schema import descriptor
from caffelungo.errors import Location, Problem, UserError, did_you_mean
from caffelungo.wording import counted

V0_TYPES = {
    "accuracy": "ACCURACY", "bnll": "BNLL", "concat": "CONCAT", "conv": "CONVOLUTION", "data": "DATA",
    "dropout": "DROPOUT", "euclidean_loss": "EUCLIDEAN_LOSS", "flatten": "FLATTEN", "hdf5_data": "HDF5_DATA",
    "hdf5_output": "HDF5_OUTPUT", "im2col": "IM2COL", "images": "IMAGE_DATA", "infogain_loss": "INFOGAIN_LOSS",
    "innerproduct": "INNER_PRODUCT", "lrn": "LRN", "multinomial_logistic_loss": "MULTINOMIAL_LOGISTIC_LOSS",
    "pool": "POOLING", "relu": "RELU", "sigmoid": "SIGMOID", "softmax": "SOFTMAX", "softmax_loss": "SOFTMAX_LOSS",
    "split": "SPLIT", "tanh": "TANH", "window_data": "WINDOW_DATA",
}  # fmt: skip
"""V0LayerParameter.type -> V1LayerParameter.LayerType."""

_CONV_IP = {"conv": "convolution_param", "innerproduct": "inner_product_param"}
_CONV_POOL = {"conv": "convolution_param", "pool": "pooling_param"}
_IMAGES = {"images": "image_data_param"}
_WINDOW = {"window_data": "window_data_param"}
_LRN = {"lrn": "lrn_param"}
_BATCHED = {
    "data": "data_param",
    "hdf5_data": "hdf5_data_param",
    "images": "image_data_param",
    "window_data": "window_data_param",
}
_ANY = "*"

FIELDS: dict[str, tuple[dict[str, str], str]] = {
    "num_output": (_CONV_IP, "num_output"),
    "biasterm": (_CONV_IP, "bias_term"),
    "weight_filler": (_CONV_IP, "weight_filler"),
    "bias_filler": (_CONV_IP, "bias_filler"),
    "pad": (_CONV_POOL, "pad"),
    "kernelsize": (_CONV_POOL, "kernel_size"),
    "group": ({"conv": "convolution_param"}, "group"),
    "stride": (_CONV_POOL, "stride"),
    "pool": ({"pool": "pooling_param"}, "pool"),
    "dropout_ratio": ({"dropout": "dropout_param"}, "dropout_ratio"),
    "local_size": (_LRN, "local_size"),
    "alpha": (_LRN, "alpha"),
    "beta": (_LRN, "beta"),
    "k": (_LRN, "k"),
    "source": ({**_BATCHED, "infogain_loss": "infogain_loss_param"}, "source"),
    "scale": ({_ANY: "transform_param"}, "scale"),
    "meanfile": ({_ANY: "transform_param"}, "mean_file"),
    "batchsize": (_BATCHED, "batch_size"),
    "cropsize": ({_ANY: "transform_param"}, "crop_size"),
    "mirror": ({_ANY: "transform_param"}, "mirror"),
    "rand_skip": ({"data": "data_param", **_IMAGES}, "rand_skip"),
    "shuffle_images": (_IMAGES, "shuffle"),
    "new_height": (_IMAGES, "new_height"),
    "new_width": (_IMAGES, "new_width"),
    "concat_dim": ({"concat": "concat_param"}, "concat_dim"),
    "det_fg_threshold": (_WINDOW, "fg_threshold"),
    "det_bg_threshold": (_WINDOW, "bg_threshold"),
    "det_fg_fraction": (_WINDOW, "fg_fraction"),
    "det_context_pad": (_WINDOW, "context_pad"),
    "det_crop_mode": (_WINDOW, "crop_mode"),
    "hdf5_output_param": ({"hdf5_output": "hdf5_output_param"}, ""),
}
"""V0 field -> (by V0 type, the message it goes to; its name there)."""

Where = Callable[..., Location | None]


def upgrade_v0(message: Any, where: Where) -> list[str]:
    """Turn every V0 layer of a NetParameter into a V1 layer and fold padding layers into what they feed."""
    count = sum(layer.HasField("layer") for layer in message.layers)
    if not count:
        return []
    _check_types(message, where)
    notes = _padding(message, where)
    dropped: list[str] = []
    for layer in message.layers:
        if layer.HasField("layer"):
            _layer(layer, dropped)
    notes.insert(0, f"{counted(count, 'V0 layer')} (`layers {{ layer }}`) rewritten as `layer`")
    if dropped:
        notes.append(f"V0 fields without meaning in their layer were dropped: {', '.join(dropped)}")
    return notes


def _check_types(message: Any, where: Where) -> None:
    problems = []
    for index, layer in enumerate(message.layers):
        kind = layer.layer.type
        if layer.HasField("layer") and kind not in V0_TYPES and kind != "padding":
            near = did_you_mean(kind, V0_TYPES)
            problems.append(
                Problem(
                    f"unknown layer type in V0 layer `{layer.layer.name}`",
                    where("layers", index, "layer", "type"),
                    f'type: "{kind}"',
                    f'did you mean "{near}"?' if near else f"known V0 types: {', '.join(V0_TYPES)}, padding",
                )
            )
    if problems:
        raise UserError(problems)


def _padding(message: Any, where: Where) -> list[str]:
    """Give the layers that read a padding layer its `pad` and its bottom, and delete the padding layers."""
    maker: dict[str, int] = {}
    folded: list[int] = []
    for index, layer in enumerate(message.layers):
        for position, blob in enumerate(layer.bottom):
            source = message.layers[maker[blob]] if blob in maker else None
            if source is None or source.layer.type != "padding":
                continue
            alone = len(layer.bottom) == len(source.bottom) == len(source.top) == 1
            if layer.layer.type not in _CONV_POOL or not alone:
                raise UserError(
                    f"padding layer `{source.layer.name}` feeds layer `{layer.layer.name}`, which cannot pad",
                    where=where("layers", index),
                    received=f'type: "{layer.layer.type}" with {counted(len(layer.bottom), "bottom")}',
                    remedy="let a padding layer with one bottom and one top feed `conv` or `pool` layers only",
                )
            layer.layer.pad = source.layer.pad
            layer.bottom[position] = source.bottom[0]
        if layer.layer.type == "padding":
            folded.append(index)
        maker.update((top, index) for top in layer.top)
    for index in reversed(folded):
        del message.layers[index]
    if not folded:
        return []
    return [f"{counted(len(folded), 'padding layer')} became `pad` of the layers above"]


def _layer(layer: Any, dropped: list[str]) -> None:
    old = layer.layer
    types = descriptor("V1LayerParameter").enum_types_by_name["LayerType"].values_by_name
    if old.HasField("name"):
        layer.name = old.name
    layer.type = types[V0_TYPES[old.type]].number
    for name in ("blobs", "blobs_lr", "weight_decay"):
        getattr(layer, name).MergeFrom(getattr(old, name))
    for field, value in old.ListFields():
        if field.name not in FIELDS:
            continue
        targets, name = FIELDS[field.name]
        target = targets.get(old.type) or targets.get(_ANY)
        if target is None:
            dropped.append(f"`{field.name}` of `{old.name}` ({old.type})")
            continue
        _assign(getattr(layer, target), name, value)
    layer.ClearField("layer")


def _assign(target: Any, name: str, value: Any) -> None:
    if not name:
        target.MergeFrom(value)
        return
    field = target.DESCRIPTOR.fields_by_name[name]
    if field.is_repeated:
        getattr(target, name).append(value)
    elif field.message_type:
        getattr(target, name).CopyFrom(value)
    else:
        setattr(target, name, value)
