from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

from caffelungo import deploy
from caffelungo.definition.reader import parse_net, read_net
from caffelungo.definition.schema import NetParameter, Preprocessing, message_class
from caffelungo.deploy import exportable_net, trace
from caffelungo.deploy.export import Exported, export
from caffelungo.deploy.options import ExportOptions
from caffelungo.errors import RunError, UserError
from caffelungo.inference import metadata, picture_input
from caffelungo.inference.runtime import open_session
from caffelungo.net.stepwise import StepNet
from caffelungo.net.store import Store
from caffelungo.weights import caffemodel, match_layers
from caffelungo.weights.weights import Weights
from tests.deploy.nets import SMALL, TRAIN_VAL, plan_of, random_weights

RECORD = Preprocessing(
    resize_height=15, resize_width=12, crop_height=13, crop_width=11, mean_value=[104, 117, 123], scale=0.0625
)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    out = tmp_path_factory.mktemp("small") / "small.onnx"
    options = ExportOptions(record=RECORD, labels=["a", "b", "ß", "d", "e"], more={"accuracy": "0.5"})
    return export(parse_net(SMALL, "nets/small.prototxt"), random_weights(SMALL), out, options)


def model_of(exported: Exported) -> onnx.ModelProto:
    return onnx.load(exported.path, load_external_data=False)


def test_names(small: Exported) -> None:
    graph = model_of(small).graph
    nodes = [node for node in graph.node if not node.name.startswith("preprocess")]
    assert [(node.op_type, node.name, node.output[0]) for node in nodes] == [
        ("Conv", "conv1", "conv1/conv1"),
        ("Relu", "relu1", "conv1"),
        ("MaxPool", "pool1", "pool1"),
        ("LRN", "norm1", "norm1"),
        ("Flatten", "fc/2/flatten", "fc/2/flatten"),
        ("Gemm", "fc/2", "fc2/fc/2"),
        ("Relu", "relu2", "fc2"),
        ("Gemm", "fc3", "fc3"),
        ("Softmax", "prob", "prob"),
    ]
    assert {"conv1.weight", "conv1.bias", "fc/2.weight", "fc3.bias"} <= {tensor.name for tensor in graph.initializer}
    assert graph.name == "small"
    assert [node.name for node in graph.node if node.name.startswith("preprocess")][-1] == "preprocess"
    assert "data" in {name for node in graph.node for name in node.output}


def test_input_and_output(small: Exported) -> None:
    graph = model_of(small).graph
    assert small.inputs == ["image"]
    assert small.outputs == ["prob"]
    given = graph.input[0].type.tensor_type
    assert given.elem_type == onnx.TensorProto.UINT8
    assert [size.dim_param or size.dim_value for size in given.shape.dim] == ["batch", 13, 11, 3]
    assert [size.dim_param or size.dim_value for size in graph.output[0].type.tensor_type.shape.dim] == ["batch", 5]


def test_one_clean_file(small: Exported) -> None:
    model = model_of(small)
    assert sorted(path.name for path in small.path.parent.iterdir()) == ["small.onnx"]
    assert not any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in model.graph.initializer)
    kinds = {node.op_type for node in model.graph.node}
    assert not kinds & {"Shape", "If", "Loop", "Constant", "Identity", "Dropout", "Gather_"}
    assert small.operators["LRN"] == 1
    assert not any(node.metadata_props or node.doc_string for node in model.graph.node)
    data = small.path.read_bytes()
    assert str(Path(deploy.__file__).parent).encode() not in data
    assert b"site-packages" not in data
    assert small.size == len(data)


def test_metadata(small: Exported) -> None:
    model = model_of(small)
    assert model.producer_name == "caffelungo"
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 20)]
    told = metadata.read({prop.key: prop.value for prop in model.metadata_props}, small.path)
    assert told.labels == ["a", "b", "ß", "d", "e"]
    assert told.record == RECORD
    assert told.classifier == "prob"
    assert told.input == metadata.ImageInput("image", "NHWC", "uint8", "RGB")
    assert told.more["opset"] == "20"
    assert told.more["accuracy"] == "0.5"
    assert told.more["prototxt"] == "small.prototxt"
    assert len(told.more["prototxt_sha256"]) == 64
    parity = json.loads(told.more["parity"])
    assert parity["batches"] == [1, 2, 7]
    assert parity["top1_agreement"][0] == parity["top1_agreement"][1] >= 10
    assert parity["blobs_compared"] >= 8


