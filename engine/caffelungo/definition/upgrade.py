"""Old messages become today's, in place: V0 and V1 layers, data transformations, `input`, BatchNorm, solver_type.

The steps and their order are Caffe's (UpgradeNetAsNeeded, UpgradeSolverAsNeeded). What Caffe aborts on, or drops
with a line in its log, is a UserError or a note here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from caffelungo.definition.schema import LayerParameter, descriptor
from caffelungo.definition.upgrade_v0 import upgrade_v0
from caffelungo.errors import Location, UserError
from caffelungo.wording import counted

Where = Callable[..., Location | None]

V1_TYPES = {
    "NONE": "", "ABSVAL": "AbsVal", "ACCURACY": "Accuracy", "ARGMAX": "ArgMax", "BNLL": "BNLL", "CONCAT": "Concat",
    "CONTRASTIVE_LOSS": "ContrastiveLoss", "CONVOLUTION": "Convolution", "DATA": "Data",
    "DECONVOLUTION": "Deconvolution", "DROPOUT": "Dropout", "DUMMY_DATA": "DummyData",
    "EUCLIDEAN_LOSS": "EuclideanLoss", "ELTWISE": "Eltwise", "EXP": "Exp", "FLATTEN": "Flatten",
    "HDF5_DATA": "HDF5Data", "HDF5_OUTPUT": "HDF5Output", "HINGE_LOSS": "HingeLoss", "IM2COL": "Im2col",
    "IMAGE_DATA": "ImageData", "INFOGAIN_LOSS": "InfogainLoss", "INNER_PRODUCT": "InnerProduct", "LRN": "LRN",
    "MEMORY_DATA": "MemoryData", "MULTINOMIAL_LOGISTIC_LOSS": "MultinomialLogisticLoss", "MVN": "MVN",
    "POOLING": "Pooling", "POWER": "Power", "RELU": "ReLU", "SIGMOID": "Sigmoid",
    "SIGMOID_CROSS_ENTROPY_LOSS": "SigmoidCrossEntropyLoss", "SILENCE": "Silence", "SOFTMAX": "Softmax",
    "SOFTMAX_LOSS": "SoftmaxWithLoss", "SPLIT": "Split", "SLICE": "Slice", "TANH": "TanH",
    "WINDOW_DATA": "WindowData", "THRESHOLD": "Threshold",
}  # fmt: skip
"""V1LayerParameter.LayerType by name -> LayerParameter.type."""

SOLVER_TYPES = {
    "SGD": "SGD",
    "NESTEROV": "Nesterov",
    "ADAGRAD": "AdaGrad",
    "RMSPROP": "RMSProp",
    "ADADELTA": "AdaDelta",
    "ADAM": "Adam",
}
"""SolverParameter.SolverType by name -> SolverParameter.type."""

TRANSFORM_FIELDS = ("scale", "mean_file", "crop_size", "mirror")
TRANSFORM_MESSAGES = {"DATA": "data_param", "IMAGE_DATA": "image_data_param", "WINDOW_DATA": "window_data_param"}
INPUT_RANK = 4


def upgrade_net(message: Any, where: Where | None = None) -> list[str]:
    """Upgrade a NetParameter in place; returns a note for each kind of change, none when it is up to date.

    ``where(*path)`` gives the place of a field of the message as it came, for the UserError that an impossible
    upgrade raises.
    """
    where = where or (lambda *path: None)
    v0 = [layer.HasField("layer") for layer in message.layers]
    notes = upgrade_v0(message, where)
    notes += _transforms(message)
    notes += _v1(message, where, v0.count(False))
    notes += _inputs(message, where)
    notes += _batch_norms(message)
    return notes


def upgrade_solver(message: Any, where: Where | None = None) -> list[str]:
    """Upgrade a SolverParameter and the nets written inside it in place; returns notes of what changed."""
    notes = []
    if message.HasField("solver_type"):
        old = descriptor("SolverParameter").enum_types_by_name["SolverType"].values_by_number[message.solver_type].name
        if message.HasField("type"):
            raise UserError(
                "the solver has both `solver_type` and `type`",
                where=where("solver_type") if where else None,
                received=f'solver_type: {old} and type: "{message.type}"',
                remedy="delete the `solver_type` line",
            )
        message.type = SOLVER_TYPES[old]
        message.ClearField("solver_type")
        notes.append(f'`solver_type: {old}` became `type: "{message.type}"`')
    for name in ("net_param", "train_net_param"):
        if message.HasField(name):
            notes += [f"{name}: {note}" for note in upgrade_net(getattr(message, name), _below(where, name))]
    for index, net in enumerate(message.test_net_param):
        notes += [f"test_net_param: {note}" for note in upgrade_net(net, _below(where, "test_net_param", index))]
    return notes


def is_current(message: Any) -> bool:
    """Whether a NetParameter needs no upgrade."""
    return not (message.layers or message.input or any(_learned_statistics(layer) for layer in message.layer))


def _below(where: Where | None, *prefix: str | int) -> Where | None:
    if where is None:
        return None
    return lambda *path: where(*prefix, *path)


def _transforms(message: Any) -> list[str]:
    numbers = descriptor("V1LayerParameter").enum_types_by_name["LayerType"].values_by_name
    messages = {numbers[name].number: field for name, field in TRANSFORM_MESSAGES.items()}
    moved = 0
    for layer in message.layers:
        field = messages.get(layer.type)
        if field is None or not layer.HasField(field):
            continue
        options = getattr(layer, field)
        for name in TRANSFORM_FIELDS:
            if options.HasField(name):
                setattr(layer.transform_param, name, getattr(options, name))
                options.ClearField(name)
                moved += 1
    if not moved:
        return []
    return [f"{counted(moved, 'transformation field')} of data layers moved into `transform_param`"]


def _v1(message: Any, where: Where, count: int) -> list[str]:
    """Turn `layers` into `layer`; ``count`` of them came as V1, the others' note is written by the V0 step."""
    if not message.layers:
        return []
    if message.layer:
        raise UserError(
            "the net has both old `layers` and new `layer` blocks",
            where=where("layers", 0),
            received=f"{len(message.layers)} `layers` and {len(message.layer)} `layer`",
            remedy="write all of them in one form, preferably as `layer`",
        )
    types = descriptor("V1LayerParameter").enum_types_by_name["LayerType"].values_by_number
    shared = _shared_messages()
    for old in message.layers:
        new = message.layer.add(name=old.name, type=V1_TYPES[types[old.type].name])
        if not old.HasField("name"):
            new.ClearField("name")
        for name in ("bottom", "top", "include", "exclude", "loss_weight", "blobs"):
            getattr(new, name).MergeFrom(getattr(old, name))
        _param_specs(old, new)
        for field, _ in old.ListFields():
            if field.name in shared:
                getattr(new, field.name).CopyFrom(getattr(old, field.name))
    message.ClearField("layers")
    if not count:
        return []
    return [f"{counted(count, 'V1 layer')} (`layers`) rewritten as `layer`"]


