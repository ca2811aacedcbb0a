"""Upgrades give what Caffe's own upgrade tools wrote, and say what they changed."""

from __future__ import annotations

from pathlib import Path

import pytest
from google.protobuf import text_format

from caffelungo.definition.schema import LayerParameter, NetParameter, SolverParameter, descriptor
from caffelungo.definition.upgrade import SOLVER_TYPES, V1_TYPES, is_current, upgrade_net, upgrade_solver
from caffelungo.definition.upgrade_v0 import FIELDS, V0_TYPES
from caffelungo.errors import Location, UserError
from tests.support import needs_shared, shared


def net(text: str):
    return text_format.Parse(text, NetParameter())


def upgraded(text: str):
    message = net(text)
    return message, upgrade_net(message)


def read(path: Path, message):
    return text_format.Parse(path.read_text(encoding="latin-1"), message)


@needs_shared
@pytest.mark.parametrize("name", ["v0_net", "v1_net", "feat_net", "data_old_transform"])
def test_a_net_becomes_what_the_original_tool_wrote(name):
    message = read(shared("reference/caffe/tools", f"{name}.prototxt"), NetParameter())
    upgrade_net(message)
    assert message == read(shared("reference/caffe/tools", f"{name}_upgraded.prototxt"), NetParameter())


@needs_shared
def test_a_solver_becomes_what_the_original_tool_wrote():
    message = read(shared("reference/caffe/tools/old_solver.prototxt"), SolverParameter())
    assert upgrade_solver(message) == ['`solver_type: NESTEROV` became `type: "Nesterov"`']
    assert message == read(shared("reference/caffe/tools/old_solver_upgraded.prototxt"), SolverParameter())


@needs_shared
def test_every_public_net_becomes_current_and_stays_so():
    files = [file for folder in ("corpus/bvlc", "models") for file in shared(folder).rglob("*.prototxt")]
    nets = [file for file in files if "solver" not in file.name]
    assert len(nets) > 60
    old = 0
    for file in nets:
        message = read(file, NetParameter())
        layers = len(message.layers) + len(message.layer) + bool(message.input)
        notes = upgrade_net(message)
        old += bool(notes)
        assert is_current(message), file
        assert len(message.layer) == layers, file
        again = NetParameter()
        again.CopyFrom(message)
        assert upgrade_net(again) == []
        assert again == message
    assert old > 40


def test_v0_layers_and_padding():
    message, notes = upgraded("""
        input: "data" input_dim: 1 input_dim: 3 input_dim: 8 input_dim: 8 force_backward: true
        layers { layer { name: "pad" type: "padding" pad: 2 } bottom: "data" top: "padded" }
        layers { layer { name: "conv" type: "conv" num_output: 4 kernelsize: 3 stride: 2 group: 1 biasterm: false
                         blobs_lr: 1 weight_decay: 2 } bottom: "padded" top: "conv" }
        layers { layer { name: "pool" type: "pool" pool: AVE kernelsize: 2 local_size: 3 } bottom: "conv" top: "pool" }
        layers { layer { name: "out" type: "hdf5_output" hdf5_output_param { file_name: "x" } } bottom: "pool" }""")
    assert message == net("""
        force_backward: true
        layer { name: "input" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 8 dim: 8 } } }
        layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" param { lr_mult: 1 decay_mult: 2 }
                convolution_param { num_output: 4 pad: 2 kernel_size: 3 stride: 2 group: 1 bias_term: false } }
        layer { name: "pool" type: "Pooling" bottom: "conv" top: "pool" pooling_param { pool: AVE kernel_size: 2 } }
        layer { name: "out" type: "HDF5Output" bottom: "pool" hdf5_output_param { file_name: "x" } }""")
    assert notes == [
        "4 V0 layers (`layers { layer }`) rewritten as `layer`",
        "1 padding layer became `pad` of the layers above",
        "V0 fields without meaning in their layer were dropped: `local_size` of `pool` (pool)",
        "`input` and `input_dim` became the Input layer `input` (data)",
    ]


def test_unknown_v0_types_are_told_together_with_their_place():
    message = net("""layers { layer { name: "a" type: "convv" } top: "a" }
                     layers { layer { name: "b" type: "qqq" } top: "b" }""")
    with pytest.raises(UserError) as error:
        upgrade_net(message, lambda *path: Location("net.prototxt", 10 + path[1]))
    first, second = error.value.problems
    assert str(first.where) == "net.prototxt:10"
    assert first.received == 'type: "convv"'
    assert first.remedy == 'did you mean "conv"?'
    assert str(second.where) == "net.prototxt:11"
    assert "innerproduct" in str(second.remedy)


def test_a_padding_layer_before_something_that_cannot_pad_is_refused():
    message = net("""layers { layer { name: "pad" type: "padding" pad: 2 } bottom: "data" top: "p" }
                     layers { layer { name: "fc" type: "innerproduct" } bottom: "p" top: "fc" }""")
    with pytest.raises(UserError, match="padding layer `pad` feeds layer `fc`"):
        upgrade_net(message)


