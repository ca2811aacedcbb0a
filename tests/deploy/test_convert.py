"""Foreign nets leave by one command, or every reason why they cannot is told and nothing is written."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from caffelungo.cli.main import call
from caffelungo.definition import catalogue
from caffelungo.definition.reader import parse_net
from caffelungo.definition.schema import Preprocessing
from caffelungo.deploy.convert import convert, examine
from caffelungo.deploy.exportable_net import open_exportable
from caffelungo.deploy.exportable_part import cut
from caffelungo.deploy.options import ConvertOptions, ExportOptions
from caffelungo.errors import Problem, UserError
from caffelungo.inference import picture_input
from caffelungo.inference.metadata import read as read_metadata
from caffelungo.inference.runtime import open_session
from caffelungo.layers import registry
from caffelungo.verify.verify import VerifyOptions, verify
from caffelungo.weights import caffemodel, formats, meanfile
from caffelungo.weights.weights import Weights
from tests.deploy.nets import SMALL, TRAIN_VAL, random_weights
from tests.support import needs_shared, shared

FORK = """
name: "fork"
layer { name: "data" type: "AnnotatedData" top: "data" top: "label" transform_param { crop_size: 12 }
  annotated_data_param { anno_type: BBOX } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
  convolution_param { num_output: 4 kernel_size: 3 } }
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
layer { name: "perm" type: "Permute" bottom: "conv1" top: "perm"
  permute_param { order: 0 order: 2 order: 3 order: 1 } }
layer { name: "conv2" type: "Convolution" bottom: "conv1" top: "conv2"
  convolution_param { num_output: 2 kernel_size: 1 } }
layer { name: "perm2" type: "Permute" bottom: "conv2" top: "perm2"
  permute_param { order: 0 order: 2 order: 3 order: 1 } }
layer { name: "center" type: "CenterLoss" bottom: "conv2" bottom: "label" top: "center" loss_weight: 0.1
  center_loss_param { num_output: 2 } }
"""

V1 = """
name: "old"
input: "data" input_dim: 10 input_dim: 1 input_dim: 12 input_dim: 12
layers { name: "conv1" type: CONVOLUTION bottom: "data" top: "conv1" blobs_lr: 1 blobs_lr: 2
  convolution_param { num_output: 3 kernel_size: 5 } }
layers { name: "pool1" type: POOLING bottom: "conv1" top: "pool1" pooling_param { kernel_size: 3 stride: 2 } }
layers { name: "ip" type: INNER_PRODUCT bottom: "pool1" top: "ip" inner_product_param { num_output: 4 } }
layers { name: "prob" type: SOFTMAX bottom: "ip" top: "prob" }
"""

UNSIZED = """
layer { name: "digits" type: "Data" top: "data" top: "label"
  data_param { source: "gone" batch_size: 2 } transform_param { scale: 0.5 } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
  convolution_param { num_output: 3 kernel_size: 5 } }