def _shared_messages() -> frozenset[str]:
    """Names of the option messages that V1LayerParameter and LayerParameter both have."""
    return frozenset(
        field.name
        for field in descriptor("V1LayerParameter").fields
        if field.message_type and not field.is_repeated and field.name in LayerParameter.DESCRIPTOR.fields_by_name
    )


def _param_specs(old: Any, new: Any) -> None:
    modes = {number: value.name for number, value in _share_modes().items()}
    columns = (("name", old.param), ("share_mode", old.blob_share_mode), ("lr_mult", old.blobs_lr))
    for field, values in (*columns, ("decay_mult", old.weight_decay)):
        for index, value in enumerate(values):
            while len(new.param) <= index:
                new.param.add()
            spec = new.param[index]
            setattr(spec, field, getattr(type(spec), modes[value]) if field == "share_mode" else value)


def _share_modes() -> Any:
    return descriptor("V1LayerParameter").enum_types_by_name["DimCheckMode"].values_by_number


def _inputs(message: Any, where: Where) -> list[str]:
    if not message.input:
        return []
    names, shapes, dims = list(message.input), list(message.input_shape), list(message.input_dim)
    notes = []
    if shapes or dims:
        _check_inputs(names, shapes, dims, where)
        layer = LayerParameter(name="input", type="Input", top=names)
        for index in range(len(names)):
            shape = layer.input_param.shape.add()
            if shapes:
                shape.CopyFrom(shapes[index])
            else:
                shape.dim.extend(dims[INPUT_RANK * index : INPUT_RANK * (index + 1)])
        message.layer.insert(0, layer)
        given = "input_shape" if shapes else "input_dim"
        notes.append(f"`input` and `{given}` became the Input layer `input` ({', '.join(names)})")
    else:
        notes.append(f"`input` without a shape was dropped ({', '.join(names)})")
    for field in ("input", "input_shape", "input_dim"):
        message.ClearField(field)
    return notes


def _check_inputs(names: list[str], shapes: list[Any], dims: list[int], where: Where) -> None:
    if shapes and len(shapes) < len(names):
        raise UserError(
            "there are fewer `input_shape` blocks than `input` lines",
            where=where("input", len(shapes)),
            received=f"{len(shapes)} for {len(names)}",
            remedy=f'add `input_shape {{ dim: ... }}` for input "{names[len(shapes)]}"',
        )
    if not shapes and len(dims) < INPUT_RANK * len(names):
        raise UserError(
            f"each `input` needs {INPUT_RANK} `input_dim` lines",
            where=where("input_dim", len(dims) - 1),
            received=f"{len(dims)} for {counted(len(names), 'input')}",
            remedy="write `input_shape { dim: ... }`, which may have any number of dimensions",
        )


def _learned_statistics(layer: Any) -> bool:
    """Whether a BatchNorm layer's three `param` blocks do not all say lr_mult: 0 and decay_mult: 0."""
    return (
        layer.type == "BatchNorm"
        and len(layer.param) == 3
        and any(spec.lr_mult != 0 or spec.decay_mult != 0 for spec in layer.param)
    )


def _batch_norms(message: Any) -> list[str]:
    changed = 0
    for layer in message.layer:
        if _learned_statistics(layer):
            changed += 1
            for spec in layer.param:
                spec.lr_mult = 0
                spec.decay_mult = 0
    if not changed:
        return []
    return [f"{counted(changed, 'BatchNorm layer')}: lr_mult and decay_mult of the statistics set to 0"]
