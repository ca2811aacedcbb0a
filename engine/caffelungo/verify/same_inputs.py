"""Two nets on one set of inputs: their data layers become Inputs of the same shapes, filled with the same values.

    before:  Data "data", "label" -> conv1 ...        Input "data" -> conv1 ...
    after:   Input "data" (N x 3 x 227 x 227), "label" (N) -> conv1 ...      and the same for the other net

Values are the data of the first net where it can be opened, pictures of a folder, or made up: noise as pixels, brought
to the numbers the net is used to (normal numbers where its weights are made up, too: larger ones would only saturate a
softmax), and class numbers below both nets' numbers of classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caffelungo import shell
from caffelungo.data import shapes_from_data as data_shapes
from caffelungo.definition.definition import Definition
from caffelungo.definition.filter import included, net_state
from caffelungo.definition.schema import LayerParameter, Preprocessing
from caffelungo.deploy import preprocessing_record
from caffelungo.errors import Location, UserError
from caffelungo.inference import picture_input
from caffelungo.layers.base import Shape, shape_text
from caffelungo.plan.build_plan import build_plan
from caffelungo.plan.plan import Plan, PlannedLayer
from caffelungo.weights.weights import Weights
from caffelungo.wording import counted

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Wanted:
    """What to feed: pictures of the folder ``data``, ``random`` made-up samples, or (neither) the net's own data.

    ``shapes`` are inputs' shapes without the batch, where the files leave them open.
    """

    data: str | None = None
    random: int | None = None
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    seed: int = 0


@dataclass
class Fed:
    """Both plans over Inputs, the tensors' values by top, what they are, and what else is to be known."""

    before: Plan
    after: Plan
    values: dict[str, Array]
    renamed: dict[str, str]
    """Top of the later net -> top of the earlier one, where an input has another name."""
    description: str = ""
    notices: list[str] = field(default_factory=list)


SAMPLES = 4
"""Made-up samples, where their number is not given."""


def feed(before: Definition, after: Definition, phase: int, wanted: Wanted, weights: Weights | None) -> Fed:
    """Both nets with the same inputs; UserError where a size is given nowhere or a net has mistakes."""
    plans = [_plan(one, phase) for one in (before, after)]
    notices: list[str] = []
    own = _own(before, phase, notices) if wanted.data is None and wanted.random is None else None
    found = picture_input.picture_files([wanted.data], wanted.random or SAMPLES) if wanted.data is not None else []
    if wanted.data is not None and not found:
        raise UserError(
            "there are no pictures in this folder",
            where=Location(wanted.data),
            remedy="name a folder of pictures, or use --random 4",
        )
    batch = len(found) or wanted.random or SAMPLES
    if own is not None:
        batch = min(len(array) for array in own.values())
    known = {top: array.shape[1:] for top, array in own.items()} if own is not None else data_shapes.in_files(before)
    wanted = replace(wanted, shapes={**known, **wanted.shapes})
    shapes = _shapes(before, plans[0], plans[1], wanted, weights, batch)
    if own is not None:
        shapes = {top: own[top].shape if top in own else shape for top, shape in shapes.items()}
    renamed = _renamed(plans[0], plans[1])
    other = _shapes(after, plans[1], plans[0], wanted, weights, batch)
    for top in other:
        old = renamed.get(top, top)
        if old in shapes:
            if other[top][1:] != shapes[old][1:]:
                notices.append(
                    f"compared at {shape_text(shapes[old][1:])}, the size of `{old}` before; after it is "
                    f"{shape_text(other[top][1:])}"
                )
            other[top] = shapes[old]
    fed = Fed(_with_inputs(before, phase, shapes), _with_inputs(after, phase, other), {}, renamed, "", notices)
    fed.values = _values(fed, before, after, shapes | {t: s for t, s in other.items() if t not in renamed}, wanted,
                         weights, found, own)  # fmt: skip
    if own is not None:
        fed.description = f"{counted(batch, 'sample')} of the net's own data"
    elif found:
        fed.description = f"{counted(batch, 'picture')} of {wanted.data}"
    else:
        fed.description = f"{batch} random samples"
    return fed