layer { name: "pool1" type: "Pooling" bottom: "conv1" top: "pool1" pooling_param { kernel_size: 2 stride: 2 } }
layer { name: "ip" type: "InnerProduct" bottom: "pool1" top: "ip" inner_product_param { num_output: 4 } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }
"""

SIZED = UNSIZED.replace('type: "Data"', 'type: "DummyData"').replace(
    'data_param { source: "gone" batch_size: 2 }',
    "dummy_data_param { shape { dim: 1 dim: 1 dim: 28 dim: 28 } shape { dim: 1 } }",
)

SEVERAL = """
layer { name: "left" type: "Input" top: "left" input_param { shape { dim: 1 dim: 5 dim: 6 dim: 6 } } }
layer { name: "right" type: "Input" top: "right" input_param { shape { dim: 1 dim: 2 } } }
layer { name: "conv" type: "Convolution" bottom: "left" top: "conv" convolution_param { num_output: 3 kernel_size: 3 } }
layer { name: "ip" type: "InnerProduct" bottom: "right" top: "ip" inner_product_param { num_output: 3 } }
layer { name: "add" type: "Bias" bottom: "conv" bottom: "ip" top: "add" bias_param { axis: 0 } }
layer { name: "squash" type: "TanH" bottom: "ip" top: "squash" }
"""


def model(folder: Path, text: str, name: str = "net.prototxt") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def remedies(error: UserError) -> str:
    return str(error)


def test_deploy_file_and_caffemodel(tmp_path: Path) -> None:
    caffemodel.write(tmp_path / "x.caffemodel", random_weights(SMALL))
    (tmp_path / "labels.txt").write_text("a\nb\nc\nd\ne\n")
    call(
        ["convert", str(model(tmp_path, SMALL)), str(tmp_path / "x.caffemodel"), "-o", str(tmp_path / "x.onnx"),
         "--mean", "104,117,123", "--scale", "0.0625", "--channel-order", "rgb", "--resize", "20",
         "--labels", str(tmp_path / "labels.txt")]
    )  # fmt: skip
    session = open_session(tmp_path / "x.onnx", "cpu")
    told = read_metadata(session.metadata, "x.onnx")
    assert told.labels == ["a", "b", "c", "d", "e"]
    assert told.record == Preprocessing(
        channel_order=Preprocessing.RGB, resize_shorter=20, crop_height=13, crop_width=11, mean_value=[104, 117, 123],
        scale=0.0625,
    )  # fmt: skip
    images = np.random.default_rng(0).integers(0, 256, (3, 13, 11, 3), np.uint8)
    by_hand = (images.transpose(0, 3, 1, 2) - np.float32([104, 117, 123])[:, None, None]) * np.float32(0.0625)
    np.testing.assert_allclose(picture_input.apply(told.record, images), by_hand, rtol=1e-6)
    bare = convert(tmp_path / "net.prototxt", tmp_path / "x.caffemodel", tmp_path / "bare.onnx",
                   ConvertOptions(preprocess=False))  # fmt: skip
    assert bare.inputs == ["data"]
    expected = open_session(bare.path, "cpu").run({"data": by_hand.astype(np.float32)})["prob"]
    np.testing.assert_allclose(session.run({"image": images})["prob"], expected, atol=1e-5)


def test_what_was_assumed_is_said(tmp_path: Path) -> None:
    made = convert(model(tmp_path, SMALL), random_weights(SMALL), tmp_path / "x.onnx")
    assert any("assumed" in note and "--mean" in note for note in made.notes)
    stated = ConvertOptions(mean=[0], scale=1, channel_order="bgr", resize=(13, 11))
    made = convert(tmp_path / "net.prototxt", random_weights(SMALL), tmp_path / "x.onnx", stated)
    assert not any("assumed" in note for note in made.notes)
    assert not made.metadata.record.assumed


def test_a_mean_picture_larger_than_the_crop_is_cut(tmp_path: Path) -> None:
    mean = np.random.default_rng(0).uniform(90, 130, (3, 17, 15)).astype(np.float32)
    meanfile.write(tmp_path / "mean.binaryproto", mean)
    options = ConvertOptions(mean_file=tmp_path / "mean.binaryproto", channel_order="rgb")
    made = convert(model(tmp_path, SMALL), random_weights(SMALL), tmp_path / "x.onnx", options)
    record = made.metadata.record
    assert tuple(record.mean_image_shape) == (3, 13, 11)
    got = np.float32(record.mean_image).reshape(3, 13, 11)
    np.testing.assert_array_equal(got, mean[::-1, 2:15, 2:13])


def test_old_format_and_hdf5_weights(tmp_path: Path) -> None:
    formats.write(tmp_path / "x.caffemodel.h5", random_weights(V1))
    made = convert(model(tmp_path, V1), tmp_path / "x.caffemodel.h5", tmp_path / "x.onnx")
    assert made.metadata.input.channels == "GRAY"
    assert made.operators["Gemm"] == 1
    assert made.parity.top1 is not None


def test_train_val(tmp_path: Path) -> None:
    made = convert(model(tmp_path, TRAIN_VAL), random_weights(TRAIN_VAL), tmp_path / "x.onnx")
    assert made.outputs == ["prob"]
    assert "BatchNormalization" not in made.operators


def test_the_weights_tell_the_size_of_a_picture(tmp_path: Path) -> None:
    made = convert(model(tmp_path, UNSIZED), random_weights(SIZED), tmp_path / "x.onnx")
    assert any("1x28x28" in note and "--shape" in note for note in made.notes)
    assert open_session(made.path, "cpu").shapes["image"][1:] == [28, 28, 1]


def test_several_inputs_and_outputs_and_no_classifier(tmp_path: Path) -> None:
    made = convert(model(tmp_path, SEVERAL), random_weights(SEVERAL), tmp_path / "x.onnx", ConvertOptions(batch=1))
    assert made.inputs == ["left", "right"]
    assert made.outputs == ["add", "squash"]
    assert made.metadata.classifier is None


def test_blobs_that_are_asked_for_come_out(tmp_path: Path) -> None:
    options = ConvertOptions(outputs=["conv1", "norm1"])
    made = convert(model(tmp_path, SMALL), random_weights(SMALL), tmp_path / "x.onnx", options)
    assert made.outputs == ["conv1", "norm1"]
    assert made.operators["LRN"] == 1
    assert "Gemm" not in made.operators
    with pytest.raises(UserError, match="did you mean `norm1`"):
        convert(
            tmp_path / "net.prototxt", random_weights(SMALL), tmp_path / "y.onnx", ConvertOptions(outputs=["norm2"])
        )


def test_a_fixed_number_of_pictures(tmp_path: Path) -> None:
    made = convert(model(tmp_path, SMALL), random_weights(SMALL), tmp_path / "x.onnx", ConvertOptions(batch=3))
    graph = onnx.load(made.path).graph
    assert [d.dim_value for d in graph.input[0].type.tensor_type.shape.dim] == [3, 13, 11, 3]
    assert made.parity.real % 3 == 0


def test_grey_pictures_of_a_data_layer(tmp_path: Path) -> None:
    """LeNet's train_val file says is_color: false; taken for colour, its own weights would not fit."""
    lenet = catalogue.find("lenet")
    found = examine(lenet.train_val, None, tmp_path / "x.onnx")
    assert found.problems == []
    assert found.net is not None
    assert found.net.inputs == {"data": (1, 1, 28, 28)}


