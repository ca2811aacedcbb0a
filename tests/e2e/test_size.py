"""`--size`: a net made for one size of picture, on another, through every verb that runs it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from caffelungo.definition import catalogue
from caffelungo.definition.reader import read_net
from caffelungo.definition.schema import Preprocessing, message_class
from caffelungo.deploy.convert import Examined, examine
from caffelungo.deploy.exportable_net import ExportableNet, open_exportable
from caffelungo.deploy.options import ConvertOptions, ExportOptions
from caffelungo.inference import metadata
from caffelungo.inference.runtime import open_session
from caffelungo.plan import memory_limits
from caffelungo.solve import nets
from caffelungo.study.inspect.inspected_nets import open_tuned
from caffelungo.study.inspect.options import InspectOptions
from caffelungo.weights import formats
from caffelungo.weights.weights import Weights
from tests.lungo import Ran, lungo
from tests.passes.numbers import blobs, random_blobs

LAYERS = """
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
  convolution_param { num_output: 6 kernel_size: 3 stride: 2 } }
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
layer { name: "pool1" type: "Pooling" bottom: "conv1" top: "pool1" pooling_param { kernel_size: 3 stride: 2 } }
layer { name: "score" type: "Convolution" bottom: "pool1" top: "score"
  convolution_param { num_output: 2 kernel_size: 1 } }
layer { name: "mean" type: "Pooling" bottom: "score" top: "mean" pooling_param { pool: AVE global_pooling: true } }
"""
DEPLOY = (
    'name: "tiny"\nlayer { name: "data" type: "Input" top: "data"\n'
    "  input_param { shape { dim: 1 dim: 3 dim: 24 dim: 24 } } }"
    + LAYERS
    + 'layer { name: "prob" type: "Softmax" bottom: "mean" top: "prob" }\n'
)
TRAIN_VAL = (
    'name: "tiny"\nlayer { name: "data" type: "ImageData" top: "data" top: "label"\n'
    "  transform_param { crop_size: 24 mean_value: 104 mean_value: 117 mean_value: 123 }\n"
    '  image_data_param { source: "photos" batch_size: 4 new_height: 28 new_width: 28 } }'
    + LAYERS
    + 'layer { name: "accuracy" type: "Accuracy" bottom: "mean" bottom: "label" top: "accuracy"\n'
    "  include { phase: TEST } }\n"
    'layer { name: "loss" type: "SoftmaxWithLoss" bottom: "mean" bottom: "label" top: "loss" }\n'
)
FLAT = DEPLOY.replace(
    'type: "Softmax" bottom: "mean"', 'type: "Softmax" bottom: "fc"'
).replace(
    'layer { name: "prob"',
    'layer { name: "fc" type: "InnerProduct" bottom: "pool1" top: "fc" inner_product_param { num_output: 2 } }\n'
    'layer { name: "prob"',
)  # fmt: skip
RECORD = Preprocessing(
    resize_height=28, resize_width=28, crop_height=24, crop_width=24, mean_value=[104, 117, 123], scale=0.02
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nets, weights that carry a record of 24 x 24, and six photos of two classes."""
    monkeypatch.chdir(tmp_path)
    for name, text in (("deploy", DEPLOY), ("train_val", TRAIN_VAL), ("flat", FLAT)):
        Path(f"{name}.prototxt").write_text(text)
    rng = np.random.default_rng(0)
    for kind in range(2):
        Path("photos", str(kind)).mkdir(parents=True)
        for number in range(3):
            pixels = rng.integers(0, 256, (40, 50, 3)) // (1 + kind)
            Image.fromarray(pixels.astype(np.uint8)).save(Path("photos", str(kind), f"{number}.png"))
    write("deploy", "tiny.caffemodel")


def write(net: str, name: str, record: Preprocessing = RECORD) -> None:
    definition = read_net(f"{net}.prototxt")
    extras = message_class("lungo.NetExtras")(preprocessing=record, label=["a", "b"])
    formats.write(name, Weights(random_blobs(definition), extras=extras), definition.message)


def good(*words: object) -> Ran:
    ran = lungo(*words)
    assert ran.status == 0, ran.err
    return ran


