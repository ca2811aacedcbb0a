"""What a cell of the table does: made-up weights, the conversion, every blob of the file compared. Imports torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from benchmarks.conversion.subjects import options
from benchmarks.made_up import statistics_of_data
from caffelungo.definition.filter import net_state
from caffelungo.definition.schema import TEST
from caffelungo.deploy import onnx_names, parity, preprocessing_record
from caffelungo.deploy.convert import Examined, convert, examine
from caffelungo.deploy.deploy_net import DeployNet
from caffelungo.deploy.export import Exported
from caffelungo.deploy.exportable_net import fitted, load_weights
from caffelungo.deploy.parity import Parity, Reference, with_all_outputs
from caffelungo.deploy.picture_operators import IMAGE
from caffelungo.errors import RunError, UserError
from caffelungo.inference import picture_input
from caffelungo.net.store import Store
from caffelungo.plan.build_plan import build_plan
from caffelungo.plan.cost import costs
from caffelungo.weights.weights import Weights

Arrays = Mapping[str, NDArray[Any]]
BATCHES = (1, 2, 7)
SPREAD = 50.0
"""How wide the inputs are that are no pictures."""
SQUASHES = ("Softmax", "Sigmoid")
BETWEEN = ("Reshape", "Identity", "Flatten")


def converted(net: Path, weights: Path | None, flags: dict[str, Any], out: Path, values: dict[str, Any]) -> None:
    """Convert, and fill ``values``; UserError and RunError as ``convert``, RunError where the file does not hold."""
    values["step"] = "read"
    found = examine(net, weights, out, options(flags))
    if found.problems or found.net is None or found.part is None:
        raise UserError(found.problems)
    values["step"] = "made-up weights"
    given = load_weights(weights) if weights is not None else made_up(found.net, four_inputs(found))
    values["step"] = "convert"
    made = convert(net, given, out, options(flags))
    values["step"] = "compare"
    values["params"] = sum(one.parameters or 0 for one in costs(found.net.plan))
    values["operators"] = made.operators
    values["mb"] = round(made.size / 1e6, 3)
    values["batches"] = list(BATCHES)
    values["real"] = made.parity.real
    compare(made, found.net, fitted(found.net, given, found.part.definition)[0], values)


def four_inputs(found: Examined) -> Arrays:
    """Random inputs of the net itself, four of each, as its pictures look once they are prepared."""
    assert found.net is not None
    assert found.part is not None
    rng = np.random.default_rng(4)
    if not preprocessing_record.takes_pictures(found.net.inputs):
        return _inputs(found.net, None, 4, rng)
    blob, shape = next(iter(found.net.inputs.items()))
    record = found.wanted.record or preprocessing_record.record_of(found.part.definition)[0]
    noise = _inputs(found.net, IMAGE, 4, rng)[IMAGE]
    return {blob: picture_input.apply(preprocessing_record.completed(record, blob, shape), noise)}


def made_up(net: DeployNet, feeds: Arrays) -> Weights:
    """Weights for ``net`` as msra's filler draws them, slopes and scales that do something, statistics to match."""
    message = type(net.message)()
    message.CopyFrom(net.message)
    for layer in message.layer:
        for name in ("convolution_param", "inner_product_param"):
            if layer.HasField(name):
                param = getattr(layer, name)
                param.weight_filler.Clear()
                param.weight_filler.type = "msra"
                param.bias_filler.Clear()
                param.bias_filler.type, param.bias_filler.std = "gaussian", 0.1
        if layer.type == "Scale":
            layer.scale_param.filler.type, layer.scale_param.filler.min, layer.scale_param.filler.max = (
                "uniform",
                0.7,
                1.3,
            )
            layer.scale_param.bias_filler.type, layer.scale_param.bias_filler.std = "gaussian", 0.1
        if layer.type == "PReLU":
            layer.prelu_param.filler.type, layer.prelu_param.filler.min, layer.prelu_param.filler.max = (
                "uniform",
                0.1,
                0.4,
            )
    plan = build_plan(message, net_state(message, TEST))
    store = Store(plan, seed=1)
    if any(one.layer.type == "BatchNorm" for one in plan.layers):
        statistics_of_data(plan, store, feeds)
    return Weights({name: [np.array(one) for one in blobs] for name, blobs in store.layer_arrays(plan).items()})


