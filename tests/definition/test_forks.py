"""What the forks added is none of ours."""

from __future__ import annotations

import pytest

from caffelungo.definition import forks, schema
from caffelungo.definition.fields import message_info
from caffelungo.definition.suggestions import unknown_field
from caffelungo.layers import registry


def test_no_field_and_no_type_of_a_fork_is_one_of_ours() -> None:
    for message, fields in forks.FIELDS.items():
        assert not set(fields) & set(schema.descriptor(message).fields_by_name)
    for types in forks.TYPES.values():
        assert not set(types) & set(registry.layer_types())


@pytest.mark.parametrize(
    ("message", "field", "fork"),
    [
        ("LayerParameter", "prior_box_param", "SSD"),
        ("V1LayerParameter", "roi_pooling_param", "R-CNN"),
        ("ConvolutionParameter", "hole", "DeepLab"),
        ("SolverParameter", "store_blobs_in_old_format", "NVCaffe"),
    ],
)
def test_a_field_is_known_by_its_message(message: str, field: str, fork: str) -> None:
    assert fork in (forks.fork_of(message, field) or "")
    assert forks.fork_of("DropoutParameter", field) is None


@pytest.mark.parametrize(
    ("message", "field", "remedy"),
    [("SolverParameter", "eval_type", "delete it"), ("LayerParameter", "prior_box_param", "`lungo layers` lists")],
)
def test_only_a_net_can_be_written_with_other_layers(message: str, field: str, remedy: str) -> None:
    what, told = unknown_field(message_info(f"caffe.{message}"), field, [])
    assert "it comes from SSD" in what
    assert told.endswith(remedy)


def test_the_remedy_for_an_unknown_type_names_the_fork() -> None:
    assert "SSD" in registry.suggestion("PriorBox")
    assert registry.suggestion("Relu") == 'did you mean "ReLU"?'