def described(path: str) -> metadata.Metadata:
    return metadata.read(open_session(path, "cpu").metadata, path)


def examined(net: str, weights: str = "tiny.caffemodel", **asked: Any) -> Examined:
    """What `lungo convert` would write, found without tracing the graph."""
    found = examine(f"{net}.prototxt", weights, "never.onnx", ConvertOptions(**asked))
    assert not found.problems, "\n".join(map(str, found.problems))
    return found


def leaving(found: Examined) -> ExportableNet:
    """The net, weights and record that leave, as the export opens them."""
    assert found.part is not None
    assert found.weights is not None
    return open_exportable(found.part.definition, found.weights, found.wanted)


def test_convert_asks_over_the_record_and_the_file_says_it() -> None:
    ran = good("convert", "deploy.prototxt", "tiny.caffemodel", "-o", "x.onnx", "--size", "32")
    assert "the picture's size is 24 in the weights' record, 32 as asked" in ran.out
    told = described("x.onnx").record
    assert (told.crop_height, told.crop_width) == (32, 32)
    assert (told.resize_height, told.resize_width) == (37, 37)  # 28 / 24 of 32
    assert list(told.mean_value) == [104, 117, 123]
    assert told.scale == pytest.approx(0.02)
    assert "photos/0/0.png" in good("classify", "x.onnx", "photos/0/0.png").out
    images = np.random.default_rng(1).integers(0, 256, (2, 32, 32, 3), np.uint8)
    ours = open_session("x.onnx", "cpu").run({"image": images})["prob"]
    Path("at32.prototxt").write_text(DEPLOY.replace("dim: 24 dim: 24", "dim: 32 dim: 32"))
    definition = read_net("at32.prototxt")
    pixels = (images[..., ::-1].transpose(0, 3, 1, 2) - np.float32([104, 117, 123])[:, None, None]) * np.float32(0.02)
    theirs = blobs(definition, random_blobs(definition), pixels.astype(np.float32))("prob")
    np.testing.assert_allclose(ours.reshape(2, -1), theirs.reshape(2, -1), rtol=1e-4, atol=1e-5)


def test_a_shape_is_a_size_and_floats_may_enter() -> None:
    words = ["-o", "x.onnx", "--no-preprocessing", "--shape", "data:3x32x32"]
    ran = good("convert", "deploy.prototxt", "tiny.caffemodel", *words)
    assert "24 in the weights' record, 32 as asked" in ran.out
    assert open_session("x.onnx", "cpu").run({"data": np.zeros((1, 3, 32, 32), np.float32)})["prob"].shape[0] == 1
    by_shape, by_size = (
        leaving(examined("deploy", **{name: value}))
        for name, value in (("shapes", {"data": (3, 32, 32)}), ("size", (32, 32)))
    )
    assert by_shape.record == by_size.record
    assert by_shape.net.inputs == by_size.net.inputs == {"data": (1, 3, 32, 32)}
    Path("at32.prototxt").write_text(DEPLOY.replace("dim: 24 dim: 24", "dim: 32 dim: 32"))
    own = leaving(examined("at32"))
    assert own.record == by_size.record
    assert any("24 in the weights' record, 32 in the net's input" in note for note in own.notes)
    assert leaving(examined("deploy", size=(40, 32))).net.inputs == {"data": (1, 3, 40, 32)}


def test_convert_of_a_training_file_and_stated_preprocessing() -> None:
    told = leaving(examined("train_val", size=(48, 48)))
    assert told.net.inputs == {"data": (1, 3, 48, 48)}
    assert (told.record.crop_height, told.record.resize_height) == (48, 56)
    record = leaving(examined("deploy", size=(48, 48), scale=1.0, resize=(50, 0))).record
    assert (record.crop_height, record.resize_shorter, record.scale) == (48, 50, 1)
    found = examined("deploy", size=(48, 48), scale=1.0)
    assert any("24 in the weights' record, 48 as asked" in note for note in found.notes)


