"""An old text becomes today's, comments kept, and means what the upgraded message means."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caffelungo.definition import reader
from caffelungo.definition.comments import comments_between
from caffelungo.definition.definition import Definition
from caffelungo.definition.fields import message_info
from caffelungo.definition.schema import NetParameter
from caffelungo.definition.upgrade import upgrade_net
from caffelungo.errors import UserError
from tests.definition.files import definition_files, is_solver
from tests.definition.strategies import messages, written
from tests.support import ASSETS

VALID = ASSETS / "valid"


def _old_files() -> list[tuple[Path, Definition]]:
    result = []
    for path in definition_files():
        try:
            definition = reader.read_solver(path) if is_solver(path) else reader.read_net(path)
        except UserError:
            continue
        if definition.notes:
            result.append((path, definition))
    return result


@pytest.mark.parametrize(("path", "definition"), _old_files(), ids=lambda item: getattr(item, "name", ""))
def test_no_comment_is_lost_and_nothing_is_printed_whole(path: Path, definition: Definition) -> None:
    assert definition.source is not None
    old, new = definition.source.text, definition.text
    assert not new.startswith("# Upgraded from")
    assert not Counter(comments_between(old, 0, len(old))) - Counter(comments_between(new, 0, len(new)))
    parse = reader.parse_solver if is_solver(path) else reader.parse_net
    again = parse(new)
    assert again.message == definition.message
    assert not again.notes
    assert again.text == new


def test_a_v1_net_is_upgraded_token_by_token() -> None:
    assert (
        reader.read_net(VALID / "v1.prototxt").text
        == """\
