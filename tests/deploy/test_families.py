"""The graph of every family is the one a person would write: one operator a layer, none more, each with its shape."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import onnx
import onnx_ir as ir
import onnxruntime
import pytest

from caffelungo.definition import catalogue
from caffelungo.definition.filter import net_state
from caffelungo.definition.reader import Definition, read_net
from caffelungo.definition.schema import TEST
from caffelungo.deploy import preprocessing_record
from caffelungo.deploy.deploy_net import deploy_net
from caffelungo.deploy.export import export
from caffelungo.deploy.exportable_net import fitted
from caffelungo.deploy.fold_batch_norm import fold_batch_norm
from caffelungo.deploy.options import ExportOptions
from caffelungo.deploy.picture_operators import Front
from caffelungo.deploy.trace import trace
from caffelungo.net.store import Store
from caffelungo.plan.build_plan import build_plan
from tests.deploy.nets import msra_weights, shipped


@dataclass(frozen=True)
class Family:
    """``operators`` of the graph that takes blobs, as counted by hand; ``inside``: what pictures cost more."""

    net: str
    operators: dict[str, int]
    inside: dict[str, int]
    recipe: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    narrow: bool = False
    slow: bool = True


MEAN = {"Transpose": 1, "Gather": 1, "Cast": 1, "Sub": 1}
"""Height x width x RGB bytes to BGR planes of numbers, less the mean."""

# Five convolutions (conv2, 4 and 5 in two groups), their ReLUs and those of fc6 and fc7, two local normalizations.
CAFFENET = {"Conv": 5, "Relu": 7, "MaxPool": 3, "LRN": 2, "Flatten": 1, "Gemm": 3, "Softmax": 1}

FAMILIES = {
    "lenet": Family(
        "lenet", {"Conv": 2, "MaxPool": 2, "Flatten": 1, "Gemm": 2, "Relu": 1, "Softmax": 1},
        {"Transpose": 1, "Cast": 1, "Mul": 1}, slow=False,
    ),
    "caffenet": Family("caffenet", CAFFENET, MEAN),
    "caffenet, narrow": Family("caffenet", CAFFENET, MEAN, narrow=True),
    # 3 convolutions before, 6 in each of 9 inception modules, whose pools are 9 of 13; classifiers on the way are gone.
    "googlenet": Family(
        "googlenet",
        {"Conv": 3 + 9 * 6, "Relu": 3 + 9 * 6, "MaxPool": 4 + 9, "LRN": 2, "Concat": 9, "GlobalAveragePool": 1,
         "Flatten": 1, "Gemm": 1, "Softmax": 1},
        MEAN,
    ),
    # 16 blocks of 3 convolutions, 4 of them with one in the shortcut; all BatchNorm and Scale is in the convolutions.
    "resnet50": Family(
        "resnet50",
        {"Conv": 1 + 16 * 3 + 4, "Relu": 1 + 16 * 3, "Add": 16, "MaxPool": 1, "GlobalAveragePool": 1, "Flatten": 1,
         "Gemm": 1, "Softmax": 1},
        MEAN,
    ),
    # 8 fire modules of 3 convolutions, one before and one, the classifier, behind.
    "squeezenet": Family(
        "squeezenet1.1",
        {"Conv": 2 + 8 * 3, "Relu": 2 + 8 * 3, "Concat": 8, "MaxPool": 3, "GlobalAveragePool": 1, "Softmax": 1},
        MEAN, slow=False,
    ),
    # 13 pairs of convolutions, one before and one, the classifier, behind.
    "mobilenet": Family(
        "mobilenet", {"Conv": 2 + 13 * 2, "Relu": 1 + 13 * 2, "GlobalAveragePool": 1, "Softmax": 1},
        {**MEAN, "Mul": 1},
    ),
}  # fmt: skip


def grown(base: dict[str, int], layers: int, normalized: int, joins: int) -> dict[str, int]:
    """``base`` with further fully connected layers and their ReLUs, groups at one length each, and joins of groups."""
    more = Counter(base) + Counter({"Gemm": layers, "Relu": layers, "Concat": joins})
    # x / sqrt(sum of squares + eps) * scale
    return dict(more + Counter(dict.fromkeys(("ReduceSumSquare", "Add", "Sqrt", "Div", "Mul"), normalized)))


for recipe, operators in {
    "wider": grown(CAFFENET, layers=1, normalized=2, joins=1),
    "joint": grown(CAFFENET, layers=2, normalized=3, joins=1),
    "recursive": grown(CAFFENET, layers=2, normalized=4, joins=2),
}.items():
    FAMILIES[f"caffenet, {recipe}"] = Family("caffenet", operators, MEAN, recipe)
    FAMILIES[f"caffenet, {recipe}, narrow"] = Family(
        "caffenet", operators, MEAN, recipe, {"units": 24}, narrow=True, slow=recipe != "recursive"
    )

LARGE = [name for name, one in FAMILIES.items() if one.net == "caffenet" and not one.narrow]
"""Their graphs are those of the narrow ones; they are written whole."""
GRAPHS = [
    pytest.param(name, marks=pytest.mark.slow) if one.slow else name
    for name, one in FAMILIES.items()
    if name not in LARGE
]
WHOLE = [
    pytest.param(name, marks=pytest.mark.slow) if name != "lenet" else name
    for name, one in FAMILIES.items()
    if not one.narrow
]


def definition_of(family: Family) -> Definition:
    return shipped(family.net, family.recipe, family.settings, family.narrow)


def record_of(family: Family) -> Any:
    """What is done to pictures, as the training net's data layer says."""
    net = catalogue.find(family.net)
    record, _ = preprocessing_record.record_of(read_net(net.train_val, net.variables or None))
    return record


