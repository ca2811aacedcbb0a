"""Every layer type of the registry is what its class says it is, and can be grown, costed, drawn and exported."""

from __future__ import annotations

import pytest

from caffelungo.deploy.export import export
from caffelungo.layers import registry
from tests.layers import every_type

TYPES = registry.layer_types()
CHAINED = [name for name, cls in TYPES.items() if cls.neuron or cls.passes_on]


@pytest.mark.parametrize("name", TYPES)
def test_it_is_what_its_class_says(name: str) -> None:
    every_type.hold(name, every_type.example(TYPES[name]))


def test_all_that_stand_in_a_chain_leave_as_onnx_with_the_same_answers() -> None:
    examples = {name: every_type.example(TYPES[name]) for name in CHAINED}
    model = every_type.export_all(examples, export)
    operators = {node.op_type for node in model.graph.node}
    assert {"HardSigmoid", "Elu", "Softplus", "PRelu", "Softmax", "MaxPool"} <= operators