def _plan(definition: Definition, phase: int) -> Plan:
    return build_plan(definition.message, net_state(definition.message, phase), where=definition.where)


def _own(before: Definition, phase: int, notices: list[str]) -> dict[str, Array] | None:
    """The first samples of the net's own data; None where it has none, or it cannot be opened."""
    import torch

    from caffelungo.solve.engine import Engine
    from caffelungo.solve.feed import Feed
    from caffelungo.solve.nets import from_definition, open_net_with_data

    state = net_state(before.message, phase)
    types = {layer.type for layer in before.message.layer if included(layer, state)}
    if not types & {"Data", "ImageData", "HDF5Data"}:
        return None
    try:
        opened = open_net_with_data(from_definition(before), state, shuffle=False)
        tensors = Feed(opened, Engine(torch.device("cpu"))).one(0)
    except UserError as error:
        notices.append(f"the data of {before.path} cannot be opened ({error.problems[0].what}): inputs are random")
        return None
    tops = [top for source in opened.sources for top in source.names]
    return {top: tensor[:SAMPLES].float().numpy() for top, tensor in zip(tops, tensors, strict=True)}


def _renamed(before: Plan, after: Plan) -> dict[str, str]:
    """The one picture that each net takes is the same input, whatever it is called."""
    tops = [
        [top for one in plan.sources for top, shape in zip(one.tops, one.top_shapes, strict=True) if _pictures(shape)]
        for plan in (before, after)
    ]
    if len(tops[0]) == len(tops[1]) == 1 and tops[0] != tops[1]:
        return {tops[1][0]: tops[0][0]}
    return {}


def _pictures(shape: Shape | None) -> bool:
    return shape is None or len(shape) == 4


def _shapes(
    definition: Definition, plan: Plan, other: Plan, wanted: Wanted, weights: Weights | None, batch: int
) -> dict[str, tuple[int, ...]]:
    """The shape of every source's tops, with ``batch``; what the file leaves open as the other net, or the weights."""
    elsewhere = {top: shape for one in other.sources for top, shape in zip(one.tops, one.top_shapes, strict=True)}
    result: dict[str, tuple[int, ...]] = {}
    for source in plan.sources:
        for position, (top, known) in enumerate(zip(source.tops, source.top_shapes, strict=True)):
            if top in wanted.shapes:
                result[top] = (batch, *wanted.shapes[top])
                continue
            sizes = list(known if known is not None else elsewhere.get(top) or (None, None, None, None))
            if known is None and position == 1 and top not in elsewhere:
                sizes = [None]
            there = elsewhere.get(top)
            if there is not None and len(there) == len(sizes):
                sizes = [mine or its for mine, its in zip(sizes, there, strict=True)]
            if len(sizes) == 4 and not sizes[1]:
                sizes[1] = _channels(plan, source, position, weights)
            if len(sizes) == 4 and not (sizes[2] and sizes[3]):
                crop = _crop(definition, top)
                sizes[2:] = [sizes[2] or crop, sizes[3] or crop]
            sizes[:1] = [batch] if sizes else []
            if any(not size for size in sizes):
                raise UserError(
                    f"the size of input `{top}` is unknown: layer `{source.name}` ({source.layer.type}) takes it "
                    "from the data",
                    where=definition.where("layer", source.index),
                    received=shape_text(tuple(sizes)),
                    remedy=f"set it, without the batch: --shape {shell.word(f'{top}:3x227x227')}",
                )
            result[top] = tuple(int(size) for size in sizes if size)
    return result


def _crop(definition: Definition, top: str) -> int | None:
    """What training cuts out, where this phase's data layer says nothing."""
    crops = [layer.transform_param.crop_size for layer in definition.message.layer if top in layer.top]
    return max(crops, default=0) or None


def _channels(plan: Plan, source: PlannedLayer, position: int, weights: Weights | None) -> int:
    """As many as the first convolution's weights read, or as there are mean values; else a colour picture's."""
    for reader in plan.consumers(source.top_values[position]):
        blobs = weights.layers.get(reader.name, []) if weights is not None else []
        if reader.layer.type == "Convolution" and blobs and blobs[0].ndim == 4:
            return int(blobs[0].shape[1] * reader.layer.options.group)
    transform = source.layer.param.transform_param
    count = len(transform.mean_value)
    return 1 if transform.force_gray else count if count > 1 else 3