def traced(
    definition: Definition, *, front: Front | None = None, opset: int = 20, free_size: bool = False
) -> onnx.ModelProto:
    """The graph alone, without the proof."""
    net = deploy_net(definition)
    arrays, problems = fitted(net, msra_weights(definition.text), definition)
    assert not problems
    folded = fold_batch_norm(net.message, net.plan, arrays, keep=net.outputs)
    plan = build_plan(folded.message, net_state(folded.message, TEST))
    store = Store(plan, seed=0)
    store.load(folded.arrays)
    made = trace(plan, store, net.outputs, opset=opset, front=front, stands_for=folded.stands_for,
                 free_size=free_size)  # fmt: skip
    return ir.to_proto(made.model)


def counted(model: onnx.ModelProto) -> dict[str, int]:
    return dict(Counter(node.op_type for node in model.graph.node))


def check_names(model: onnx.ModelProto, definition: Definition) -> None:
    """Each layer is one node of its name, or ends in one; the others are called `<layer>/<operator>`."""
    folded = ("Input", "BatchNorm", "Scale", "Dropout")
    layers = {layer.name for layer in definition.message.layer if layer.type not in folded}
    names = [node.name for node in model.graph.node]
    assert len(set(names)) == len(names)
    assert layers <= set(names)
    for node in model.graph.node:
        if node.name.split("/")[0] == "preprocess":
            continue
        assert node.name in layers or node.name.rpartition("/")[0] in layers, node.name
        assert node.name in layers or node.op_type in ("Flatten", "ReduceSumSquare", "Add", "Sqrt", "Div")


def shapes_from_scratch(model: onnx.ModelProto) -> dict[str, list[int | str]]:
    """What ONNX infers, strictly, of the shapes of all that nodes make, told nothing but the inputs'."""
    bare = onnx.ModelProto()
    bare.CopyFrom(model)
    del bare.graph.value_info[:]
    for output in bare.graph.output:
        output.type.tensor_type.ClearField("shape")
    inferred = onnx.shape_inference.infer_shapes(bare, check_type=True, strict_mode=True, data_prop=True).graph
    return {
        value.name: [size.dim_param or size.dim_value for size in value.type.tensor_type.shape.dim]
        for value in (*inferred.value_info, *inferred.output)
        if value.type.tensor_type.HasField("shape")
    }


def said_by_runtime(model: onnx.ModelProto, capfd: pytest.CaptureFixture[str]) -> str:
    """Whatever ONNX's checker, its shape inference and ONNX Runtime, told to warn, print about ``model``."""
    capfd.readouterr()
    onnx.checker.check_model(model, full_check=True)
    onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 2
    options.intra_op_num_threads = 1
    onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    said = capfd.readouterr()
    return said.out + said.err


