"""Each layer that chooses its own ONNX operator: the operator it leaves as, and its numbers against PyTorch's."""

from __future__ import annotations

from itertools import product

import numpy as np
import onnx
import onnx_ir as ir
import pytest
import torch

from caffelungo.definition.reader import parse_net
from caffelungo.deploy.trace import trace
from caffelungo.inference.runtime import open_session
from caffelungo.net.stepwise import StepNet
from caffelungo.net.store import Store
from caffelungo.plan.plan import Plan
from caffelungo.weights import match_layers
from tests.deploy.nets import plan_of, random_weights

INPUT = (
    'layer {{ name: "data" type: "Input" top: "data" input_param {{ shape {{ dim: 1 dim: 6 dim: {} dim: {} }} }} }}\n'
)


def exported(text: str, opset: int = 20) -> tuple[onnx.ModelProto, Plan, Store]:
    plan = plan_of(parse_net(text).message)
    store = Store(plan, seed=0)
    store.load(match_layers.match(plan, random_weights(text)).arrays)
    return ir.to_proto(trace(plan, store, list(plan.outputs), opset=opset).model), plan, store


def check(model: onnx.ModelProto, plan: Plan, store: Store, batch: int = 3, spread: float = 2.0) -> None:
    """Every output equals PyTorch's; a window without input is exactly what PyTorch gives."""
    onnx.checker.check_model(model, full_check=True)
    shape = plan.values[0].shape
    assert shape is not None
    x = np.random.default_rng(2).normal(0, spread, (batch, *(size or 0 for size in shape[1:]))).astype(np.float32)
    net = StepNet(plan, store)
    with torch.no_grad():
        net.forward(torch.from_numpy(x))
    for blob, got in open_session(model.SerializeToString(), "cpu").run({"data": x}).items():
        np.testing.assert_allclose(got, net.blob(blob).numpy(), rtol=2e-5, atol=2e-6, err_msg=blob)


def kinds(model: onnx.ModelProto) -> list[str]:
    return [node.op_type for node in model.graph.node]


def pool(options: str, name: str = "p") -> str:
    return f'layer {{ name: "{name}" type: "Pooling" bottom: "data" top: "{name}" pooling_param {{ {options} }} }}\n'


def pooling(size: tuple[int, int]) -> tuple[str, int]:
    """A net of every pooling of a bottom of ``size`` with small kernels, strides and pads; and how many there are."""
    text, number = INPUT.format(*size), 0
    for kind, kernel, stride, pad, mode in product(
        ("MAX", "AVE"), (1, 2, 3), (1, 2, 3, 4), (0, 1, 2), ("CEIL", "FLOOR")
    ):
        if pad < kernel and kernel <= min(size) + 2 * pad + (stride - 1 if mode == "CEIL" else 0):
            text += pool(
                f"pool: {kind} kernel_size: {kernel} stride: {stride} pad: {pad} round_mode: {mode}", f"p{number}"
            )
            number += 1
    return text, number


@pytest.mark.parametrize("size", [(6, 7), pytest.param((5, 4), marks=pytest.mark.slow), (2, 9)])
def test_every_small_pooling(size: tuple[int, int]) -> None:
    text, number = pooling(size)
    model, plan, store = exported(text)
    check(model, plan, store)
    pools = [node for node in model.graph.node if node.op_type.endswith("Pool")]
    assert len(pools) == number
    assert set(kinds(model)) <= {"MaxPool", "AveragePool", "GlobalMaxPool", "GlobalAveragePool", "Pad"}
    assert not any(attribute.name == "ceil_mode" and attribute.i for node in pools for attribute in node.attribute)


def test_uneven_and_global_pooling() -> None:
    text = INPUT.format(9, 7)
    options = [
        "kernel_h: 3 kernel_w: 2 stride_h: 2 stride_w: 3 pad_h: 1 pad_w: 0",
        "pool: AVE kernel_h: 2 kernel_w: 5 stride_h: 3 stride_w: 2 pad_h: 0 pad_w: 3",
        "pool: AVE kernel_h: 4 kernel_w: 3 stride: 3 pad_h: 2 pad_w: 1",
        "global_pooling: true",
        "pool: AVE global_pooling: true",
    ]
    for number, option in enumerate(options):
        text += pool(option, f"p{number}")
    model, plan, store = exported(text)
    check(model, plan, store)
    assert kinds(model).count("GlobalMaxPool") == kinds(model).count("GlobalAveragePool") == 1


def test_ceil_average_with_padding_is_two_operators() -> None:
    """Zeros inside the padding count in the mean, what lies beyond does not: no one ONNX operator says both."""
    text = pool("pool: AVE kernel_size: 3 stride: 2 pad: 1")
    model, plan, store = exported(INPUT.format(6, 6) + text)
    assert kinds(model) == ["Pad", "AveragePool"]
    check(model, plan, store)
    assert kinds(exported(INPUT.format(7, 7) + text)[0]) == ["AveragePool"]