def _with_inputs(definition: Definition, phase: int, shapes: Mapping[str, tuple[int, ...]]) -> Plan:
    """The plan of ``definition`` with an Input in the place of each source; layers keep their places."""
    message = type(definition.message)()
    message.CopyFrom(definition.message)
    state = net_state(message, phase)
    for planned in _plan(definition, phase).sources:
        layer = LayerParameter(name=planned.name, type="Input", top=list(planned.tops))
        for top in planned.tops:
            layer.input_param.shape.add(dim=shapes[top])
        layer.include.extend(message.layer[planned.index].include)
        message.layer[planned.index].CopyFrom(layer)
    return build_plan(message, state, where=definition.where)


def _values(
    fed: Fed, before: Definition, after: Definition, shapes: Mapping[str, tuple[int, ...]], wanted: Wanted,
    weights: Weights | None, files: list[Any], own: dict[str, Array] | None,
) -> dict[str, Array]:  # fmt: skip
    """An array for every top."""
    rng = np.random.default_rng(wanted.seed)
    record = _record(before, after, weights)
    result: dict[str, Array] = {}
    classes = [found for plan in (fed.before, fed.after) for found in [_classes(plan)]]
    for top, shape in shapes.items():
        limits = [limit[top] for limit in classes if top in limit]
        if own is not None and top in own:
            result[top] = own[top] % min(limits) if limits else own[top]
        elif limits:
            result[top] = rng.integers(0, max(1, min(limits)), shape).astype(np.float32)
        elif len(shape) == 4 and shape[1] in (1, 3) and (files or weights is not None):
            result[top] = _images(record, top, shape, files, rng)
        elif len(shape) == 1:
            result[top] = np.zeros(shape, np.float32)
        else:
            result[top] = rng.normal(0, 1, shape).astype(np.float32)
    return result


def _classes(plan: Plan) -> dict[str, int]:
    """Tops that are read as class numbers -> how many classes their readers know."""
    made = {value: top for one in plan.sources for top, value in zip(one.tops, one.top_values, strict=True)}
    result: dict[str, int] = {}
    for one in plan.layers:
        for position in one.layer.labels:
            shape = one.bottom_shapes[0] if one.bottom_shapes else None
            if position < len(one.bottom_values) and shape is not None and len(shape) > 1 and shape[1]:
                top = made.get(one.bottom_values[position])
                if top is not None:
                    result[top] = min(result.get(top, shape[1]), shape[1])
    return result


def _record(before: Definition, after: Definition, weights: Weights | None) -> Any:
    """How pictures become numbers: as either net's data layer says, or the weights; None where nothing tells."""
    for definition in (before, after):
        if preprocessing_record.data_layer(definition) is not None:
            try:
                record, _ = preprocessing_record.record_of(definition)
            except UserError:  # a mean file that is not there
                continue
            if record is not None:
                return record
    extras = weights.extras if weights is not None else None
    return extras.preprocessing if extras is not None and extras.HasField("preprocessing") else None


def _images(record: Any, top: str, shape: tuple[int, ...], files: list[Any], rng: np.random.Generator) -> Array:
    """Pictures, or noise between black and white, as the numbers that the net is used to."""
    try:
        record = preprocessing_record.completed(record, top, shape)
    except UserError:  # made for another size: only what it says of values counts
        bare = Preprocessing()
        bare.CopyFrom(record)
        for name in ("resize_height", "resize_width", "resize_shorter", "crop_height", "crop_width"):
            bare.ClearField(name)
        if len(bare.mean_image):
            bare.ClearField("mean_image")
            bare.ClearField("mean_image_shape")
        record = preprocessing_record.completed(bare, top, shape)
    if files:
        pixels = np.stack([picture_input.fitted(record, path, *shape[2:]) for path in files])
    else:
        pixels = rng.integers(0, 256, (shape[0], *shape[2:], shape[1]), np.uint8)
    return np.ascontiguousarray(picture_input.apply(record, pixels), np.float32)