def test_a_net_is_read_in_the_stage_in_which_it_fits_together_and_the_note_says_so(tmp_path: Path) -> None:
    staged = UNSIZED.replace("scale: 0.5 }", "crop_size: 12 } include { phase: TEST stage: 'held-out' }")
    found = examine(model(tmp_path, staged), None, tmp_path / "x.onnx")
    assert found.problems == []
    assert any("stage `held-out`" in note for note in found.notes)
    asked = examine(tmp_path / "net.prototxt", None, tmp_path / "x.onnx", ConvertOptions(stages=["held-out"]))
    assert asked.problems == []
    assert not any("held-out" in note for note in asked.notes)


def test_a_mean_picture_that_is_gone_is_told_with_all_else(tmp_path: Path) -> None:
    """A mean that is given stands above the file that the data layer names."""
    lost = UNSIZED.replace("scale: 0.5", 'scale: 0.5 mean_file: "mean.binaryproto"')
    path = model(tmp_path, lost)
    told = remedies(UserError(examine(path, None, tmp_path / "x.onnx").problems))
    assert "mean file not found" in told
    assert "--mean 104,117,123" in told
    assert "--shape data:3x227x227" in told
    weights = random_weights(SIZED)
    with pytest.raises(UserError, match="mean file not found"):
        convert(path, weights, tmp_path / "x.onnx")
    assert not (tmp_path / "x.onnx").exists()
    made = convert(path, weights, tmp_path / "x.onnx", ConvertOptions(mean=[33]))
    assert list(made.metadata.record.mean_value) == [33]
    assert made.metadata.record.scale == 0.5


def test_every_obstacle_is_listed_and_nothing_is_written(tmp_path: Path) -> None:
    weights = Weights({"conv1": [np.zeros((4, 3, 5, 5), np.float32), np.zeros(4, np.float32)]})
    with pytest.raises(UserError) as raised:
        convert(model(tmp_path, FORK), weights, tmp_path / "missing" / "x.onn")
    told = remedies(raised.value)
    assert "end in .onnx" in told
    assert "does not exist" in told
    assert "2 layers of type Permute" in told
    assert "`perm` (line 8), `perm2` (line 12)" in told
    assert "CenterLoss" not in told
    assert "AnnotatedData" not in told
    assert "no field `permute_param`" not in told  # said once, with the type
    assert "--outputs conv2" in told
    assert list(tmp_path.iterdir()) == [tmp_path / "net.prototxt"]