def check(model: onnx.ModelProto, capfd: pytest.CaptureFixture[str]) -> None:
    """Valid, silent, and every tensor's shape is known, with the batch open."""
    assert said_by_runtime(model, capfd) == ""
    shapes = shapes_from_scratch(model)
    stated = {
        value.name: [size.dim_param or size.dim_value for size in value.type.tensor_type.shape.dim]
        for value in (*model.graph.value_info, *model.graph.output)
    }
    for node in model.graph.node:
        for output in node.output:
            batch, *sizes = shapes[output]
            assert batch == "batch"
            assert all(isinstance(size, int) and size > 0 for size in sizes)
            assert stated.get(output, shapes[output]) == shapes[output]
    assert all(value.type.tensor_type.shape.dim[0].dim_param == "batch" for value in model.graph.input)


@pytest.mark.parametrize("name", GRAPHS)
def test_operators_and_shapes(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    family = FAMILIES[name]
    definition = definition_of(family)
    model = traced(definition)
    assert counted(model) == family.operators
    check_names(model, definition)
    check(model, capfd)


@pytest.mark.parametrize(
    ("name", "layout"),
    [("lenet", "NHWC"), *(pytest.param("mobilenet", layout, marks=pytest.mark.slow) for layout in ("NHWC", "NCHW"))],
)
def test_pictures_inside(name: str, layout: str, capfd: pytest.CaptureFixture[str]) -> None:
    family = FAMILIES[name]
    definition = definition_of(family)
    model = traced(definition, front=Front(record_of(family), layout))
    expected = Counter(family.operators) + Counter(family.inside)
    if layout == "NCHW":
        del expected["Transpose"]
    assert counted(model) == dict(expected)
    check_names(model, definition)
    check(model, capfd)


@pytest.mark.parametrize(
    ("name", "opset"),
    [("lenet", 23), *(pytest.param(*one, marks=pytest.mark.slow) for one in (
        ("lenet", 18), ("squeezenet", 18), ("squeezenet", 23), ("caffenet, recursive, narrow", 18),
        ("caffenet, recursive, narrow", 23)))],
)  # fmt: skip
def test_the_same_operators_in_older_and_newer_opsets(name: str, opset: int, capfd: pytest.CaptureFixture[str]) -> None:
    family = FAMILIES[name]
    model = traced(definition_of(family), front=Front(record_of(family)), opset=opset)
    assert [(one.domain, one.version) for one in model.opset_import] == [("", opset)]
    assert counted(model) == dict(Counter(family.operators) + Counter(family.inside))
    check(model, capfd)


@pytest.mark.slow
def test_the_same_operators_at_any_height_and_width() -> None:
    family = FAMILIES["squeezenet"]
    assert counted(traced(definition_of(family), free_size=True)) == family.operators


@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_file(name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The file that `lungo export` leaves, with its proof on msra weights, takes pictures."""
    family = FAMILIES[name]
    definition = definition_of(family)
    weights = msra_weights(definition.text)
    made = export(definition, weights, tmp_path / "net.onnx", ExportOptions(record=record_of(family)))
    assert made.operators == dict(Counter(family.operators) + Counter(family.inside))
    assert made.parity.batches == (1, 2, 7)
    assert made.parity.worst_blob is not None
    assert made.parity.worst_blob.relative < 1e-4
    assert not made.parity.rounded
    check(onnx.load(made.path), capfd)


def test_these_checks_see_a_stray_initializer_and_a_shape_that_is_not_known(
    capfd: pytest.CaptureFixture[str],
) -> None:
    model = onnx.parser.parse_model(
        """<ir_version: 8, opset_import: ["": 20]> net (float[batch, 3, 4] x) => (float[batch, 12] y)
        <int64[2] rows = {-1, 12}, float[1] stray = {0}> { y = Reshape(x, rows) }"""
    )
    assert "stray" in said_by_runtime(model, capfd)
    assert shapes_from_scratch(model)["y"] != ["batch", 12]