def compare(made: Exported, net: DeployNet, arrays: Mapping[Any, Any], values: dict[str, Any]) -> None:
    """Every blob of the file against PyTorch's at each batch, and each sample's answers against the others'."""
    store = Store(net.plan, seed=0)
    store.load(arrays)
    record = made.metadata.record
    blob = next(iter(net.inputs))
    image = made.metadata.input.name if made.metadata.input.takes_pictures else None
    prepare = (lambda feeds: {blob: picture_input.apply(record, feeds[image])}) if image else None
    reference = Reference(net.plan, store, onnx_names.BlobNames(net.plan).of(net.plan), prepare)
    model = made.path.read_bytes()
    logits = _before_squash(onnx.load_model_from_string(model), made.outputs)
    everything = with_all_outputs(model, dict.fromkeys([*reference.names, *logits.values()]))
    rng = np.random.default_rng(5)
    worst: dict[str, float] = {}
    proof = Parity()
    for batch in BATCHES:
        feeds = _inputs(net, image, batch, rng)
        expected, got = reference.run(feeds), everything.run(feeds)
        there = [name for name in expected if name in got and name not in feeds]
        found, wrong = parity.compare(there, expected, got, reference, feeds, f"batch of {batch}", proof)
        if wrong is not None:
            raise RunError(f"blob `{wrong.blob}` differs by {wrong.relative:.2g} of its largest value ({wrong.inputs})")
        for apart in found:
            worst[apart.blob] = max(worst.get(apart.blob, 0.0), apart.relative)
    last = {name for name in worst if name in set(logits.values())} or set(made.outputs) & set(worst)
    first = max(worst, key=lambda name: worst[name])
    own_blobs = {value for value in reference.names if "/" not in value and value not in net.inputs}
    values["blobs"] = len(worst)
    values["folded"] = sorted(own_blobs - set(worst))
    values["logits"] = max((worst[name] for name in last), default=None)
    values["difference"], values["blob"] = worst[first], first
    values["rounded"] = {name: list(pair) for name, pair in proof.rounded.items()}
    values["distinct"] = min(distinct(got[name], got.get(logits.get(name, name))) for name in made.outputs)


def _inputs(net: DeployNet, image: str | None, batch: int, rng: np.random.Generator) -> dict[str, NDArray[Any]]:
    """Random inputs of a file; ``image``: the input that takes pictures, where there is one."""
    if image:
        _, colors, height, width = next(iter(net.inputs.values()))
        return {image: rng.integers(0, 256, (batch, height, width, colors), dtype=np.uint8)}
    return {
        blob: (SPREAD * rng.standard_normal((batch, *shape[1:]))).astype(np.float32)
        for blob, shape in net.inputs.items()
    }


def _before_squash(model: onnx.ModelProto, outputs: list[str]) -> dict[str, str]:
    """Output -> the tensor that its Softmax or Sigmoid reads."""
    makers = {name: node for node in model.graph.node for name in node.output}
    found = {}
    for output in outputs:
        name, node = output, makers.get(output)
        while node is not None and node.op_type in (*SQUASHES, *BETWEEN):
            name = node.input[0]
            if node.op_type in SQUASHES:
                found[output] = name
                break
            node = makers.get(name)
    return found


def distinct(answers: NDArray[Any], logits: NDArray[Any] | None) -> float:
    """How far the two samples are apart whose answers are most alike, as a share of the largest value.

    Where a softmax saturates its input tells them apart.
    """
    nearest = 0.0
    for values in (answers, logits):
        if values is None:
            continue
        rows = values.reshape(len(values), -1).astype(np.float64)
        largest = float(np.abs(rows).max()) or 1.0
        apart = [float(np.abs(rows[i] - rows[j]).max()) for i in range(len(rows)) for j in range(i)]
        nearest = max(nearest, min(apart, default=0.0) / largest)
    return nearest
