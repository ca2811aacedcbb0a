"""Whatever a blob is called, the net leaves: all that export adds gets a name that is free."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from caffelungo.definition.reader import parse_net
from caffelungo.deploy import proof_inputs, trace
from caffelungo.deploy.convert import convert
from caffelungo.deploy.export import Exported, export
from caffelungo.deploy.fp16 import halved
from caffelungo.deploy.options import ConvertOptions, ExportOptions
from caffelungo.deploy.quantize import quantized
from caffelungo.inference.classify import Classifier
from caffelungo.inference.runtime import open_session
from caffelungo.weights import caffemodel
from tests.deploy.nets import RECORD, SMALL, TRAIN_VAL, random_weights

NET = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 13 dim: 11 } } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
  convolution_param { num_output: 4 kernel_size: 3 } }
layer { name: "bn1" type: "BatchNorm" bottom: "conv1" top: "bn1" }
layer { name: "relu1" type: "ReLU" bottom: "bn1" top: "bn1" }
layer { name: "norm1" type: "MVN" bottom: "bn1" top: "norm1" }
layer { name: "fc/2" type: "InnerProduct" bottom: "norm1" top: "fc2" inner_product_param { num_output: 4 } }
layer { name: "prob" type: "Softmax" bottom: "fc2" top: "prob" }
"""
BLOBS = ("data", "conv1", "bn1", "norm1", "fc2", "prob")


def tensors(model: Any) -> list[str]:
    graph = model.graph
    made = [name for node in graph.node for name in node.output]
    return [one.name for one in (*graph.input, *graph.initializer)] + made


def with_blobs(text: str, renamed: dict[str, str]) -> str:
    """``text`` with blobs called otherwise; layers keep their names."""
    for number, old in enumerate(renamed):
        for field in ("top", "bottom"):
            text = text.replace(f'{field}: "{old}"', f'{field}: "\0{number}"')
    for number, new in enumerate(renamed.values()):
        text = text.replace(f"\0{number}", new)
    return text


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Exported]:
    """Exports ``NET`` with blobs renamed; what PyTorch's exporter makes of the layers, which keep their names, once."""
    path, once = tmp_path_factory.mktemp("names") / "net.onnx", trace._run_exporter
    programs: list[bytes] = []

    class Program:
        def __init__(self) -> None:
            self.model = ir.from_proto(onnx.load_model_from_string(programs[0]))

    def make(renamed: dict[str, str], **options: Any) -> Exported:
        def run(*arguments: Any, **more: Any) -> Any:
            if not programs:
                programs.append(ir.to_proto(once(*arguments, **more).model).SerializeToString())
            return Program()

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(trace, "_run_exporter", run)
            patch.setattr(proof_inputs, "_examples", list)
            text = with_blobs(NET, renamed)
            return export(parse_net(text), random_weights(NET), path, ExportOptions(**options))

    return make


def test_blobs_may_bear_every_name_that_is_added(exported: Callable[..., Exported]) -> None:
    options = {"record": RECORD, "batches": (2,)}
    added = sorted(set(tensors(onnx.load(exported({}, **options).path))) - set(BLOBS))
    assert {"image", "bn1/bn1", "conv1.weight", "fc/2/flatten", "preprocess.mean"} <= set(added)
    for turn in range(len(added)):
        names = {blob: added[(turn + 5 * place) % len(added)] for place, blob in enumerate(BLOBS)}
        made = exported(names, **options)
        model = onnx.load(made.path)
        onnx.checker.check_model(model, full_check=True)
        found = tensors(model)
        assert len(set(found)) == len(found), names
        assert set(names.values()) - set(found) == {names["conv1"]}  # folded away, and nobody else's name
        assert made.outputs == [names["prob"]]
        assert made.metadata.input.name == made.inputs[0] not in names.values()
        told = [note.split("`")[1] for note in made.notes if note.startswith("the net has a blob")]
        assert set(told) <= set(names.values())
        assert (made.inputs == ["image"]) == ("image" not in told) == ("image" not in names.values())


def test_image_of_a_training_file(tmp_path: Path) -> None:
    """The top of a data layer; the file answers pictures."""
    text = with_blobs(TRAIN_VAL, {"data": "image"})
    weights = tmp_path / "w.caffemodel"
    caffemodel.write(weights, random_weights(TRAIN_VAL), None)
    net = tmp_path / "net.prototxt"
    net.write_text(text)
    made = convert(net, weights, tmp_path / "net.onnx", ConvertOptions())
    assert made.inputs == ["image_2"]
    picture = np.random.default_rng(0).integers(0, 256, (9, 9, 3), dtype=np.uint8)
    (found,) = Classifier(made.path).classify([picture])
    plain = export(parse_net(TRAIN_VAL), random_weights(TRAIN_VAL), tmp_path / "plain.onnx", ExportOptions())
    (right,) = Classifier(plain.path).classify([picture])
    assert found.best.probability == pytest.approx(right.best.probability)


def test_names_of_layers(tmp_path: Path) -> None:
    """Layers called as the nodes, the front and the classifier that are added, and two of one name."""
    text = TRAIN_VAL.replace('name: "relu1"', 'name: "preprocess"').replace('"conv1"', '"prob"')
    text = text.replace('name: "fc"', 'name: "fc_prob"').replace('name: "loss"', 'name: "fc/gemm"')
    made = export(parse_net(text), random_weights(text), tmp_path / "net.onnx", ExportOptions())
    nodes = [node.name for node in onnx.load(made.path).graph.node]
    assert len(set(nodes)) == len(nodes)
    assert made.outputs == ["fc/gemm_prob"]
    assert any("`prob` is used in the net" in note for note in made.notes)


@pytest.mark.parametrize("rewrite", [halved, lambda m: quantized(m, [{"image": np.zeros((1, 13, 11, 3), np.uint8)}])])
def test_names_that_lower_precision_adds(tmp_path: Path, rewrite: Callable[[Any], Any]) -> None:
    path = export(parse_net(SMALL), random_weights(SMALL), tmp_path / "a.onnx", ExportOptions(record=RECORD)).path
    model = onnx.load(path)
    plain = rewrite(model)
    added = [name for name in tensors(plain) if name not in tensors(model)]
    inner = ["data", "conv1", "pool1", "norm1", "fc2", "fc3"]
    picture = np.random.default_rng(0).integers(0, 256, (2, 13, 11, 3), dtype=np.uint8)
    (right,) = open_session(plain.SerializeToString()).run({"image": picture}).values()
    for start in range(0, len(added), len(inner)):
        renamed = dict(zip(inner, added[start:], strict=False))
        other = onnx.ModelProto()
        other.CopyFrom(model)
        for node in other.graph.node:
            for names in (node.input, node.output):
                names[:] = [renamed.get(name, name) for name in names]
        for value in other.graph.value_info:
            value.name = renamed.get(value.name, value.name)
        made = rewrite(other)
        onnx.checker.check_model(made, full_check=True)
        (got,) = open_session(made.SerializeToString()).run({"image": picture}).values()
        np.testing.assert_array_equal(got, right)