def test_a_placeholder_that_fits_nothing_does_not_stand_in_the_way() -> None:
    Path("open.prototxt").write_text(DEPLOY.replace("dim: 24 dim: 24", "dim: 1 dim: 1"))
    found = leaving(examined("open", shapes={"data": (3, 32, 32)}))
    assert found.net.inputs == {"data": (1, 3, 32, 32)}
    wrong = {
        "data:32x32": "has 3 axes besides the batch",
        "data:3x0x9": "has no size",
        "data:3x99999x99999": "at most 89478485 pixels",
        "dta:3x9x9": "not an input of the net",
    }
    for shape, told in wrong.items():
        ran = lungo("convert", "deploy.prototxt", "tiny.caffemodel", "-o", "y.onnx", "--shape", shape)
        assert ran.status == 2
        assert told in ran.err
        assert not Path("y.onnx").exists()


def test_a_mean_picture_gives_its_centre_or_is_refused() -> None:
    picture = np.random.default_rng(3).uniform(90, 130, (3, 24, 24)).astype(np.float32)
    record = Preprocessing(resize_height=28, resize_width=28, crop_height=24, crop_width=24)
    record.mean_image.extend(picture.ravel())
    record.mean_image_shape.extend(picture.shape)
    write("deploy", "mean.caffemodel", record)
    told = leaving(examined("deploy", "mean.caffemodel", size=(16, 16))).record
    np.testing.assert_array_equal(np.reshape(told.mean_image, (3, 16, 16)), picture[:, 4:20, 4:20])
    for verb in (["convert", "deploy.prototxt", "mean.caffemodel"],
                 ["export", "--model", "deploy.prototxt", "--weights", "mean.caffemodel"]):  # fmt: skip
        ran = lungo(*verb, "-o", "y.onnx", "--size", "32")
        assert ran.status == 2
        assert "the mean picture is smaller than the net's input" in ran.err
        assert not Path("y.onnx").exists()
    values = [float(word) for word in ran.err.split("--mean ")[1].strip().split(",")]
    np.testing.assert_allclose(values, picture.mean((1, 2)), rtol=1e-3)
    told = leaving(examined("deploy", "mean.caffemodel", size=(32, 32), mean=values)).record
    assert (list(told.mean_value), told.crop_height) == (pytest.approx(values), 32)


def test_export_from_both_files() -> None:
    words = ["--weights", "tiny.caffemodel", "-o", "x.onnx", "--size", "32"]
    ran = good("export", "--model", "train_val.prototxt", *words)
    assert "24 in the weights' record, 32 as asked" in ran.out
    told = described("x.onnx").record
    assert (told.crop_height, told.resize_height) == (32, 37)
    opened = open_exportable("deploy.prototxt", "tiny.caffemodel", ExportOptions(size=(32, 32)))
    assert opened.record == told
    assert opened.net.inputs == {"data": (1, 3, 32, 32)}
    ran = lungo("export", "--model", "deploy.prototxt", *words, "--shape", "data:3x30x30")
    assert "the picture size is set twice" in ran.err


def test_test_is_as_a_file_of_that_size() -> None:
    Path("at32.prototxt").write_text(
        TRAIN_VAL.replace("crop_size: 24", "crop_size: 32").replace(": 28 new_width: 28", ": 37 new_width: 37")
    )
    ours = good("test", "--model", "train_val.prototxt", "--weights", "tiny.caffemodel", "--size", "32")
    theirs = good("test", "--model", "at32.prototxt", "--weights", "tiny.caffemodel")
    assert ours.out == theirs.out
    assert "notice: `data` takes 32x32 (it took 24x24)" in ours.err
    assert "scales pictures to 37x37" in ours.err
    small = good("test", "--model", "train_val.prototxt", "--weights", "tiny.caffemodel")
    assert small.out != ours.out


