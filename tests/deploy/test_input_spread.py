"""A proof on inputs of the net's own range lets float32's rounding pass and no fault of a thousandth."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import numpy_helper

from caffelungo.definition.reader import parse_net
from caffelungo.deploy.input_spread import MOST, usual_spread
from caffelungo.deploy.onnx_names import BlobNames
from caffelungo.deploy.parity import Feeds, Reference, prove
from caffelungo.deploy.trace import trace
from caffelungo.errors import RunError
from caffelungo.net.store import Store
from caffelungo.weights import match_layers
from tests.deploy.nets import plan_of, random_weights

NET = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 5 dim: 9 dim: 8 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" convolution_param { num_output: 6 kernel_size: 3 } }
layer { name: "bn" type: "BatchNorm" bottom: "conv" top: "bn" }
layer { name: "clip" type: "Clip" bottom: "bn" top: "clip" clip_param { min: 0 max: 6 } }
layer { name: "pool" type: "Pooling" bottom: "clip" top: "pool"
  pooling_param { pool: AVE kernel_size: 3 stride: 2 pad: 1 } }
layer { name: "fc" type: "InnerProduct" bottom: "pool" top: "fc" inner_product_param { num_output: 4 } }
"""


@pytest.fixture(scope="module")
def proven() -> tuple[bytes, Reference, float]:
    plan = plan_of(parse_net(NET).message)
    arrays = match_layers.match(plan, random_weights(NET)).arrays
    store = Store(plan, seed=0)
    store.load(arrays)
    reference = Reference(plan, store, BlobNames(plan).of(plan))
    model = ir.to_proto(trace(plan, store, list(plan.outputs), opset=20).model).SerializeToString()
    return model, reference, usual_spread(reference, arrays, {"data": (1, 5, 9, 8)})


def inputs(spread: float) -> Callable[[int, np.random.Generator], Feeds]:
    return lambda batch, rng: {"data": (spread * rng.standard_normal((batch, 5, 9, 8))).astype(np.float32)}


def weights_off(name: str, factor: float) -> Callable[[Any], None]:
    def change(model: Any) -> None:
        tensor = next(one for one in model.graph.initializer if one.name == name)
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) * np.float32(factor), name))

    return change


def one_weight_off(model: Any) -> None:
    tensor = next(one for one in model.graph.initializer if one.name == "conv.weight")
    array = numpy_helper.to_array(tensor).copy()
    array.flat[np.abs(array).argmax()] *= 1.01
    tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))


def other_operator(model: Any) -> None:
    pool = next(node for node in model.graph.node if node.op_type == "AveragePool")
    next(one for one in pool.attribute if one.name == "count_include_pad").i ^= 1


def test_the_net_itself_is_proven(proven: tuple[bytes, Reference, float]) -> None:
    model, reference, spread = proven
    proof = prove(model, reference, random=inputs(spread))
    assert not proof.rounded
    assert proof.worst_blob is not None
    assert proof.worst_blob.relative < 1e-5


@pytest.mark.parametrize(
    "fault",
    [weights_off("conv.weight", 1.001), weights_off("fc.weight", 0.999), weights_off("fc.bias", 1.005), one_weight_off,
     other_operator],
    ids=["kernel", "matrix", "bias", "one weight", "operator"],
)  # fmt: skip
@pytest.mark.parametrize("wide", [1, 50], ids=["own range", "too wide"])
def test_a_fault_of_a_thousandth_is_found(
    proven: tuple[bytes, Reference, float], fault: Callable[[Any], None], wide: float
) -> None:
    data, reference, spread = proven
    model = onnx.load_model_from_string(data)
    fault(model)
    with pytest.raises(RunError, match=r"(?s)disagree from .*`data` from -.* to .*--scale") as raised:
        prove(model.SerializeToString(), reference, random=inputs(wide * spread))
    assert "most in `" in str(raised.value)


@pytest.mark.parametrize("wide", [0.25, 1.0, 40.0, 1e6])
def test_the_range_is_what_the_first_statistics_say(wide: float) -> None:
    """A kernel that sums 2 of its inputs makes of a spread of 1 one of sqrt(2), whatever its bias."""
    text = NET[: NET.index('layer { name: "clip"')]
    plan = plan_of(parse_net(text).message)
    arrays = match_layers.match(plan, random_weights(text)).arrays
    arrays["conv", 0][:] = 0
    arrays["conv", 0][:, :2, 1, 1] = 1
    arrays["bn", 1][:], arrays["bn", 2][:] = 3 * 2 * wide**2, 3
    store = Store(plan, seed=0)
    store.load(arrays)
    reference = Reference(plan, store, BlobNames(plan).of(plan))
    found = usual_spread(reference, arrays, {"data": (64, 5, 9, 8)})
    assert found == pytest.approx(min(wide, MOST), rel=0.15)