@pytest.mark.parametrize("kernel", [2, 5])
def test_indices_of_maxima(kernel: int) -> None:
    text = pool(f"kernel_size: {kernel} stride: 2").replace('top: "p"', 'top: "p" top: "at"')
    check(*exported(INPUT.format(6, 4) + text))


def test_windows_larger_than_the_plane() -> None:
    convolution = 'layer {{ name: "{0}" type: "{1}" bottom: "data" top: "{0}" convolution_param {{ {2} }} }}\n'
    text = INPUT.format(2, 4)
    text += convolution.format("conv", "Convolution", "num_output: 4 kernel_size: 3 stride: 2")
    text += convolution.format(
        "wide", "Convolution", "num_output: 3 group: 3 kernel_size: 3 dilation: 3 pad: 1 stride: 4"
    )
    text += convolution.format("patches", "Im2col", "kernel_size: 3 stride: 2")
    text += convolution.format("up", "Deconvolution", "num_output: 4 kernel_size: 5 stride: 3 pad: 2")
    text += pool("kernel_size: 5 stride: 4 pad: 1 pool: AVE", "mean") + pool("kernel_size: 5 stride: 4", "most")
    text += 'layer { name: "n" type: "LRN" bottom: "conv" top: "n" lrn_param { norm_region: WITHIN_CHANNEL } }\n'
    text += 'layer { name: "spp" type: "SPP" bottom: "data" top: "spp" spp_param { pyramid_height: 2 } }\n'
    check(*exported(text))


def test_lrn_is_one_operator() -> None:
    lrn = 'layer { name: "%s" type: "LRN" bottom: "data" top: "%s" lrn_param { %s } }\n'
    text = lrn % ("n", "n", "local_size: 5 alpha: 0.5 beta: 0.75")
    text += lrn % ("m", "m", "local_size: 3 alpha: 2 beta: 0.6 k: 2")
    model, plan, store = exported(INPUT.format(3, 4) + text)
    assert [(node.op_type, node.name) for node in model.graph.node] == [("LRN", "n"), ("LRN", "m")]
    check(model, plan, store)


def test_lrn_within_a_channel() -> None:
    options = "norm_region: WITHIN_CHANNEL local_size: 3 alpha: 2 beta: 0.75"
    model, plan, store = exported(
        INPUT.format(5, 4) + f'layer {{ name: "n" type: "LRN" bottom: "data" top: "n" lrn_param {{ {options} }} }}'
    )
    assert "AveragePool" in kinds(model)
    assert len(kinds(model)) <= 6
    check(model, plan, store)


def test_normalize_is_its_formula() -> None:
    """The eps stands under the root: a vector as small as it comes out as Caffe gives it."""
    text = INPUT.format(3, 2)
    for number, (across, shared) in enumerate(product(("true", "false"), repeat=2)):
        text += (
            f'layer {{ name: "n{number}" type: "Normalize" bottom: "data" top: "n{number}" '
            f"norm_param {{ across_spatial: {across} channel_shared: {shared} }} }}\n"
        )
    model, plan, store = exported(text)
    assert kinds(model) == ["ReduceSumSquare", "Add", "Sqrt", "Div", "Mul"] * 4
    assert [node.name for node in model.graph.node][4::5] == ["n0", "n1", "n2", "n3"]
    for spread in (2.0, 1e-6):
        check(model, plan, store, spread=spread)


def test_normalize_without_eps_is_one_operator_and_a_scale() -> None:
    options = "across_spatial: false channel_shared: false eps: 0"
    model, plan, store = exported(
        INPUT.format(3, 2)
        + f'layer {{ name: "n" type: "Normalize" bottom: "data" top: "n" norm_param {{ {options} }} }}'
    )
    assert kinds(model) == ["LpNormalization", "Mul"]
    check(model, plan, store)


def test_normalize_after_inner_product() -> None:
    fc = 'layer { name: "fc" type: "InnerProduct" bottom: "data" top: "fc" inner_product_param { num_output: 7 } }\n'
    norm = 'layer { name: "n" type: "Normalize" bottom: "fc" top: "n" norm_param { across_spatial: false } }'
    check(*exported(INPUT.format(2, 2) + fc + norm))


def test_batch_norm_that_was_not_folded() -> None:
    model, plan, store = exported(
        INPUT.format(4, 3) + 'layer { name: "bn" type: "BatchNorm" bottom: "data" top: "bn" }'
    )
    assert kinds(model) == ["BatchNormalization"]
    check(model, plan, store)