def test_v1_params_and_transformations():
    message, notes = upgraded("""
        layers { name: "d" type: IMAGE_DATA top: "d" image_data_param { source: "x" scale: 0.5 mirror: true } }
        layers { name: "ip" type: INNER_PRODUCT bottom: "d" top: "ip" param: "w" param: "" blob_share_mode: PERMISSIVE
                 blobs_lr: 1 blobs_lr: 2 weight_decay: 1 weight_decay: 0 loss_weight: 3 include { phase: TEST } }
        layers { name: "none" bottom: "ip" }""")
    assert message == net("""
        layer { name: "d" type: "ImageData" top: "d" image_data_param { source: "x" }
                transform_param { scale: 0.5 mirror: true } }
        layer { name: "ip" type: "InnerProduct" bottom: "d" top: "ip" loss_weight: 3 include { phase: TEST }
                param { name: "w" share_mode: PERMISSIVE lr_mult: 1 decay_mult: 1 }
                param { name: "" lr_mult: 2 decay_mult: 0 } }
        layer { name: "none" type: "" bottom: "ip" }""")
    assert notes == [
        "2 transformation fields of data layers moved into `transform_param`",
        "3 V1 layers (`layers`) rewritten as `layer`",
    ]


def test_old_and_new_layers_in_one_file_are_refused():
    message = net('layer { name: "a" } layers { name: "b" }')
    with pytest.raises(UserError, match="both old `layers` and new `layer`") as error:
        upgrade_net(message, lambda *path: Location("n.prototxt", 3))
    assert "n.prototxt:3" in str(error.value)
    assert len(message.layers) == len(message.layer) == 1


def test_inputs_with_shapes_go_first():
    message, notes = upgraded("""
        input: "a" input: "b" input_shape { dim: 2 } input_shape { dim: 1 dim: 5 } layer { name: "x" bottom: "a" }""")
    assert [layer.name for layer in message.layer] == ["input", "x"]
    assert message.layer[0] == text_format.Parse(
        'name: "input" type: "Input" top: "a" top: "b" input_param { shape { dim: 2 } shape { dim: 1 dim: 5 } }',
        LayerParameter(),
    )
    assert notes == ["`input` and `input_shape` became the Input layer `input` (a, b)"]


def test_an_input_without_shape_is_dropped_as_in_old_weights():
    message, notes = upgraded('input: "data" layer { name: "x" }')
    assert [layer.name for layer in message.layer] == ["x"]
    assert not message.input
    assert notes == ["`input` without a shape was dropped (data)"]


@pytest.mark.parametrize(
    ("text", "received"),
    [
        ('input: "a" input_dim: 1 input_dim: 3', "2 for 1 input"),
        ('input: "a" input: "b" input_shape { dim: 1 }', "1 for 2"),
    ],
)
def test_too_few_sizes_of_inputs_are_refused(text, received):
    message = net(text)
    with pytest.raises(UserError) as error:
        upgrade_net(message)
    assert error.value.problems[0].received == received
    assert "input_shape {" in str(error.value.problems[0].remedy)


def test_batch_norm_statistics_are_not_learned():
    message, notes = upgraded("""
        layer { name: "bn" type: "BatchNorm" param { name: "m" lr_mult: 1 } param { decay_mult: 1 } param {} }
        layer { name: "bn2" type: "BatchNorm" param { lr_mult: 1 } }
        layer { name: "ok" type: "BatchNorm" param { lr_mult: 0 decay_mult: 0 } param { lr_mult: 0 decay_mult: 0 }
                                             param { lr_mult: 0 decay_mult: 0 } }""")
    zero = "lr_mult: 0 decay_mult: 0"
    assert message.layer[0] == text_format.Parse(
        f'name: "bn" type: "BatchNorm" param {{ name: "m" {zero} }} param {{ {zero} }} param {{ {zero} }}',
        LayerParameter(),
    )
    assert message.layer[1].param[0].lr_mult == 1
    assert notes == ["1 BatchNorm layer: lr_mult and decay_mult of the statistics set to 0"]


def test_a_solver_with_both_spellings_of_its_type_is_refused():
    message = text_format.Parse('solver_type: ADAM type: "SGD"', SolverParameter())
    with pytest.raises(UserError, match="both `solver_type` and `type`") as error:
        upgrade_solver(message, lambda *path: Location("s.prototxt", 4))
    assert "s.prototxt:4" in str(error.value)


def test_nets_inside_a_solver_are_upgraded():
    message = text_format.Parse('net_param { layers { name: "x" type: RELU } } type: "SGD"', SolverParameter())
    assert upgrade_solver(message) == ["net_param: 1 V1 layer (`layers`) rewritten as `layer`"]
    assert message.net_param.layer[0].type == "ReLU"


def test_the_tables_cover_the_schema():
    v1 = descriptor("V1LayerParameter").enum_types_by_name["LayerType"].values_by_name
    assert set(V1_TYPES) == set(v1)
    assert set(V0_TYPES.values()) <= set(v1)
    solver = descriptor("SolverParameter").enum_types_by_name["SolverType"].values_by_name
    assert set(SOLVER_TYPES) == set(solver)
    kept = {"name", "type", "blobs", "blobs_lr", "weight_decay", "new_num", "new_channels"}
    assert {field.name for field in descriptor("V0LayerParameter").fields} == set(FIELDS) | kept
