"""What pictures go through before the net: both layouts, and resize and crop in the graph, at any size."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import onnx_ir as ir
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from caffelungo.definition.reader import parse_net
from caffelungo.definition.schema import Preprocessing
from caffelungo.deploy import picture_operators as front_module
from caffelungo.deploy.bench import bench
from caffelungo.deploy.bench_options import BenchOptions
from caffelungo.deploy.convert import convert
from caffelungo.deploy.export import Exported, export
from caffelungo.deploy.fp16 import before_the_net
from caffelungo.deploy.lower_precision import PrecisionOptions, lower
from caffelungo.deploy.options import ConvertOptions, ExportOptions
from caffelungo.deploy.picture_operators import INTERPOLATION
from caffelungo.errors import RunError, UserError
from caffelungo.inference import classify as classify_module
from caffelungo.inference import metadata, picture_input
from caffelungo.inference.classify import Classifier
from caffelungo.inference.infer import InferOptions, infer
from caffelungo.inference.runtime import Session, open_session
from caffelungo.inference.triton import triton
from caffelungo.net.stepwise import StepNet
from caffelungo.net.store import Store
from caffelungo.weights import caffemodel, match_layers
from tests.deploy.nets import SMALL, plan_of, random_weights
from tests.lungo import lungo

EXACT = {"resize_height": 15, "resize_width": 12, "crop_height": 13, "crop_width": 11}
SHORTER = {"resize_shorter": 16, "crop_height": 13, "crop_width": 11}
SIZES = [(20, 31), (33, 17), (16, 16), (5, 9), (40, 14), (15, 12), (13, 11), (30, 24), (64, 48), (7, 50), (17, 31)]
"""Landscape, portrait, smaller than the crop, the crop's own, exact halves, and sides whose scaling ends in a half."""


def record(geometry: dict[str, int], **more: Any) -> Any:
    return Preprocessing(**geometry, **{"mean_value": [104, 117, 123], "scale": 0.0625, **more})


def exported(folder: Path, geometry: dict[str, int], more: dict[str, Any] | None = None, **options: Any) -> Exported:
    wanted = ExportOptions(record=record(geometry, **(more or {})), labels=list("abcde"), **options)
    return export(parse_net(SMALL), random_weights(SMALL), folder / "net.onnx", wanted)