@pytest.mark.parametrize("batch", [1, 2, 7, 12])
def test_pixels_in_probabilities_out(small: Exported, batch: int) -> None:
    """The numbers of the record's own NumPy reference through the unfolded net, for any batch."""
    images = np.random.default_rng(batch).integers(0, 256, (batch, 13, 11, 3), dtype=np.uint8)
    plan = plan_of(parse_net(SMALL).message)
    store = Store(plan, seed=0)
    store.load(match_layers.match(plan, random_weights(SMALL)).arrays)
    net = StepNet(plan, store)
    blue_first = images[:, :, :, ::-1].transpose(0, 3, 1, 2).astype(np.float32)
    values = (blue_first - np.array([104, 117, 123], np.float32)[:, None, None]) * np.float32(0.0625)
    np.testing.assert_array_equal(picture_input.apply(RECORD, images), values)
    import torch

    with torch.no_grad():
        net.forward(torch.from_numpy(values))
    got = open_session(small.path, "cpu").run({"image": images})["prob"]
    np.testing.assert_allclose(got, net.blob("prob").numpy(), rtol=1e-4, atol=1e-6)


def test_parity_report(small: Exported) -> None:
    assert small.parity.random == 10
    assert small.parity.real > 0, "the pictures that come with the project"
    assert max(d.relative for d in small.parity.worst.values()) < 1e-5
    assert "the top class is the same for" in "\n".join(small.parity.lines())
    assert small.notes == []


def test_train_val_with_batch_norm_folded(tmp_path: Path) -> None:
    exported = export(parse_net(TRAIN_VAL), random_weights(TRAIN_VAL), tmp_path / "t.onnx")
    nodes = [(node.op_type, node.name, list(node.output)) for node in model_of(exported).graph.node]
    assert nodes[-5:] == [
        ("Conv", "conv1", ["conv1/scale1"]),
        ("Relu", "relu1", ["conv1"]),
        ("Flatten", "fc/flatten", ["fc/flatten"]),
        ("Gemm", "fc", ["fc"]),
        ("Softmax", "prob", ["prob"]),
    ]
    assert any("assumed" in note for note in exported.notes)
    assert any("labels" in note for note in exported.notes)