REST = """
layer { name: "prelu" type: "PReLU" bottom: "data" top: "prelu" }
layer { name: "elu" type: "ELU" bottom: "data" top: "elu" elu_param { alpha: 0.5 } }
layer { name: "leaky" type: "ReLU" bottom: "data" top: "leaky" relu_param { negative_slope: 0.1 } }
layer { name: "sigmoid" type: "Sigmoid" bottom: "data" top: "sigmoid" }
layer { name: "tanh" type: "TanH" bottom: "data" top: "tanh" }
layer { name: "abs" type: "AbsVal" bottom: "data" top: "abs" }
layer { name: "power" type: "Power" bottom: "abs" top: "power" power_param { power: 0.5 scale: 2 shift: 1 } }
layer { name: "bias" type: "Bias" bottom: "data" top: "bias" }
layer { name: "scale" type: "Scale" bottom: "data" top: "scale" scale_param { bias_term: true } }
layer { name: "sum" type: "Eltwise" bottom: "tanh" bottom: "elu" top: "sum" eltwise_param { coeff: 1 coeff: -0.5 } }
layer { name: "prod" type: "Eltwise" bottom: "tanh" bottom: "elu" top: "prod" eltwise_param { operation: PROD } }
layer { name: "max" type: "Eltwise" bottom: "tanh" bottom: "elu" top: "max" eltwise_param { operation: MAX } }
layer { name: "slice" type: "Slice" bottom: "data" top: "one" top: "two" slice_param { slice_point: 2 } }
layer { name: "concat" type: "Concat" bottom: "two" bottom: "one" top: "concat" }
layer { name: "split" type: "Split" bottom: "sigmoid" top: "left" top: "right" }
layer { name: "flat" type: "Flatten" bottom: "data" top: "flat" }
layer { name: "shape" type: "Reshape" bottom: "data" top: "shape" reshape_param { shape { dim: 0 dim: 3 dim: -1 } } }
layer { name: "mean" type: "Reduction" bottom: "data" top: "mean" reduction_param { operation: MEAN axis: 1 } }
layer { name: "up" type: "Deconvolution" bottom: "data" top: "up"
  convolution_param { num_output: 2 kernel_size: 3 stride: 2 pad: 1 } }
layer { name: "dilated" type: "Convolution" bottom: "data" top: "dilated"
  convolution_param { num_output: 4 kernel_size: 2 dilation: 2 group: 2 } }
layer { name: "softmax" type: "Softmax" bottom: "data" top: "softmax" }
layer { name: "drop" type: "Dropout" bottom: "flat" top: "drop" }
"""


def test_bnll_and_mvn_without_what_only_their_gradients_need() -> None:
    text = INPUT.format(5, 4)
    for name, options in {"m": "", "across": "across_channels: true", "centre": "normalize_variance: false"}.items():
        text += f'layer {{ name: "{name}" type: "MVN" bottom: "data" top: "{name}" mvn_param {{ {options} }} }}\n'
    text += 'layer { name: "soft" type: "BNLL" bottom: "data" top: "soft" }\n'
    model, plan, store = exported(text)
    check(model, plan, store, spread=30)
    normalized = ["ReduceMean", "Sub", "Mul", "ReduceMean", "Sqrt", "Add", "Div"]
    assert kinds(model) == [*normalized, *normalized, "ReduceMean", "Sub", "Softplus"]


def test_fully_connected_layers_and_rows() -> None:
    text = INPUT.format(20, 10)
    for name, options in {"plain": "", "turned": "transpose: true", "bare": "bias_term: false"}.items():
        text += (
            f'layer {{ name: "{name}" type: "InnerProduct" bottom: "data" top: "{name}" '
            f"inner_product_param {{ num_output: 40 {options} }} }}\n"
        )
    text += 'layer { name: "flat" type: "Flatten" bottom: "data" top: "flat" }\n'
    text += 'layer { name: "out" type: "ReLU" bottom: "flat" top: "out" }\n'
    model, plan, store = exported(text)
    check(model, plan, store, spread=0.1)
    assert sorted(kinds(model)) == ["Flatten", "Flatten", "Gemm", "Gemm", "Gemm", "Relu"]
    assert [node.name for node in model.graph.node if node.op_type == "Flatten"] == ["plain/flatten", "flat"]


def test_every_other_layer_in_one_net() -> None:
    model, plan, store = exported(INPUT.format(5, 4) + REST)
    check(model, plan, store)
    assert not {"Shape", "If", "Loop", "Constant", "Dropout", "ConstantOfShape"} & set(kinds(model)), kinds(model)
    assert sorted(output.name for output in model.graph.output) == sorted(plan.outputs)


@pytest.mark.parametrize("opset", [18, 23])
def test_other_opsets(opset: int) -> None:
    model, plan, store = exported(INPUT.format(5, 4) + pool("kernel_size: 2 stride: 2"), opset)
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", opset)]
    check(model, plan, store)