@pytest.fixture(scope="module")
def shorter(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    return exported(tmp_path_factory.mktemp("shorter"), SHORTER, resize_inside=True, layout="nchw")


@pytest.fixture(scope="module")
def exact(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    return exported(tmp_path_factory.mktemp("exact"), EXACT, resize_inside=True)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A smooth picture of each of ``SIZES``, in RGB and one in grey."""
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for number, (height, width) in enumerate(SIZES):
        low = Image.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8))
        low.resize((width, height), Image.Resampling.BICUBIC).save(folder / f"{number:02}.png")
    Image.fromarray(rng.integers(0, 256, (19, 23), dtype=np.uint8)).save(folder / "grey.png")
    return folder


def front_of(made: Exported) -> Session:
    """The file with its input blob as an output."""
    model = onnx.load(made.path)
    model.graph.output.append(onnx.ValueInfoProto(name="data"))
    return open_session(model.SerializeToString(), "cpu")


def by_opencv(image: np.ndarray, geometry: dict[str, int]) -> np.ndarray:
    """What Caffe would have resized and cut out: whole levels."""
    height, width = image.shape[:2]
    if "resize_height" in geometry:
        size = geometry["resize_height"], geometry["resize_width"]
    else:
        side = geometry["resize_shorter"]
        size = (side, round(width * side / height)) if height <= width else (round(height * side / width), side)
    made = cv2.resize(image, size[::-1], interpolation=cv2.INTER_LINEAR)
    top, left = (size[0] - 13) // 2, (size[1] - 11) // 2
    return made[top : top + 13, left : left + 11]


def alone(rec: Any, layout: str = "NHWC", resize: bool = True) -> onnx.ModelProto:
    """The operators before a net that does nothing."""
    blob = ir.Value(name="x", shape=ir.Shape(["batch", 3, 13, 11]), type=ir.TensorType(ir.DataType.FLOAT))
    node = ir.node("Identity", [blob])
    node.outputs[0].name = "data"
    node.outputs[0].shape, node.outputs[0].type = blob.shape, blob.type
    graph = ir.Graph([blob], node.outputs, nodes=[node], opset_imports={"": 20}, name="front")
    model = ir.Model(graph, ir_version=10)
    front_module.prepend(model, front_module.Front(rec, layout, resize), (13, 11), "preprocess")
    return ir.to_proto(model)


def test_operators(exact: Exported, shorter: Exported) -> None:
    """By hand: what the record says, and the arithmetic of the longer side only where there is one."""

    def kinds(model: onnx.ModelProto) -> list[str]:
        return [node.op_type for node in model.graph.node if node.op_type not in ("Identity", *NET)]

    sizes = ["Shape", "Cast", "Mul", "ReduceMin", "Div", "Round", "Cast"]
    crop = ["Sub", "Div", "Add", "Slice"]
    expected = ["Transpose", "Gather", "Cast", "Resize", "Slice", "Round", "Sub", "Mul"]
    assert kinds(onnx.load(exact.path)) == kinds(alone(record(EXACT))) == expected
    expected = ["Gather", "Cast", *sizes, "Resize", *crop, "Round", "Sub", "Mul"]
    assert kinds(onnx.load(shorter.path)) == kinds(alone(record(SHORTER), "NCHW")) == expected
    assert kinds(alone(record(EXACT), "NCHW", False)) == ["Gather", "Cast", "Sub", "Mul"]
    whole = record({"resize_height": 13, "resize_width": 11})
    assert kinds(alone(whole)) == ["Transpose", "Gather", "Cast", "Resize", "Round", "Sub", "Mul"]
    bare = record(EXACT, channel_order=Preprocessing.RGB, mean_value=[], scale=1)
    assert kinds(alone(bare, "NCHW")) == ["Cast", "Resize", "Slice", "Round"]


NET = ("Conv", "Relu", "MaxPool", "LRN", "Flatten", "Reshape", "Gemm", "Softmax")


def test_what_the_file_says(exact: Exported, shorter: Exported) -> None:
    assert exact.metadata.input == metadata.ImageInput("image", "NHWC", "uint8", "RGB", INTERPOLATION)
    told = open_session(shorter.path, "cpu")
    assert told.shapes["image"] == ["batch", 3, "height", "width"]
    assert open_session(exact.path, "cpu").shapes["image"] == ["batch", "height", "width", 3]
    read = metadata.read(told.metadata, shorter.path)
    assert read.input == metadata.ImageInput("image", "NCHW", "uint8", "RGB", INTERPOLATION)
    assert read.record == record(SHORTER)
    facts = json.loads(read.more["resize"])
    assert facts["pictures"] == shorter.parity.real > 0
    assert 0 < facts["levels_of_255"] <= 1.01
    assert facts["same_class"] == facts["pictures"]
    assert facts["interpolation"] == "bilinear, half-pixel centres, no antialiasing"
    assert json.loads(read.more["parity"])["other_sizes"] == [[3, 17, 23], [3, 27, 14], [3, 6, 7], [3, 13, 11]]
    assert any("differ by at most 1 of 255" in note for note in shorter.notes)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("geometry", [EXACT, SHORTER])
def test_pixels_beside_opencv_and_pytorch(
    size: tuple[int, int], geometry: dict[str, int], exact: Exported, shorter: Exported
) -> None:
    made = exact if geometry is EXACT else shorter
    image = np.random.default_rng(sum(size)).integers(0, 256, (*size, 3), dtype=np.uint8)
    fed = image[None] if made is exact else image.transpose(2, 0, 1)[None]
    data = front_of(made).run({"image": fed}, ["data"])["data"][0]
    levels = (data / 0.0625 + np.float32([104, 117, 123])[:, None, None])[::-1].transpose(1, 2, 0)
    assert np.abs(levels - levels.round()).max() < 1e-3  # whole levels, as the net was trained on
    wanted = by_opencv(image, geometry)
    assert np.abs(levels.round() - wanted).max() <= 1
    assert (levels.round() == wanted).mean() > 0.75
    own = picture_input.from_array(record(geometry), image)
    np.testing.assert_array_equal(own, wanted)
    # PyTorch's resize of doubles, which rounds nothing.
    plane = torch.from_numpy(image.transpose(2, 0, 1)[None].astype(np.float64))
    side = 16 / min(size)
    whole = (15, 12) if geometry is EXACT else (round(size[0] * side), round(size[1] * side))
    exactly = torch.nn.functional.interpolate(plane, whole, mode="bilinear", align_corners=False)[0].numpy()
    top, left = (whole[0] - 13) // 2, (whole[1] - 11) // 2
    exactly = exactly[:, top : top + 13, left : left + 11].transpose(1, 2, 0)
    assert np.abs(levels - exactly).max() <= 0.501


@settings(max_examples=60, deadline=None)
@given(height=st.integers(1, 90), width=st.integers(1, 90))
def test_the_longer_side_is_that_of_training_at_every_size(height: int, width: int) -> None:
    """The place of the crop shows where Python's round and the graph's would part: at sides that end in a half."""
    session = _front_alone()
    ramp = np.zeros((1, 3, height, width), np.uint8)
    ramp[:, 0], ramp[:, 1] = np.arange(width), np.arange(height)[:, None]
    got = session.run({"image": ramp}, ["data"])["data"][0, ::-1].transpose(1, 2, 0)
    wanted = picture_input.from_array(record(SHORTER), np.ascontiguousarray(ramp[0].transpose(1, 2, 0)))
    assert got.shape == wanted.shape
    assert np.abs(got - wanted.astype(np.float32)).max() <= 1


@cache
def _front_alone() -> Session:
    return open_session(alone(record(SHORTER, mean_value=[], scale=1), "NCHW").SerializeToString(), "cpu")


def test_probabilities_of_training_at_the_pictures_own_sizes(exact: Exported, shorter: Exported, photos: Path) -> None:
    """The whole file beside the unfolded net in PyTorch behind the data layer's own way with a picture."""
    plan = plan_of(parse_net(SMALL).message)
    store = Store(plan, seed=0)
    store.load(match_layers.match(plan, random_weights(SMALL)).arrays)
    net = StepNet(plan, store)
    for made, geometry in ((exact, EXACT), (shorter, SHORTER)):
        answers = Classifier(made.path, "cpu").classify([photos], batch=4)
        assert len(answers) == len(SIZES) + 1
        for answer in answers:
            blob = picture_input.apply(record(geometry), picture_input.read(record(geometry), Path(answer.name))[None])
            with torch.no_grad():
                net.forward(torch.from_numpy(blob))
            wanted = net.blob("prob").numpy()[0]
            got = np.zeros(5, np.float32)
            for guess in answer.guesses:
                got[guess.index] = guess.probability
            assert got.argmax() == wanted.argmax()
            np.testing.assert_allclose(got, wanted, atol=0.02)


def test_layouts_give_the_same_answers(tmp_path: Path, classifier_file: Path, photos: Path) -> None:
    made = exported(tmp_path, EXACT, layout="nchw")
    assert made.metadata.input == metadata.ImageInput("image", "NCHW", "uint8", "RGB")
    one, two = (Classifier(path, "cpu").classify([photos]) for path in (classifier_file, made.path))
    assert [[(g.index, g.probability) for g in p.guesses] for p in one] == [
        [(g.index, g.probability) for g in p.guesses] for p in two
    ]


@pytest.mark.slow
def test_grey_and_a_mean_picture(tmp_path: Path, photos: Path) -> None:
    text = SMALL.replace("dim: 3 dim: 13 dim: 11", "dim: 1 dim: 6 dim: 5")
    rec = Preprocessing(channel_order=Preprocessing.GRAY, resize_shorter=7, crop_height=6, crop_width=5, scale=1 / 256)
    mean = np.random.default_rng(0).uniform(90, 130, 30).astype(np.float32)
    rec.mean_image.extend(mean.tolist())
    rec.mean_image_shape.extend([1, 6, 5])
    made = export(parse_net(text), random_weights(text), tmp_path / "g.onnx",
                  ExportOptions(record=rec, resize_inside=True, pictures=[photos]))  # fmt: skip
    assert made.metadata.input.channels == "GRAY"
    assert made.parity.real == len(SIZES) + 1
    assert open_session(made.path, "cpu").shapes["image"] == ["batch", "height", "width", 1]
    assert len(Classifier(made.path, "cpu").classify([photos])) == len(SIZES) + 1


@pytest.mark.slow
def test_a_fixed_number_of_pictures(tmp_path: Path, photos: Path) -> None:
    made = exported(tmp_path, SHORTER, resize_inside=True, batch=3, opset=18)
    assert open_session(made.path, "cpu").shapes["image"] == [3, "height", "width", 3]
    one = Classifier(made.path, "cpu").classify([photos])
    assert len(one) == len(SIZES) + 1  # a batch ends where sizes change, and is filled up


def test_arrays_in_rgb(exact: Exported, photos: Path) -> None:
    path = photos / "03.png"
    model = Classifier(exact.path, "cpu")
    array = np.asarray(Image.open(path).convert("RGB"))
    assert model.classify([array])[0].guesses == model.classify([path])[0].guesses


def test_large_pictures_go_in_fewer_at_a_time(exact: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(7):
        noise = np.random.default_rng(number).integers(0, 256, (20, 30, 3), dtype=np.uint8)
        Image.fromarray(noise).save(tmp_path / f"{number}.png")
    model = Classifier(exact.path, "cpu")
    items = [(str(path), path) for path in sorted(tmp_path.iterdir())]
    (whole,) = list(model.batches(items, 8))
    expected = model.outputs(whole.images)
    monkeypatch.setattr(classify_module, "MOST_AT_ONCE", 3 * 20 * 30)
    assert [len(one.indices) for one in model.batches(items, 8)] == [3, 3, 1]
    fed: list[int] = []
    run = model.engine.run
    monkeypatch.setattr(model.engine, "run", lambda feeds, names: fed.append(len(feeds["image"])) or run(feeds, names))
    np.testing.assert_allclose(model.outputs(list(whole.images))["prob"], expected["prob"], rtol=1e-5)
    assert fed == [3, 3, 1]


def test_infer_in_batches_of_one_size(shorter: Exported, photos: Path, tmp_path: Path) -> None:
    done = infer(InferOptions(shorter.path, [photos], tmp_path / "out.csv", device="cpu", batch=8, threads=1))
    assert done.count == len(SIZES) + 1
    rows = (tmp_path / "out.csv").read_text().splitlines()
    told = Classifier(shorter.path, "cpu").classify([photos])
    assert [row.split(",")[3] for row in rows[1:] if row.split(",")[1] == "1"] == [one.best.label for one in told]


def test_bench_beside_pytorch(shorter: Exported, exact: Exported, tmp_path: Path) -> None:
    """Its answers are compared before it measures, so that PyTorch must have resized alike."""
    (tmp_path / "net.prototxt").write_text(SMALL)
    caffemodel.write(tmp_path / "net.caffemodel", random_weights(SMALL))
    files = {"net": tmp_path / "net.prototxt", "weights": str(tmp_path / "net.caffemodel")}
    for made in (shorter, exact):
        wanted = BenchOptions(made.path, **files, batches=(2,), rounds=1, seconds=0.001, device="cpu", compiled=False,
                              threads=1, size=(30, 41))  # type: ignore[arg-type]  # fmt: skip
        assert {"ONNX Runtime", "torch eager"} <= {row.side for row in bench(wanted).rows}


def test_half_precision_and_8_bits(shorter: Exported, photos: Path, tmp_path: Path) -> None:
    for kind, allowed in (("fp16", 0.01), ("int8", 0.35)):
        wanted = PrecisionOptions(kind, [photos], [photos], threads=1, rounds=1, seconds=0.001)
        found = lower(shorter.path, tmp_path / f"{kind}.onnx", wanted)
        assert found.pictures == len(SIZES) + 1
        assert max(found.apart.values()) < allowed
        made = onnx.load(tmp_path / f"{kind}.onnx")
        onnx.checker.check_model(made, full_check=True)
        before = before_the_net(onnx.load(shorter.path))
        kept = {node.name: list(node.input) for node in made.graph.node if node.name in before}
        assert kept == {node.name: list(node.input) for node in onnx.load(shorter.path).graph.node
                        if node.name in before}  # fmt: skip
        assert len(Classifier(tmp_path / f"{kind}.onnx", "cpu").classify([photos])) == len(SIZES) + 1


def test_triton(shorter: Exported, exact: Exported, tmp_path: Path) -> None:
    told = triton(shorter.path, tmp_path).config
    assert "dims: 3\n  dims: -1\n  dims: -1" in told
    assert "FORMAT_NCHW" in told
    (tmp_path / "other").mkdir()
    told = triton(exact.path, tmp_path / "other").config
    assert "dims: -1\n  dims: -1\n  dims: 3" in told
    assert "FORMAT_NHWC" in told


@pytest.mark.parametrize(
    ("geometry", "options", "message"),
    [
        (EXACT, {"layout": "chwn"}, "unknown layout"),
        (EXACT, {"preprocess": False, "layout": "nchw"}, "net's own blobs"),
        (EXACT, {"preprocess": False, "resize_inside": True}, "net's own blobs"),
        (EXACT, {"free_size": True, "resize_inside": True}, "remove one of them"),
        ({**SHORTER, "resize_shorter": 12}, {"resize_inside": True}, "less than the crop"),
        ({**EXACT, "resize_width": 10}, {"resize_inside": True}, "15x10 for a crop of 13x11"),
    ],
)
def test_what_cannot_be(tmp_path: Path, geometry: dict[str, int], options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        exported(tmp_path, geometry, **options)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("attribute", ["coordinate_transformation_mode", "mode"])
def test_another_resize_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, attribute: str) -> None:
    real = front_module._Made.node

    def broken(self: Any, kind: str, *inputs: Any, **attributes: Any) -> Any:
        if kind == "Resize":
            attributes[attribute] = {"mode": "nearest", "coordinate_transformation_mode": "align_corners"}[attribute]
        return real(self, kind, *inputs, **attributes)

    monkeypatch.setattr(front_module._Made, "node", broken)
    with pytest.raises(RunError, match=r"the resize in the graph is .* of 255 levels off"):
        exported(tmp_path, SHORTER, resize_inside=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_convert_from_the_command_line(tmp_path: Path, photos: Path, precision: str) -> None:
    """Resize, layout and precision by the flags that `export` has."""
    (tmp_path / "net.prototxt").write_text(SMALL)
    caffemodel.write(tmp_path / "net.caffemodel", random_weights(SMALL))
    (tmp_path / "list.txt").write_text("".join(f"{path} 1\n" for path in sorted(photos.iterdir())))
    given = [tmp_path / "net.prototxt", tmp_path / "net.caffemodel", "--mean", "104,117,123", "--scale", "0.0625",
             "--resize", "16", "--resize-inside", "--layout", "nchw", "--precision", precision]  # fmt: skip
    out = tmp_path / "b.onnx"
    calibration = ["--calibrate", tmp_path / "list.txt"] if precision == "int8" else []
    ran = lungo("convert", *given, "-o", out, "--test", tmp_path / "list.txt", *calibration)
    assert ran.status == 0, ran.err
    assert f"wrote {out}" in ran.out
    assert "times smaller" in ran.out
    session = open_session(out, "cpu")
    assert session.shapes == {"image": ["batch", 3, "height", "width"]}
    assert json.loads(session.metadata["precision"])["precision"] == precision
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == [
        "b.onnx", "list.txt", "net.caffemodel", "net.prototxt",
    ]  # fmt: skip
    if precision == "int8":
        again = lungo("convert", *given, "-o", tmp_path / "c.onnx")
        assert again.status == 2
        assert "--calibrate" in again.err


def test_convert_lists_a_crop_that_is_too_large(tmp_path: Path) -> None:
    (tmp_path / "net.prototxt").write_text(SMALL)
    with pytest.raises(UserError, match="less than the crop"):
        convert(tmp_path / "net.prototxt", random_weights(SMALL), tmp_path / "x.onnx",
                ConvertOptions(resize=(12, 0), resize_inside=True))  # fmt: skip
