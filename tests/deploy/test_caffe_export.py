"""Nets go back to Caffe: OpenCV 4's own reader of Caffe files, which knows nothing of ours, gives our answers."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from caffelungo.cli.main import call
from caffelungo.definition.printer import print_net
from caffelungo.definition.reader import parse_net, read_net
from caffelungo.deploy.caffe_export import export_caffe
from caffelungo.deploy.options import ExportOptions
from caffelungo.errors import UserError
from caffelungo.layers import registry
from caffelungo.net.stepwise import StepNet
from caffelungo.net.store import Store
from caffelungo.passes import base
from caffelungo.passes.new_units import UnitOptions
from caffelungo.passes.widen import WidenOptions, widen
from caffelungo.weights import caffemodel, match_layers
from caffelungo.weights.weights import Weights
from tests.deploy.nets import SMALL, TRAIN_VAL, msra_weights, plan_of, random_weights, shipped

NORMS = """
name: "norms"
layer {{ name: "data" type: "Input" top: "data" input_param {{ shape {{ dim: 1 dim: 3 dim: 7 dim: 5 }} }} }}
layer {{ name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param {{ num_output: 6 kernel_size: 3 pad: 1 }} }}
layer {{ name: "norm" type: "Normalize" bottom: "conv" top: "{top}" norm_param {{ {options} }} }}
layer {{ name: "relu" type: "ReLU" bottom: "{top}" top: "relu" }}
"""

FLAT = """
name: "flat"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 5 dim: 5 } } }
layer { name: "fc1" type: "InnerProduct" bottom: "data" top: "fc1" inner_product_param { num_output: 8 } }
layer { name: "norm1" type: "Normalize" bottom: "fc1" top: "norm1"
  norm_param { across_spatial: false channel_shared: false } }
