"""What the forks added is none of ours."""

from __future__ import annotations

import csv

import pytest

from caffelungo.definition import fork_fields, fork_names, forks, schema
from caffelungo.definition.fields import message_info
from caffelungo.definition.unknown_names import unknown_field
from caffelungo.layers import registry
from tests.support import needs_shared, shared

TAGS = {
    "crnn": fork_names.CRNN, "enet": fork_names.SEGNET, "face": fork_names.FACE, "fastrcnn": fork_names.RCNN,
    "frcnn": fork_names.RCNN, "happynear": fork_names.WINDOWS, "intel": fork_names.INTEL,
    "jolibrain": fork_names.JOLIBRAIN, "nv": fork_names.NV, "parsenet": fork_names.PARSENET,
    "pspnet": fork_names.PSPNET, "rfcn": fork_names.RFCN, "segnet": fork_names.SEGNET,
    "sphereface": fork_names.SPHEREFACE, "ssd": fork_names.SSD,
}  # fmt: skip
"""How the list of the forks' schemas calls them, and how messages do."""


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
        ("SolverParameter", "local_lr_auto", "Intel"),
        ("V1LayerParameter", "prelu_param", "caffe-windows"),
    ],
)
def test_a_field_is_known_by_its_message(message: str, field: str, fork: str) -> None:
    assert fork in (forks.fork_of(message, field) or "")
    assert forks.fork_of("DropoutParameter", field) is None


def test_a_field_of_a_net_can_be_written_with_other_layers() -> None:
    what, told = unknown_field(message_info("caffe.LayerParameter"), "prior_box_param", [])
    assert "it comes from SSD" in what
    assert told.endswith("`lungo layers` lists")


def test_a_field_that_caffe_has_elsewhere_may_be_meant() -> None:
    layer = message_info("caffe.LayerParameter")
    what, told = unknown_field(layer, "engine", [message_info("caffe.NetParameter")])
    assert "it comes from Intel Caffe" in what
    assert told.startswith("delete it; if Caffe's is meant, move it into the block it belongs to: ")
    assert "convolution_param" in told


def test_what_costs_nothing_is_a_field_of_a_fork() -> None:
    for message, field in fork_fields.COSTLESS:
        assert forks.fork_of(message, field) is not None
        assert forks.costs_nothing(message, field)
    assert forks.costs_nothing("V1LayerParameter", "forward_type")
    assert not forks.costs_nothing("BatchNormParameter", "scale_bias")
    assert not forks.costs_nothing("NetParameter", "compile_net_state")


@needs_shared
def test_every_field_of_the_forks_schemas_is_known_with_one_of_them() -> None:
    added: dict[tuple[str, str], set[str]] = {}
    ours = {one.name for one in schema.NetParameter.DESCRIPTOR.file.message_types_by_name.values()}
    with shared("reference", "forks_schema.tsv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            message, field = row["message"], row["name"]
            if row["kind"] != "field" or message not in ours or field in schema.descriptor(message).fields_by_name:
                continue
            added.setdefault((message, field), set()).update(TAGS[tag] for tag in row["forks"].split(","))
    assert len(added) > 250
    for (message, field), names in added.items():
        if message == "V1LayerParameter":  # a fork's field, whichever format it was first used in
            names |= added.get(("LayerParameter", field), set())
        told = forks.fork_of(message, field) or ""
        assert any(name in told for name in names), (message, field, told)


def test_the_remedy_for_an_unknown_type_names_the_fork() -> None:
    assert "SSD" in registry.suggestion("PriorBox")
    assert registry.suggestion("Relu") == 'did you mean "ReLU"?'
