from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto
from PIL import Image

from caffelungo.deploy import lower_precision
from caffelungo.deploy.fp16 import before_the_net
from caffelungo.deploy.lower_precision import Lowered, PrecisionOptions, check, lower
from caffelungo.errors import RunError, UserError
from caffelungo.inference.classify import Classifier


@pytest.fixture(scope="module")
def photos(classifier_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty pictures, and ``list.txt`` with the class that the float32 file puts first, but for the first five."""
    folder = tmp_path_factory.mktemp("precision")
    rng = np.random.default_rng(0)
    for number in range(30):
        low = rng.integers(0, 256, (3, 3, 3), dtype=np.uint8)
        Image.fromarray(low).resize((14, 17), Image.Resampling.BICUBIC).save(folder / f"{number:02}.png")
    found = Classifier(classifier_file, "cpu").classify([folder])
    lines = [f"{one.name} {one.guesses[1 if place < 5 else 0].index}" for place, one in enumerate(found)]
    (folder / "list.txt").write_text("\n".join(lines))
    return folder


def quick(kind: str, photos: Path) -> PrecisionOptions:
    return PrecisionOptions(kind, [photos], [photos / "list.txt"], threads=1, rounds=2, seconds=0.002)


def test_half_precision(classifier_file: Path, photos: Path, tmp_path: Path) -> None:
    found = lower(classifier_file, tmp_path / "half.onnx", quick("fp16", photos))
    old, new = onnx.load(classifier_file), onnx.load(tmp_path / "half.onnx")
    onnx.checker.check_model(new, full_check=True)
    kinds = {one.name: one.data_type for one in new.graph.initializer}
    assert {kinds[name] for name in ("conv1.weight", "fc/2.weight", "fc3.bias")} == {TensorProto.FLOAT16}
    assert kinds["preprocess.mean"] == TensorProto.FLOAT
    assert [one.type.tensor_type.elem_type for one in new.graph.input] == [TensorProto.UINT8]
    assert [one.type.tensor_type.elem_type for one in new.graph.output] == [TensorProto.FLOAT]
    types = {
        one.name: one.type.tensor_type.elem_type for one in onnx.shape_inference.infer_shapes(new).graph.value_info
    }
    for node in new.graph.node:
        if node.op_type in ("LRN", "Softmax"):
            assert types[node.input[0]] == TensorProto.FLOAT, node.op_type
    makers = {name: node.op_type for node in new.graph.node for name in node.output}
    assert makers["prob"] == "Softmax"  # not rounded on its way out
    assert set(found.apart) == {"prob", "fc3"}  # the logits, too
    assert 0 < max(found.apart.values()) < 1e-2
    assert (found.agreed, found.accuracy) == (1, (25, 25, 30))
    metadata = {entry.key: entry.value for entry in new.metadata_props}
    assert json.loads(metadata["precision"])["precision"] == "fp16"
    assert json.loads(metadata["accuracy"])["right"] == 25
    assert {entry.key for entry in old.metadata_props} < set(metadata)
    one, two = (Classifier(path, "cpu").classify([photos]) for path in (classifier_file, tmp_path / "half.onnx"))
    for left, right in zip(one, two, strict=True):
        assert {guess.label for guess in left.guesses} == {guess.label for guess in right.guesses}


def test_eight_bits(classifier_file: Path, photos: Path, tmp_path: Path) -> None:
    found = lower(classifier_file, tmp_path / "int8.onnx", quick("int8", photos))
    new = onnx.load(tmp_path / "int8.onnx")
    onnx.checker.check_model(new, full_check=True)
    weights = [one for one in new.graph.initializer if one.data_type == TensorProto.INT8 and len(one.dims) == 4]
    assert [list(one.dims) for one in weights] == [[6, 3, 3, 3]]
    assert np.abs(onnx.numpy_helper.to_array(weights[0])).max() <= 64  # seven bits
    assert {"QuantizeLinear", "DequantizeLinear"} < {node.op_type for node in new.graph.node}
    before = before_the_net(onnx.load(classifier_file))
    assert len(before) > 3
    made_of = {node.name: list(node.input) for node in onnx.load(classifier_file).graph.node}
    front = {node.name: list(node.input) for node in new.graph.node if node.name in before}
    assert front == {name: made_of[name] for name in before}  # nothing rounds the picture on its way
    assert 0 < found.apart["fc3"] < 0.35
    assert found.accuracy is not None
    assert found.accuracy[::2] == (25, 30)
    assert found.agreed is not None
    assert found.agreed >= 0.85


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({}, None),
        ({"ratios": {1: (1.1, 1.2, 1.3), 8: (0.6, 0.7, 0.8)}}, "0.70 times as fast at batch 8"),
        ({"ratios": {1: (0.9, 1.2, 1.3)}}, "not clearly faster"),
        ({"sizes": (100, 100)}, "not smaller"),
        ({"accuracy": (90, 88, 100)}, "wrong for 2 more of 100"),
    ],
)
def test_what_is_slower_or_worse_is_no_improvement(changed: dict[str, object], fault: str | None) -> None:
    facts = {"sizes": (100, 50), "accuracy": (90, 91, 100), "ratios": {1: (1.1, 1.2, 1.3)}, **changed}
    rates = dict.fromkeys(facts["ratios"], (10.0, 12.0))  # type: ignore[call-overload]
    found = Lowered("int8", "cpu", apart={"prob": 0.1}, pictures=100, agreed=0.99, rates=rates, **facts)  # type: ignore[arg-type]
    last = found.lines()[-1]
    if fault is None:
        assert last == "an improvement over fp32 on cpu: smaller and faster"
    else:
        assert last.startswith("no improvement over fp32 on cpu: ")
        assert fault in last


def test_a_failing_proof_names_the_first_blob_and_leaves_no_file(
    classifier_file: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = lower_precision.halved

    def broken(model: onnx.ModelProto) -> onnx.ModelProto:
        made = real(model)
        for tensor in made.graph.initializer:
            if tensor.name == "fc/2.weight":
                tensor.CopyFrom(onnx.numpy_helper.from_array(-onnx.numpy_helper.to_array(tensor), tensor.name))
        return made

    monkeypatch.setattr(lower_precision, "halved", broken)
    with pytest.raises(RunError, match="the first blob beyond that is `fc2") as caught:
        lower(classifier_file, tmp_path / "half.onnx", quick("fp16", photos))
    assert "keep fp32" in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_wrong_options(classifier_file: Path, photos: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="unknown precision"):
        check(PrecisionOptions("fp8"))
    with pytest.raises(UserError, match="int8 needs pictures"):
        check(PrecisionOptions("int8"))
    (tmp_path / "cut.png").write_bytes((photos / "00.png").read_bytes()[:60])
    with pytest.raises(UserError, match="picture cannot be read"):
        lower(classifier_file, tmp_path / "o.onnx", PrecisionOptions("int8", [tmp_path / "cut.png"]))
    assert not (tmp_path / "o.onnx").exists()


def test_labels_agree_where_each_is_on_the_same_side_of_its_threshold() -> None:
    model: Any = SimpleNamespace(metadata=SimpleNamespace(thresholds=(0.5, 0.2)))
    old = np.array([[0.9, 0.1], [0.9, 0.1], [0.505, 0.1], [0.001, 0.002]], np.float32)
    new = np.array([[0.8, 0.05], [0.9, 0.3], [0.495, 0.1], [0.002, 0.001]], np.float32)
    assert lower_precision._same(model, old, new).tolist() == [True, False, True, True]
    model.metadata.thresholds = None
    assert lower_precision._same(model, old, new).tolist() == [True, True, True, False]