layer { name: "fc2" type: "InnerProduct" bottom: "norm1" top: "fc2" inner_product_param { num_output: 4 } }
layer { name: "prob" type: "Softmax" bottom: "fc2" top: "prob" }
"""

PLAIN = """
name: "plain"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 5 dim: 5 } } }
layer { name: "fc" type: "InnerProduct" bottom: "data" top: "fc" inner_product_param { num_output: 8 } }
layer { name: "relu" type: "ReLU" bottom: "fc" top: "fc" }
layer { name: "fc2" type: "InnerProduct" bottom: "fc" top: "fc2" inner_product_param { num_output: 4 } }
layer { name: "prob" type: "Softmax" bottom: "fc2" top: "prob" }
"""


def ours(text: str, weights: Weights, x: np.ndarray, blob: str) -> np.ndarray:
    plan = plan_of(parse_net(text).message)
    store = Store(plan, seed=0)
    store.load(match_layers.match(plan, weights).arrays)
    net = StepNet(plan, store)
    with torch.no_grad():
        net.forward(torch.from_numpy(x))
    return net.blob(blob).numpy().copy()


def opencv(prototxt: Path, x: np.ndarray, blob: str) -> np.ndarray:
    net = cv2.dnn.readNetFromCaffe(str(prototxt), str(prototxt.with_suffix(".caffemodel")))
    net.setInput(x, "data")
    return np.asarray(net.forward(blob))


def noise(text: str, batch: int) -> np.ndarray:
    shape = plan_of(parse_net(text).message).sources[0].top_shapes[0]
    assert shape is not None
    return (50 * np.random.default_rng(batch).standard_normal((batch, *shape[1:]))).astype(np.float32)


def blotches(text: str, batch: int) -> np.ndarray:
    """Inputs that differ in the large, as pictures do; averaged over the plane, all noise looks alike."""
    x = noise(text, batch) / 10
    coarse = np.random.default_rng(batch).normal(0, 80, (*x.shape[:2], 4, 3)).astype(np.float32)
    for one, rough in zip(x.reshape(-1, *x.shape[2:]), coarse.reshape(-1, 4, 3), strict=True):
        one += cv2.resize(rough, (x.shape[3], x.shape[2]))
    return x


@pytest.mark.parametrize("top", ["norm", "conv"])
@pytest.mark.parametrize(
    "options",
    ["across_spatial: false channel_shared: false", "across_spatial: false", "channel_shared: false eps: 3",
     "across_spatial: true"],
)  # fmt: skip
def test_every_normalize(options: str, top: str, tmp_path: Path) -> None:
    text = NORMS.format(options=options, top=top)
    weights = random_weights(text)
    made = export_caffe(parse_net(text), weights, tmp_path / "out.prototxt")
    written = read_net(made.prototxt).message
    types = registry.layer_types()
    assert all(types[layer.type].bvlc and layer.type not in ("Reduction", "Tile") for layer in written.layer)
    for batch in (1, 2, 7):
        x = noise(text, batch)
        expected = ours(text, weights, x, "relu")
        assert np.abs(expected).max() > 0.01
        apart = np.abs(opencv(made.prototxt, x, "relu") - expected).max()
        assert apart <= 1.5e-6 * np.abs(expected).max(), batch
    assert made.proof.opencv is not None


@pytest.mark.parametrize("text", [FLAT, SMALL], ids=["flat", "small"])
def test_classifiers(text: str, tmp_path: Path) -> None:
    weights = random_weights(text)
    made = export_caffe(parse_net(text), weights, tmp_path / "out.prototxt", ExportOptions(labels=None))
    for batch in (1, 2, 7):
        x = noise(text, batch)
        np.testing.assert_allclose(opencv(made.prototxt, x, "prob"), ours(text, weights, x, "prob"), atol=1e-5)


def test_a_grown_net(tmp_path: Path) -> None:
    grown = base.run(parse_net(PLAIN), [base.step(widen, WidenOptions("fc", UnitOptions(5)))]).definition
    assert sum(layer.type == "Normalize" for layer in grown.message.layer) > 1
    weights = random_weights(grown.text)
    (tmp_path / "net.prototxt").write_text(grown.text)
    caffemodel.write(tmp_path / "net.caffemodel", weights)
    call(["export", "--model", str(tmp_path / "net.prototxt"), "--weights", str(tmp_path / "net.caffemodel"),
          "--format", "caffe", "-o", str(tmp_path / "out.prototxt")])  # fmt: skip
    assert "Normalize" not in (tmp_path / "out.prototxt").read_text()
    x = noise(PLAIN, 3)
    expected = ours(grown.text, weights, x, "prob")
    np.testing.assert_allclose(opencv(tmp_path / "out.prototxt", x, "prob"), expected, atol=2e-6)


BVLC = {
    "Input", "Convolution", "Deconvolution", "InnerProduct", "Pooling", "LRN", "BatchNorm", "Scale", "ReLU", "Dropout",
    "Power", "Eltwise", "Concat", "Softmax",
}  # fmt: skip
"""What the nets below may be made of, all of it in the oldest Caffe that knows Input and in OpenCV 4."""

SHIPPED = [
    ("lenet", "wider", 64), ("lenet", "recursive", 64),
    *(
        pytest.param(net, recipe, 2048, marks=pytest.mark.slow)
        for net, recipe in (
            ("caffenet", "wider"), ("caffenet", "joint"), ("caffenet", "recursive"), ("googlenet", "wider"),
            ("squeezenet1.1", "wider"), ("squeezenet1.1", "joint"), ("squeezenet1.1", "recursive"),
            ("squeezenet1.1", "features"), ("resnet50", "wider"), ("resnet50", "joint"), ("mobilenet", "wider"),
        )
    ),
]  # fmt: skip


@pytest.mark.parametrize(("net", "recipe", "units"), SHIPPED)
def test_grown_nets_at_full_size(net: str, recipe: str, units: int, tmp_path: Path) -> None:
    """Logits, probabilities and every Normalize come out of OpenCV as the definition says, at any batch."""
    definition = shipped(net, recipe, {} if recipe == "features" else {"units": units})
    weights = msra_weights(definition.text)
    made = export_caffe(definition, weights, tmp_path / "out.prototxt")
    written = read_net(made.prototxt)
    assert {layer.type for layer in written.message.layer} <= BVLC
    assert not any(word in made.prototxt.read_text() for word in ("lungo", " norm_param", "lr_mult"))
    assert made.proof.worst_layer is not None
    assert made.proof.worst_layer.relative < 1e-5

    plan = plan_of(definition.message)
    norms = [one for one in plan.layers if one.layer.type == "Normalize"]
    assert norms
    logits = next(one.bottoms[0] for one in plan.layers if one.layer.type == "Softmax")
    last = [one for one in plan.layers if logits in one.tops and not one.layer.source][-1]
    store = Store(plan, seed=0)
    store.load(match_layers.match(plan, weights).arrays)
    ours = StepNet(plan, store)
    theirs = cv2.dnn.readNetFromCaffe(str(made.prototxt), str(made.caffemodel))
    theirs.enableWinograd(False)  # it rounds ten times as much as a plain convolution
    seen = []
    for batch in (1, 2, 7):
        x = blotches(definition.text, batch)
        with torch.no_grad():
            ours.forward(torch.from_numpy(x))
        theirs.setInput(x, "data")
        asked = [*norms, last, next(one for one in plan.layers if one.layer.type == "Softmax")]
        for one, got in zip(asked, theirs.forward([one.name for one in asked]), strict=True):
            expected = ours.data[one.top_values[0]].numpy()
            apart = np.abs(got.reshape(expected.shape) - expected).max()
            assert apart <= 5e-6 * np.abs(expected).max(), (one.name, batch)
        seen += list(ours.data[last.top_values[0]].numpy().reshape(batch, -1))
    assert all(np.abs(one - seen[0]).max() > 0.01 * np.abs(seen[0]).max() for one in seen[1:])


def test_training_files_leave_without_what_only_training_needs(tmp_path: Path) -> None:
    text = TRAIN_VAL.replace(
        'bottom: "label" top: "loss"', 'bottom: "label" top: "loss" lungo { label_smoothing: 0.1 }'
    )
    text = text.replace("num_output: 3 }", 'num_output: 3 weight_filler { type: "xavier" } } param { lr_mult: 3 }')
    options = ExportOptions(labels=["a", "b", "c"])
    made = export_caffe(parse_net(text), random_weights(TRAIN_VAL), tmp_path / "out.prototxt", options)
    written = made.prototxt.read_text()
    for word in ("lungo", "lr_mult", "filler", "DummyData", "Loss", "phase"):
        assert word not in written
    assert made.outputs == ["prob"]
    assert list(caffemodel.read(made.caffemodel).extras.label) == ["a", "b", "c"]
    x = np.random.default_rng(0).standard_normal((2, 3, 9, 9)).astype(np.float32)
    deployed = print_net(read_net(made.prototxt).message)
    np.testing.assert_allclose(
        opencv(made.prototxt, x, "prob"), ours(deployed, caffemodel.read(made.caffemodel), x, "prob"), atol=1e-5
    )


def test_what_caffe_lacks_is_listed_completely(tmp_path: Path) -> None:
    flat = NORMS.format(options="", top="norm").replace(
        'layer { name: "relu"',
        'layer { name: "shape" type: "Reshape" bottom: "norm" top: "shape" '
        "reshape_param { shape { dim: 0 dim: 6 dim: -1 } } }"
        '\nlayer { name: "norm_a" type: "Normalize" bottom: "shape" top: "norm_a" }'
        '\nlayer { name: "norm_b" type: "Normalize" bottom: "norm_a" top: "norm_b" }\nlayer { name: "relu"',
    )
    with pytest.raises(UserError) as raised:
        export_caffe(parse_net(flat), random_weights(flat), tmp_path / "out.prototxt")
    assert [problem.what.split("`")[1] for problem in raised.value.problems] == ["norm_a", "norm_b"]
    assert not list(tmp_path.iterdir())


def test_only_a_prototxt_can_be_written(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"end in \.prototxt"):
        export_caffe(parse_net(SMALL), random_weights(SMALL), tmp_path / "x.onnx")


def test_every_type_of_caffe_s_is_known_to_be_one() -> None:
    """The names in the factory of BVLC's Caffe, master of 2020."""
    theirs = set(FACTORY.split())
    own = {name: cls for name, cls in registry.layer_types().items() if cls.__module__.startswith("caffelungo.")}
    assert {name for name, cls in own.items() if cls.bvlc} == theirs & set(own)
    assert theirs - set(own) == registry.ABSENT


FACTORY = """
AbsVal Accuracy ArgMax BNLL BatchNorm BatchReindex Bias Clip Concat ContrastiveLoss Convolution Crop Data Deconvolution
Dropout DummyData ELU Eltwise Embed EuclideanLoss Exp Filter Flatten HDF5Data HDF5Output HingeLoss Im2col ImageData
InfogainLoss InnerProduct Input LRN LSTM LSTMUnit Log MVN MemoryData MultinomialLogisticLoss PReLU Parameter Pooling
Power Python RNN ReLU Reduction Reshape SPP Scale Sigmoid SigmoidCrossEntropyLoss Silence Slice Softmax SoftmaxWithLoss
Split Swish TanH Threshold Tile WindowData
"""