def test_a_fork_s_net_up_to_what_caffe_has(tmp_path: Path) -> None:
    plain = FORK.replace("AnnotatedData", "DummyData").replace(
        "annotated_data_param { anno_type: BBOX }",
        "dummy_data_param { shape { dim: 1 dim: 3 dim: 12 dim: 12 } shape { dim: 1 } }",
    )
    dropped = ("ermute", "perm", "enter")
    weights = random_weights("\n".join(line for line in plain.splitlines() if not any(w in line for w in dropped)))
    made = convert(model(tmp_path, FORK), weights, tmp_path / "x.onnx", ConvertOptions(outputs=["conv2"]))
    assert made.outputs == ["conv2"]
    assert made.operators["Conv"] == 2
    assert open_session(made.path, "cpu").shapes["image"][1:] == [12, 12, 3]


def test_weights_and_flags_that_do_not_fit_are_told_together(tmp_path: Path) -> None:
    weights = random_weights(SMALL)
    del weights.layers["fc3"]
    weights.layers["conv1"][0] = np.zeros((6, 4, 3, 3), np.float32)
    (tmp_path / "labels.txt").write_text("a\nb\n")
    options = ConvertOptions(mean=[1, 2], labels=tmp_path / "labels.txt")
    with pytest.raises(UserError) as raised:
        convert(model(tmp_path, SMALL), weights, tmp_path / "x.onnx", options)
    told = remedies(raised.value)
    for part in ("`conv1` differ in shape", "`fc3`", "2 labels for 5 classes", "--mean takes"):
        assert part in told
    assert not (tmp_path / "x.onnx").exists()


def test_the_file_s_own_number_of_pictures_is_named(tmp_path: Path) -> None:
    ten = SMALL.replace("dim: 1 dim: 3 dim: 13", "dim: 10 dim: 3 dim: 13").replace(
        'layer { name: "norm1"',
        'layer { name: "again" type: "Reshape" bottom: "pool1" top: "again" '
        'reshape_param { shape { dim: 10 dim: 180 } } } layer { name: "norm1"',
    )
    with pytest.raises(UserError, match="--batch 10"):
        convert(model(tmp_path, ten), random_weights(SMALL), tmp_path / "x.onnx")
    made = convert(tmp_path / "net.prototxt", random_weights(SMALL), tmp_path / "x.onnx", ConvertOptions(batch=10))
    assert sorted(made.outputs) == ["again", "prob"]


def test_a_net_that_fixes_the_batch_is_told_the_flag(tmp_path: Path) -> None:
    fixed = (
        'layer { name: "as" type: "Reshape" bottom: "pool1" top: "as" '
        "reshape_param { shape { dim: 1 dim: 6 dim: 30 } } }"
    )
    text = SMALL.replace('layer { name: "norm1"', fixed + ' layer { name: "norm1"')
    with pytest.raises(UserError, match=r"`as` \(Reshape\) mixes") as raised:
        convert(model(tmp_path, text), random_weights(text), tmp_path / "x.onnx")
    assert "--batch 1" in remedies(raised.value)
    assert "`conv1`" not in remedies(raised.value)
    made = convert(tmp_path / "net.prototxt", random_weights(text), tmp_path / "x.onnx", ConvertOptions(batch=1))
    assert sorted(made.outputs) == ["as", "prob"]


def test_foreign_fields_of_needed_layers_stand_in_the_way(tmp_path: Path) -> None:
    text = SMALL.replace('type: "Softmax" ', 'type: "Softmax" softmax_param { normalize_type: 2 } ')
    with pytest.raises(UserError, match=r"net.prototxt:13:\d+: SoftmaxParameter has no field"):
        convert(model(tmp_path, text), random_weights(SMALL), tmp_path / "x.onnx")
    with pytest.raises(UserError, match="no field"):
        parse_net(text)
    made = convert(
        tmp_path / "net.prototxt", random_weights(SMALL), tmp_path / "x.onnx", ConvertOptions(outputs=["fc3"])
    )
    assert made.outputs == ["fc3"]