def test_input_that_a_layer_overwrites(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    text = """
layer { name: "in" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 4 dim: 5 } } }
layer { name: "centre" type: "Power" bottom: "data" top: "data" power_param { scale: 0.5 shift: -64 } }
layer { name: "halves" type: "Slice" bottom: "data" top: "one" top: "two" slice_param { axis: 2 } }
layer { name: "drop" type: "Dropout" bottom: "one" top: "one" }
layer { name: "relu" type: "ReLU" bottom: "two" top: "two" }
"""
    exported = export(parse_net(text), Weights(), tmp_path / "p.onnx", ExportOptions(preprocess=False))
    nodes = [(node.op_type, node.name, list(node.output)) for node in model_of(exported).graph.node]
    assert exported.inputs == ["data"]
    assert exported.outputs == ["one", "two"]
    assert nodes == [
        ("Mul", "centre/mul", ["centre/mul"]),
        ("Add", "centre", ["data/centre"]),
        ("Split", "halves", ["one", "two/halves"]),
        ("Relu", "relu", ["two"]),
    ]
    pictured = export(parse_net(text), Weights(), tmp_path / "i.onnx")
    assert pictured.inputs == ["image"]
    assert ["data"] in [list(node.output) for node in model_of(pictured).graph.node]
    assert capfd.readouterr() == ("", "")


def test_without_folding_and_without_preprocessing(tmp_path: Path) -> None:
    options = ExportOptions(fold=False, preprocess=False, opset=18)
    exported = export(parse_net(TRAIN_VAL), random_weights(TRAIN_VAL), tmp_path / "t.onnx", options)
    model = model_of(exported)
    assert exported.inputs == ["data"]
    assert model.graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.FLOAT
    assert [node.op_type for node in model.graph.node][:2] == ["Conv", "BatchNormalization"]
    assert [node.output[0] for node in model.graph.node][:2] == ["conv1/conv1", "conv1/bn1"]
    assert model.opset_import[0].version == 18
    assert exported.metadata.input == metadata.ImageInput("data", "NCHW", "float32", "BGR")


def test_grey_and_mean_picture(tmp_path: Path) -> None:
    text = SMALL.replace("dim: 3 dim: 13 dim: 11", "dim: 1 dim: 4 dim: 4")
    mean = np.arange(16, dtype=np.float32)
    record = Preprocessing(channel_order=Preprocessing.GRAY, resize_height=4, resize_width=4, scale=1 / 256)
    record.mean_image.extend(mean.tolist())
    record.mean_image_shape.extend([1, 4, 4])
    exported = export(parse_net(text), random_weights(text), tmp_path / "g.onnx", ExportOptions(record=record))
    model = model_of(exported)
    assert [size.dim_value for size in model.graph.input[0].type.tensor_type.shape.dim] == [0, 4, 4, 1]
    assert [node.op_type for node in model.graph.node][:4] == ["Transpose", "Cast", "Sub", "Mul"]


def test_two_inputs_leave_as_they_are(tmp_path: Path) -> None:
    text = """
layer { name: "in" type: "Input" top: "a" top: "b" input_param { shape { dim: 1 dim: 4 } } }
layer { name: "sum" type: "Eltwise" bottom: "a" bottom: "b" top: "sum" }
layer { name: "twice" type: "Split" bottom: "sum" top: "one" top: "two" }
layer { name: "fc" type: "InnerProduct" bottom: "one" top: "fc" inner_product_param { num_output: 2 } }
"""
    exported = export(parse_net(text), random_weights(text), tmp_path / "two.onnx")
    assert exported.inputs == ["a", "b"]
    assert exported.outputs == ["two", "fc"]
    with pytest.raises(UserError, match="preprocessing needs a net"):
        export(parse_net(text), random_weights(text), tmp_path / "no.onnx", ExportOptions(preprocess=True))


def test_record_and_labels_that_the_weights_carry(tmp_path: Path) -> None:
    weights = random_weights(SMALL)
    weights.extras = message_class("lungo.NetExtras")(preprocessing=RECORD, label=list("vwxyz"))
    path = tmp_path / "w.caffemodel"
    caffemodel.write(path, weights, NetParameter())
    prototxt = tmp_path / "small.prototxt"
    prototxt.write_text(SMALL)
    exported = export(prototxt, path, tmp_path / "m.onnx")
    assert exported.metadata.labels == list("vwxyz")
    assert exported.metadata.record == RECORD
    assert exported.metadata.more["weights"] == "w.caffemodel"
    assert exported.metadata.more["weights_sha256"] == metadata.sha256(path)
    assert exported.metadata.more["prototxt_sha256"] == metadata.sha256(prototxt)
    assert exported.notes == []


def test_record_of_the_data_layer(tmp_path: Path) -> None:
    for number in range(3):
        Image.fromarray(np.full((20, 30, 3), 40 * number, np.uint8)).save(tmp_path / f"{number}.png")
    (tmp_path / "list.txt").write_text("".join(f"{number}.png {number}\n" for number in range(3)))
    text = TRAIN_VAL[TRAIN_VAL.index('layer { name: "conv1"') :]
    data = """layer { name: "d" type: "ImageData" top: "data" top: "label"
  transform_param { crop_size: 9 mean_value: 100 mean_value: 110 mean_value: 120 scale: 0.5 }
  image_data_param { source: "list.txt" root_folder: "%s/" batch_size: 2 new_height: 12 new_width: 14 } }
"""
    (tmp_path / "net.prototxt").write_text(data % tmp_path + text)
    definition = read_net(tmp_path / "net.prototxt")
    weights = random_weights(SMALL_HEAD + text)
    exported = export(definition, weights, tmp_path / "m.onnx", ExportOptions(pictures=[tmp_path]))
    expected = Preprocessing(resize_height=12, resize_width=14, crop_height=9, crop_width=9,
                             mean_value=[100, 110, 120], scale=0.5)  # fmt: skip
    assert exported.metadata.record == expected
    assert exported.parity.real == 3
    (tmp_path / "list.txt").unlink()
    again = export(definition, weights, tmp_path / "again.onnx")
    assert again.metadata.record == expected
    assert any("cannot be opened" in note for note in again.notes)


SMALL_HEAD = """layer { name: "in" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 9 dim: 9 } } }
layer { name: "label" type: "Input" top: "label" input_param { shape { dim: 1 } } }
"""


def test_channels_that_only_the_data_tell(tmp_path: Path) -> None:
    """The original's own LeNet: grey, scaled, and nothing in the file says that it is grey."""
    text = SMALL[SMALL.index('layer { name: "conv1"') :]
    data = """layer { name: "d" type: "Data" top: "data" transform_param { scale: 0.00390625 }
  data_param { source: "none_here" batch_size: 2 } }
"""
    head = 'layer { name: "in" type: "Input" top: "data" input_param { shape { dim: 1 dim: 1 dim: 6 dim: 7 } } }\n'
    options = ExportOptions(shapes={"data": (1, 6, 7)})
    exported = export(parse_net(data + text), random_weights(head + text), tmp_path / "m.onnx", options)
    assert exported.metadata.input.channels == "GRAY"
    assert exported.metadata.record.scale == 0.00390625
    assert "channel_order" in exported.metadata.record.assumed


def test_a_proof_that_fails_leaves_no_file_and_names_the_layer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = trace.replacement

    def broken(planned, leaf, free: bool = False):  # type: ignore[no-untyped-def]
        made = real(planned, leaf)
        if planned.layer.type == "LRN":
            made.attributes["alpha"] = 0.03
        return made

    monkeypatch.setattr(trace, "replacement", broken)
    out = tmp_path / "m.onnx"
    with pytest.raises(RunError, match=r"disagree from layer `norm1` \(blob `norm1`\) on"):
        export(parse_net(SMALL), random_weights(SMALL), out, ExportOptions(record=RECORD))
    assert list(tmp_path.iterdir()) == []
    out.write_bytes(b"older")
    with pytest.raises(RunError):
        export(parse_net(SMALL), random_weights(SMALL), out, ExportOptions(record=RECORD))
    assert out.read_bytes() == b"older"
    assert [path.name for path in tmp_path.iterdir()] == ["m.onnx"]


def test_weights_that_are_not_finite(tmp_path: Path) -> None:
    weights = random_weights(SMALL)
    weights.layers["fc/2"][0][0, 0] = np.nan
    with pytest.raises(RunError, match="layer `fc/2` gives values that are not finite"):
        export(parse_net(SMALL), weights, tmp_path / "m.onnx", ExportOptions(record=RECORD))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "out", "message"),
    [
        (ExportOptions(opset=12), "m.onnx", "opset 12"),
        (ExportOptions(), "m.bin", "must end in .onnx"),
        (ExportOptions(), "none/m.onnx", "does not exist"),
        (ExportOptions(labels=["one"], record=RECORD), "m.onnx", "1 label for 5 classes"),
        (ExportOptions(labels="no.txt", record=RECORD), "m.onnx", "labels file not found"),
        (ExportOptions(record=Preprocessing(crop_height=9, crop_width=9)), "m.onnx", "size of the preprocessing"),
        (ExportOptions(record=Preprocessing(mean_value=[1, 2])), "m.onnx", "mean .* does not fit"),
        (ExportOptions(device="cuda:x"), "m.onnx", "unknown device"),
    ],
)
def test_mistakes(options: ExportOptions, out: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message) as caught:
        export(parse_net(SMALL), random_weights(SMALL), tmp_path / out, options)
    assert all(problem.received and problem.remedy for problem in caught.value.problems)
    assert list(tmp_path.iterdir()) == []


def test_missing_and_misfit_weights(tmp_path: Path) -> None:
    weights = random_weights(SMALL)
    del weights.layers["fc3"]
    with pytest.raises(UserError, match="layers of the net are missing") as caught:
        export(parse_net(SMALL), weights, tmp_path / "m.onnx")
    assert "`fc3`" in str(caught.value)
    weights = random_weights(SMALL)
    weights.layers["fc3"][0] = np.zeros((6, 4), np.float32)
    with pytest.raises(UserError, match="differ in shape in the file") as caught:
        export(parse_net(SMALL, "small.prototxt"), weights, tmp_path / "m.onnx")
    where = caught.value.problems[0].where
    assert where is not None
    assert (where.file, where.line) == ("small.prototxt", 12)


def test_more_than_two_gigabytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exportable_net, "LIMIT", 2**20 + 100)
    with pytest.raises(UserError, match="whose limit is 2 GB"):
        export(parse_net(SMALL), random_weights(SMALL), tmp_path / "m.onnx")