# A net of 2014.
name: "old"
layer {
  name: "input"
  type: "Input"
  top: "data"
  input_param { shape { dim: 1 dim: 3 dim: 8 dim: 8 } }
}  # one picture
# channels
# first stage
layer {
  name: "conv1"
  type: "Convolution"  # sees the picture
  bottom: "data"
  top: "conv1"
  param { lr_mult: 1 decay_mult: 1 }  # weights
  param { lr_mult: 2 decay_mult: 0 }  # bias
  # none for the bias
  convolution_param { num_output: 4 kernel_size: 3 }
}
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
layer {
  name: "ip"
  type: "InnerProduct"
  bottom: "conv1"
  top: "ip"
  inner_product_param { num_output: 2 }
  param { name: "shared" }
}
"""
    )


def test_transformation_fields_move_with_their_comments() -> None:
    text = reader.read_net(VALID / "v1_data.prototxt").text
    assert (
        """\
  transform_param {
    # to about one
    scale: 0.004  # 1/255
    mirror: true
  }
  data_param {
    source: "train_lmdb"
    batch_size: 8
"""
        in text
    )


def test_a_v0_layer_is_composed_anew_with_its_comments() -> None:
    assert (
        reader.read_net(VALID / "v0.prototxt").text
        == """\
name: "first form"
# a convolution
layer {
  # its options
  name: "conv1"
  type: "Convolution"
  bottom: "data"
  top: "conv1"
  param { lr_mult: 1. }
  param { lr_mult: 2. }
  convolution_param {
    num_output: 4  # filters
    pad: 2
    # size of a filter
    kernel_size: 3
    weight_filler {
      type: "gaussian"
      std: 0.01
    }
  }
}
"""
    )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("layers { name: 'a' type: RELU }", "layer { name: 'a' type: \"ReLU\" }"),
        ("layers { type: 18 }", 'layer { type: "ReLU" }'),
        ("layers { name: 'a' }", "layer { name: 'a' type: \"\" }"),
        ("layers < type: RELU >", 'layer < type: "ReLU" >'),
        ("layers { type: RELU blobs_lr: [1, 0] }", 'layer { type: "ReLU" param { lr_mult: 1 } param { lr_mult: 0 } }'),
        (
            "layers { type: RELU weight_decay: 1 weight_decay: 0 blobs_lr: 3 }",
            'layer { type: "ReLU" param { lr_mult: 3 decay_mult: 1 } param { decay_mult: 0 } }',
        ),
        (
            "layers { type: RELU param: 'w' blob_share_mode: PERMISSIVE }",
            "layer { type: \"ReLU\" param { name: 'w' share_mode: PERMISSIVE } }",
        ),
        (
            "layers { type: DATA data_param { source: 'x' scale: 2 } }",
            "layer { type: \"Data\" transform_param { scale: 2 } data_param { source: 'x' } }",
        ),
        ("layer { name: 'a' }\ninput: 'x' # no shape\n", "layer { name: 'a' }\n# no shape\n"),
    ],
)
def test_short_forms(old: str, new: str) -> None:
    assert reader.parse_net(old).text == new


@pytest.mark.parametrize(
    "text",
    [
        "layers: [ { type: RELU }, { type: SPLIT } ]",
        "layers { type: DATA data_param { scale: 2 } transform_param { scale: 3 mirror: true } }",
        "layers { type: DATA data_param { scale: 2 # two\n mirror: true } }",
        "input: 'x' input_shape { dim: [1, 2] # in\n } input: 'y' input_shape { } layer { bottom: 'x' }",
        "layer { bottom: 'x' } input: 'x' input_dim: 1 input_dim: 2 input_dim: [3, 4]",
        "layers { layer { name: 'p' type: 'padding' pad: 1 } bottom: 'a' top: 'p' } "
        "layers { bottom: 'p' layer { type: 'pool' kernelsize: 3 pool: AVE meanfile: 'm' } top: 'q' }",
        "layer: [ { type: 'BatchNorm' param { } param { } param { lr_mult: 0 } } ]",
    ],
)
def test_exotic_forms_mean_the_same_too(text: str) -> None:
    definition = reader.parse_net(text)
    again = reader.parse_net(definition.text)
    assert again.message == definition.message
    assert not again.notes


def test_a_net_inside_a_solver_is_upgraded() -> None:
    text = "net_param {\n  layers { type: RELU }  # r\n}\nsolver_type: ADAM\n"
    assert reader.parse_solver(text).text == 'net_param {\n  layer { type: "ReLU" }  # r\n}\ntype: "Adam"\n'


def test_line_ends_are_kept() -> None:
    text = (VALID / "v1.prototxt").read_bytes().decode().replace("\n", "\r\n")
    upgraded = reader.parse_net(text).text
    assert upgraded.replace("\r\n", "\n") == reader.read_net(VALID / "v1.prototxt").text
    assert upgraded.count("\n") == upgraded.count("\r\n")


V1 = message_info("caffe.V1LayerParameter")


@st.composite
def _old_nets(draw: st.DrawFn) -> Any:
    net = NetParameter(layers=draw(st.lists(messages(V1, 2), min_size=1, max_size=3)))
    for layer in net.layers:
        layer.ClearField("layer")
        if draw(st.booleans()):
            layer.type = draw(st.sampled_from([5, 12, 24]))
            for name in draw(st.lists(st.sampled_from(["data_param", "image_data_param", "window_data_param"]))):
                getattr(layer, name).scale = 2
                getattr(layer, name).mirror = True
                getattr(layer, name).source = "s"
        layer.blobs_lr.extend(draw(st.lists(st.sampled_from([0, 1, 2]), max_size=3)))
        layer.weight_decay.extend(draw(st.lists(st.sampled_from([0, 1]), max_size=3)))
    for _ in range(draw(st.integers(0, 2))):
        net.input.append("x")
        net.input_shape.add(dim=[1, 2])
    return net


@given(st.data())
def test_an_old_net_in_any_layout_a_hand_may_write(data: st.DataObject) -> None:
    net = data.draw(_old_nets(), label="net")
    text = data.draw(written(net), label="text")
    definition = reader.parse_net(text)
    expected = NetParameter()
    expected.CopyFrom(net)
    upgrade_net(expected)
    assert definition.message == expected
    again = reader.parse_net(definition.text)
    assert again.message == expected
    assert not again.notes
