"""Fields of forks that Caffe's own do the work of: the remedy names what exists, and computes the same."""

from __future__ import annotations

import re

import numpy as np
import pytest

from caffelungo.definition import fork_layer_fields
from caffelungo.definition.filter import net_state
from caffelungo.definition.forks import FIELDS, costs_nothing
from caffelungo.definition.reader import parse_net
from caffelungo.definition.schema import TEST, LayerParameter
from caffelungo.errors import UserError
from caffelungo.layers import registry
from caffelungo.plan.build_plan import build_plan

LAYER = 'layer {{ name: "l" type: "{}" bottom: "data" top: "l" {} }}\n'
DATA = 'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 16 dim: 15 } } }\n'


@pytest.mark.parametrize(("message", "field"), fork_layer_fields.known())
def test_it_is_a_field_of_a_fork_and_what_is_to_be_written_exists(message: str, field: str) -> None:
    assert field in FIELDS[message]
    assert not costs_nothing(message, field)
    text = str(fork_layer_fields.remedy(message, field))
    types = registry.layer_types()
    for layer_type in re.findall(r"write a (\w+) layer", text):
        assert layer_type in types
    for block, inside in re.findall(r"(\w+_param) \{ ([^}]*)", text):
        options = LayerParameter.DESCRIPTOR.fields_by_name[block].message_type
        for name in re.findall(r"(\w+)(?::| \{)", inside):
            assert name in options.fields_by_name, name


def shape(layer: str) -> tuple[int | None, ...]:
    message = parse_net(DATA + layer).message
    plan = build_plan(message, net_state(message, TEST))
    found = plan.layers[-1].top_shapes[0]
    assert found is not None
    return found


@pytest.mark.parametrize("hole", [1, 2, 3])
def test_a_hole_is_a_dilation(hole: int) -> None:
    """DeepLab: the kernel reaches over k + (k - 1) (hole - 1) pixels."""
    reach = 3 + 2 * (hole - 1)
    found = shape(LAYER.format("Convolution", f"convolution_param {{ num_output: 2 kernel_size: 3 dilation: {hole} }}"))
    assert found == (1, 2, 16 - reach + 1, 15 - reach + 1)


def test_pooling_by_floor() -> None:
    found = shape(LAYER.format("Pooling", "pooling_param { kernel_size: 2 stride: 2 round_mode: FLOOR }"))
    assert found == (1, 3, int(np.floor((16 - 2) / 2)) + 1, int(np.floor((15 - 2) / 2)) + 1)
    assert shape(LAYER.format("Pooling", "pooling_param { kernel_size: 2 stride: 2 }")) == (1, 3, 8, 8)


def test_a_message_says_it() -> None:
    text = LAYER.format("Convolution", "convolution_param { num_output: 2 kernel_size: 3 hole: 2 cudnn_flavor: MIXED }")
    with pytest.raises(UserError) as caught:
        parse_net(DATA + text)
    hole, flavor = caught.value.problems
    assert (hole.remedy or "").startswith("write `dilation: N`")
    assert flavor.remedy == "delete it"