def test_fields_that_say_how_a_fork_computes_cost_nothing(tmp_path: Path) -> None:
    fp16 = "default_forward_type: FLOAT16 default_backward_math: FLOAT16 global_grad_scale: 2.5\n"
    text = fp16 + SMALL.replace(
        'name: "conv1" type', "name: \"conv1\" forward_math: FLOAT16 engine: 'MKLDNN' type"
    ).replace("num_output: 6", 'num_output: 6 conv_algos_override: "1,-1,-1"', 1)
    weights = random_weights(SMALL)
    images = np.random.default_rng(0).uniform(-1, 1, (2, 3, 13, 11)).astype(np.float32)
    answers = []
    for name, one in (("plain", SMALL), ("fork", text)):
        made = convert(
            model(tmp_path, one, f"{name}.prototxt"), weights, tmp_path / f"{name}.onnx",
            ConvertOptions(preprocess=False),
        )  # fmt: skip
        answers.append(open_session(made.path, "cpu").run({"data": images})["prob"])
    np.testing.assert_array_equal(answers[0], answers[1])
    note = next(note for note in made.notes if "how a fork computes" in note)
    assert set(re.findall(r"`(\w+)`", note)) == {
        "default_forward_type", "default_backward_math", "global_grad_scale", "forward_math", "engine",
        "conv_algos_override",
    }  # fmt: skip


@pytest.mark.parametrize("place", ["{field} {net}", "{net} {field}"])
def test_a_fork_s_field_of_the_net_itself_stands_in_the_way_of_every_output(tmp_path: Path, place: str) -> None:
    """Also behind a last layer that no output needs."""
    text = place.format(field="compile_net_state { bn_scale_remove: true }", net=FORK)
    with pytest.raises(UserError) as raised:
        convert(model(tmp_path, text), Weights({}), tmp_path / "x.onnx", ConvertOptions(outputs=["conv2"]))
    assert "no field `compile_net_state`; it comes from Intel Caffe" in remedies(raised.value)
    with pytest.raises(UserError) as raised:
        convert(tmp_path / "net.prototxt", Weights({}), tmp_path / "x.onnx")
    told = remedies(raised.value)
    assert "compile_net_state" in told
    assert "2 layers of type Permute" in told
    assert "--outputs conv2" in told


def test_a_misspelled_layer_is_told_alone(tmp_path: Path) -> None:
    with pytest.raises(UserError) as raised:
        convert(model(tmp_path, SMALL.replace("layer {", "layr {", 1)), Weights({}), tmp_path / "x.onnx")
    assert [problem.remedy for problem in raised.value.problems] == ["did you mean `layer`?"]


def test_two_data_layers_may_bear_one_name(tmp_path: Path) -> None:
    twice = FORK.replace(
        'type: "AnnotatedData" top: "data" top: "label" transform_param { crop_size: 12 }\n'
        "  annotated_data_param { anno_type: BBOX } }",
        'type: "DummyData" top: "data" dummy_data_param { shape { dim: 1 dim: 3 dim: 12 dim: 12 } } }\n'
        'layer { name: "data" type: "DummyData" top: "label" dummy_data_param { shape { dim: 1 } } }',
    )
    twice = twice.replace('type: "CenterLoss"', 'type: "EvalDetection"').replace(" loss_weight: 0.1", "")
    with pytest.raises(UserError) as raised:
        convert(model(tmp_path, twice), Weights({}), tmp_path / "x.onnx")
    told = remedies(raised.value)
    assert 'type: "EvalDetection"' in told
    assert "the size of input `label` is unknown" in told


@needs_shared
def test_the_corpus_of_forks_is_refused_with_complete_lists(tmp_path: Path) -> None:
    """Each with what can leave of it; a net of Caffe's layers alone leaves whole, whatever computed it."""
    nets = sorted(shared("corpus", "forks").glob("*/*deploy*.prototxt")) + sorted(
        shared("corpus", "forks").glob("rbgirshick*/*test.prototxt")
    )
    refused = 0
    for path in nets:
        with pytest.raises(UserError) as raised:
            convert(path, Weights({"x": [np.zeros(1, np.float32)]}), tmp_path / "x.onnx")
        if "template" in path.name or "--outputs" in remedies(raised.value):
            refused += 1
            continue
        found = examine(path, None, tmp_path / "x.onnx")
        types = set(re.findall(r'\btype: *"([A-Z]\w*)"', path.read_text()))
        assert found.problems == [], path
        assert types <= set(registry.layer_types()), path
        assert any("how a fork computes" in note for note in found.notes), path
    assert refused > 5