def test_time_runs_at_that_size(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[nets.OpenedNet] = []
    real = nets.open_net_with_data
    monkeypatch.setattr(nets, "open_net_with_data", lambda *a, **k: opened.append(real(*a, **k)) or opened[-1])
    good("time", "--model", "deploy.prototxt", "--iterations", "1", "--size", "33")
    good("time", "--model", "train_val.prototxt", "--iterations", "1", "--phase", "TEST", "--size", "33")
    assert [one.plan.blobs["data"] for one in opened] == [(1, 3, 33, 33), (4, 3, 33, 33)]


def test_verify_runs_both_nets_at_that_size() -> None:
    good("rewrite", "deploy.prototxt", "--size", "64", "-o", "large.prototxt")
    ran = good("verify", "deploy.prototxt", "large.prototxt", "--weights", "tiny.caffemodel", "--size", "31", "--json")
    facts = json.loads(ran.out)
    assert facts["kept"]
    assert not any("compared at" in notice for notice in facts["notices"])


def test_inspect_opens_at_that_size() -> None:
    tuned = open_tuned(InspectOptions(model="train_val.prototxt", weights=["tiny.caffemodel"], size=(32, 32)))
    assert tuned.test.opened.plan.blobs["data"] == (4, 3, 32, 32)
    ran = good(
        "inspect", "--model", "train_val.prototxt", "--weights", "tiny.caffemodel", "-o", "report", "--size", "32"
    )
    assert "wrote report" in ran.out


VERBS = {
    "rewrite": ["rewrite", "deploy.prototxt", "-o", "out.prototxt"],
    "convert": ["convert", "deploy.prototxt", "tiny.caffemodel", "-o", "out.onnx"],
    "export": ["export", "--model", "deploy.prototxt", "--weights", "tiny.caffemodel", "-o", "out.onnx"],
    "test": ["test", "--model", "train_val.prototxt", "--weights", "tiny.caffemodel"],
    "time": ["time", "--model", "deploy.prototxt", "--iterations", "1"],
    "verify": ["verify", "deploy.prototxt", "deploy.prototxt", "--weights", "tiny.caffemodel"],
    "inspect": ["inspect", "--model", "train_val.prototxt", "--weights", "tiny.caffemodel", "-o", "out"],
}


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("size", ["0", "-1", "wide", "100000", "4"])
def test_bad_sizes(verb: str, size: str) -> None:
    ran = lungo(*VERBS[verb], "--size", size)
    assert ran.status == 2
    assert "to do: " in ran.err
    assert "Traceback" not in ran.err
    if size == "4":
        assert "the smallest size that works is 5: --size 5" in ran.err
    assert not list(Path().glob("out*"))


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb != "rewrite"])
def test_memory_is_asked_for_before_it_is_taken(verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_limits, "available", lambda: 2_000_000)
    ran = lungo(*VERBS[verb], "--size", "2000")
    assert ran.status == 2
    assert "does not fit into memory at this size" in ran.err
    assert not list(Path().glob("out*"))


@pytest.mark.parametrize("verb", ["convert", "export", "time", "verify"])
def test_nets_whose_weights_depend_on_the_size(verb: str) -> None:
    write("flat", "flat.caffemodel")
    words = [word.replace("deploy", "flat").replace("tiny", "flat") for word in VERBS[verb]]
    ran = lungo(*words, "--size", "40")
    assert ran.status == 2
    assert "the weights of `fc` (InnerProduct) fit only pictures of 24x24" in ran.err
    assert "486 inputs instead of 150" in ran.err
    assert "lungo rewrite --cast all --size 40" in ran.err
    good(
        "rewrite",
        "flat.prototxt",
        "--weights",
        "flat.caffemodel",
        "--cast",
        "all",
        "--size",
        "40",
        "-o",
        "cast.prototxt",
    )


def test_squeezenet_by_size_is_its_template_by_size() -> None:
    found = catalogue.find("squeezenet1.1")
    assert found.weights is not None
    good("rewrite", "squeezenet1.1", "--deploy", "--size", "112", "-o", "small.prototxt")
    good("rewrite", "squeezenet1.1", "--deploy", "-o", "squeeze.prototxt")
    template = read_net(found.deploy, {**found.deploy_variables, "size": 112})
    converted = leaving(examined("squeeze", str(found.weights), size=(112, 112)))
    assert (converted.record.crop_height, converted.record.resize_height) == (112, 128)
    assert any("227 in the weights' record, 112 as asked" in note for note in converted.notes)
    weights = formats.read(found.weights).layers
    picture = np.random.default_rng(0).normal(0, 50, (1, 3, 112, 112)).astype(np.float32)
    expected = blobs(template, weights, picture)("prob")
    for definition in (read_net("small.prototxt"), converted.definition):
        np.testing.assert_array_equal(blobs(definition, weights, picture)("prob"), expected)
    assert expected.max() > 0.001
