"""Slips of the fingers find their field; names of other things find none."""

from __future__ import annotations

import csv
import random

import pytest

from caffelungo.definition import forks, schema
from caffelungo.definition.fields import message_info
from caffelungo.definition.misspelt import edits, near_field
from caffelungo.definition.reader import parse_net
from caffelungo.errors import UserError
from tests.support import needs_shared, shared

MESSAGES = [one.name for one in schema.NetParameter.DESCRIPTOR.file.message_types_by_name.values()]
FIELDS = [(name, field) for name in MESSAGES for field in message_info(f"caffe.{name}").fields if len(field) > 4]


@pytest.mark.parametrize(
    ("message", "name", "meant"),
    [
        ("LayerParameter", "conv_param", "convolution_param"), ("LayerParameter", "pool_param", "pooling_param"),
        ("LayerParameter", "softmax", "softmax_param"), ("LayerParameter", "batchnorm_param", "batch_norm_param"),
        ("ConvolutionParameter", "kernelsize", "kernel_size"), ("ConvolutionParameter", "kernel", "kernel_size"),
        ("ConvolutionParameter", "weigth_filler", "weight_filler"), ("LayerParameter", "tpo", "top"),
        ("SolverParameter", "base_rl", "base_lr"), ("SolverParameter", "Max_Iters", "max_iter"),
        ("LayerParameter", "continuation_indicator_param", None), ("PoolingParameter", "pooling", None),
        ("LayerParameter", "weight_euclidean_loss_param", None), ("LayerParameter", "zork", None),
    ],
)  # fmt: skip
def test_what_was_meant(message: str, name: str, meant: str | None) -> None:
    assert near_field(name, message_info(f"caffe.{message}").fields) == meant


def test_a_field_of_a_fork_is_no_slip() -> None:
    """Each of them was named by somebody for something that Caffe has no field for."""
    guessed = {
        (message, field): near
        for message, fields in forks.FIELDS.items()
        for field in fields
        if (near := near_field(field, schema.descriptor(message).fields_by_name))
    }
    assert sum(map(len, forks.FIELDS.values())) > 250
    assert not guessed


@needs_shared
def test_no_field_of_any_forks_schema_is_a_slip() -> None:
    with shared("reference", "forks_schema.tsv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t") if row["kind"] == "field"]
    added = [
        (row["message"], row["name"])
        for row in rows
        if row["message"] in MESSAGES and row["name"] not in schema.descriptor(row["message"]).fields_by_name
    ]
    assert len(added) > 250
    assert not [one for one in added if near_field(one[1], schema.descriptor(one[0]).fields_by_name)]


def slip(name: str, kind: str, draw: random.Random) -> str:
    """``name`` with one slip at a place other than its first letter."""
    at = draw.randrange(1, len(name) - 1)
    changed = {
        "left out": name[:at] + name[at + 1 :],
        "twice": name[:at] + name[at] + name[at:],
        "swapped": name[:at] + name[at + 1] + name[at] + name[at + 2 :],
        "another": name[:at] + draw.choice("aeiounst") + name[at + 1 :],
        "more": name + "s",
    }
    return changed[kind]


@pytest.mark.parametrize("kind", ["left out", "twice", "swapped", "another", "more"])
def test_a_slip_finds_its_field(kind: str) -> None:
    draw = random.Random(20160)
    missed = []
    for message, field in FIELDS:
        fields = message_info(f"caffe.{message}").fields
        name = slip(field, kind, draw)
        if name not in fields and near_field(name, fields) != field:
            missed.append((message, name, field))
    assert len(FIELDS) > 250
    assert len(missed) <= len(FIELDS) // 40, missed  # `tp_k`, and `layes`, which is as near to `layer` as to `layers`


@pytest.mark.parametrize("name", ["", "_", "__", "0", "_1_"])
def test_a_name_of_next_to_nothing_is_nobody(name: str) -> None:
    assert near_field(name, message_info("caffe.LayerParameter").fields) is None
    assert near_field(name.removesuffix("_param"), ["normalize", "norm"]) is None


def test_a_block_called_after_nothing_is_refused_as_any_other() -> None:
    """What is left of `image_data_param` where a line break fell into it."""
    with pytest.raises(UserError) as caught:
        parse_net('layer { name: "d" type: "ImageData" top: "d"\n_param { source: "list.txt" } }')
    assert "_param" in caught.value.problems[0].what


@pytest.mark.parametrize(
    ("one", "other", "distance"),
    [("", "", 0), ("abc", "abc", 0), ("abc", "acb", 1), ("ca", "abc", 3), ("kitten", "sitting", 3), ("a", "", 1)],
)
def test_distance(one: str, other: str, distance: int) -> None:
    """The textbook cases; `ca` to `abc` is 3 in optimal string alignment (2 in the unrestricted distance)."""
    assert edits(one, other, 9) == edits(other, one, 9) == distance
    assert edits(one, other, distance - 1) is None