HELD = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 1 dim: 1 } } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
  convolution_param { num_output: 4 kernel_size: 3 } }
layer { name: "pool1" type: "Pooling" bottom: "conv1" top: "pool1" pooling_param { kernel_size: 3 } }
"""


@pytest.mark.parametrize("options", [{"size": (9, 12)}, {"shapes": {"data": (3, 9, 12)}}])
def test_the_size_that_is_asked_for_is_judged(options: dict[str, Any], tmp_path: Path) -> None:
    """Not the place-holder in the file, whichever way it is asked; and what is asked must fit."""
    net = tmp_path / "net.prototxt"
    net.write_text(HELD)
    weights = random_weights(HELD.replace("dim: 1 dim: 1 }", "dim: 9 dim: 12 }"))
    found = examine(net, weights, tmp_path / "x.onnx", ConvertOptions(**options))
    assert not found.problems
    assert found.net is not None
    assert found.net.plan.blobs["pool1"] == (1, 4, 5, 8)
    assert open_exportable(net, weights, ExportOptions(**options)).net.plan.blobs["pool1"] == (1, 4, 5, 8)
    verified = verify(VerifyOptions(str(net), str(net), random=2, **options))
    assert verified.blobs[-1].shape == (2, 4, 5, 8)
    small: dict[str, Any] = {key: (2, 2) if key == "size" else {"data": (3, 2, 2)} for key in options}
    (problem, *_) = examine(net, weights, tmp_path / "x.onnx", ConvertOptions(**small)).problems
    assert "impossible shape" in problem.what
    assert "bottom 1x3x2x2" in (problem.received or "")


@pytest.mark.parametrize(
    ("bottoms", "told", "untold"),
    [
        ([2], ["max-unpooling", "the rest is 0", "mask"], "bilinear"),
        ([1], ["Deconvolution", "weights of 1", "bilinear"], "unpooling"),
        ([2, 1], ["max-unpooling", "the rest is 0", "write a Deconvolution"], "other"),
    ],
)
def test_unpooling_is_no_interpolation(bottoms: list[int], told: list[str], untold: str, tmp_path: Path) -> None:
    text = (
        'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 8 dim: 8 } } }\n'
        'layer { name: "bn" type: "BN" bottom: "data" top: "bn" bn_param { bn_mode: INFERENCE } }\n'
        'layer { name: "p" type: "Pooling" bottom: "bn" top: "p" top: "m" pooling_param { kernel_size: 2 } }\n'
    )
    for number, count in enumerate(bottoms):
        mask = 'bottom: "m"' if count == 2 else ""
        text += f'layer {{ name: "up{number}" type: "Upsample" bottom: "p" {mask} top: "up{number}" }}\n'
    (tmp_path / "net.prototxt").write_text(text)
    found: dict[str, str] = {}
    for one in _unknown_types(tmp_path / "net.prototxt"):
        found[one.received or ""] = found.get(one.received or "", "") + (one.remedy or "")
    assert all(word in found['type: "Upsample"'] for word in told)
    assert untold not in found['type: "Upsample"']
    assert "BatchNorm followed by Scale" in found['type: "BN"']
    assert "Scale { bias_term: true } alone" in found['type: "BN"']


def _unknown_types(net: Path) -> list[Problem]:
    problems = examine(net, None, net.with_name("x.onnx"), ConvertOptions()).problems
    return [one for one in problems if "unknown layer type" in one.what]


@pytest.mark.parametrize(
    ("bottom", "size", "suggested"), [("data", 2, True), ("nothing", 2, False), ("data", 0, False), ("z", 2, False)]
)
def test_outputs_that_cannot_be_converted_either_are_not_suggested(bottom: str, size: int, suggested: bool) -> None:
    net = parse_net(
        'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 } } }\n'
        'layer { name: "z" type: "Zork" bottom: "data" top: "z" }\n'
        f'layer {{ name: "ip" type: "InnerProduct" bottom: "{bottom}" top: "ip"\n'
        f"  inner_product_param {{ num_output: {size} }} }}\n"
    )
    assert any("--outputs ip" in (one.remedy or "") for one in cut(net).problems) == suggested
