"""Every layer type of the registry is what its class says it is, and can be grown, costed, drawn and exported."""

from __future__ import annotations

import pytest

from caffelungo.deploy.export import export
from caffelungo.errors import UserError
from caffelungo.layers import registry
from tests.layers import every_type

TYPES = registry.layer_types()
EXAMPLES = {name: every_type.example(cls) for name, cls in TYPES.items() if not cls.source}
UNANSWERING = [name for name in EXAMPLES if TYPES[name].loss or TYPES[name].measures]
"""What a net that answers has no use for."""
EXPORTED = [
    name
    for name, one in EXAMPLES.items()
    if name not in UNANSWERING and one.shapes and all(len(shape) > 1 for shape in one.shapes)
]
"""Types that read pictures or rows of numbers: what a file may take."""


@pytest.mark.parametrize("name", TYPES)
def test_it_is_what_its_class_says(name: str) -> None:
    every_type.hold(name, every_type.example(TYPES[name]))


def test_all_leave_as_onnx_with_the_same_answers() -> None:
    model = every_type.export_all({name: EXAMPLES[name] for name in EXPORTED}, export)
    operators = {node.op_type for node in model.graph.node}
    assert {"HardSigmoid", "Elu", "Softplus", "PRelu", "LRN", "Softmax", "MaxPool", "Conv", "TopK"} <= operators
    assert set(EXAMPLES) - set(EXPORTED) - set(UNANSWERING) == {"BatchReindex", "Embed", "Parameter"}


@pytest.mark.parametrize("name", [*UNANSWERING, "Embed", "BatchReindex"])
def test_what_cannot_leave_alone_is_refused_with_a_remedy(name: str) -> None:
    with pytest.raises(UserError) as caught:
        every_type.export_all({name: EXAMPLES[name]}, export)
    assert all(problem.remedy for problem in caught.value.problems)
