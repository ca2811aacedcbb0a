"""Scalars: printed in the shortest form that reads back equal."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from google.protobuf import text_format

from caffelungo.definition.fields import message_info
from caffelungo.definition.parser import parse
from caffelungo.definition.schema import message_class
from caffelungo.definition.tree import LineTable
from caffelungo.definition.values import print_value
from caffelungo.errors import Location, Problem, UserError

LAYER = message_info("caffe.LayerParameter").fields
CONVOLUTION = message_info("caffe.ConvolutionParameter").fields


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.1, "0.1"),
        (1, "1"),
        (-10.0, "-10"),
        (1e-4, "0.0001"),
        (1 / 3, "0.33333334"),
        (1e10, "10000000000"),
        (1e39, "inf"),
        (-math.inf, "-inf"),
        (math.nan, "nan"),
        (np.float64(0.1), "0.1"),
        (np.float32(0.1), "0.1"),
    ],
)
def test_a_float_is_rounded_to_single_precision_first(value: float, text: str) -> None:
    assert print_value(LAYER["loss_weight"], value) == text


def test_other_scalars() -> None:
    assert print_value(CONVOLUTION["num_output"], np.int64(3)) == "3"
    assert print_value(CONVOLUTION["engine"], "CUDNN") == print_value(CONVOLUTION["engine"], 2) == "CUDNN"
    assert print_value(CONVOLUTION["bias_term"], False) == "false"
    assert print_value(LAYER["name"], 'a "b"\n\\é') == '"a \\"b\\"\\n\\\\é"'
    with pytest.raises(ValueError, match="no value CUDN"):
        print_value(CONVOLUTION["engine"], "CUDN")
    with pytest.raises(TypeError):
        print_value(CONVOLUTION["num_output"], 3.5)


_WORDS = """
    0 -0 +0 00 007 017 018 08 -017 0x1F 0X1f -0x1f 0x 0xg 1 -1 +1 - + 1.0 1. .5 -.5 1e3 1e+3 1e-3 1e 1e400 -1e400
    1e-400 1f 1.5f 0f inf -inf nan -nan infinity INF NaN -Infinity 2147483647 2147483648 -2147483648 -2147483649
    4294967295 4294967296 9223372036854775807 9223372036854775808 18446744073709551615 18446744073709551616
    true false True False TRUE t f T 2 MAX 01.5 00.5 1.5.2 --1 -+1 1E5 0e0 "1" '1' "true" """
WRITTEN = [
    *_WORDS.split(),
    "9" * 5000, "-" + "9" * 5000, "0x" + "f" * 5000, "0" + "7" * 5000, "1" + "0" * 5000 + ".0", "0." + "0" * 5000 + "1",
]  # fmt: skip
"""Every way to write a number, and words that are none."""
NUMERIC = {
    "enum": ("PoolingParameter", "pool"), "bool": ("PoolingParameter", "global_pooling"),
    "int32": ("SolverParameter", "max_iter"), "uint32": ("PoolingParameter", "kernel_size"),
    "int64": ("BlobShape", "dim"), "float": ("PowerParameter", "power"), "double": ("BlobProto", "double_data"),
    "string": ("NetParameter", "name"), "bytes": ("Datum", "data"),
}  # fmt: skip


def refusal(text: str, message: Any) -> Problem | None:
    try:
        parse(text, message, LineTable("f", text))
    except UserError as error:
        return error.problems[0]
    return None


@pytest.mark.parametrize("kind", NUMERIC)
def test_a_number_means_what_protobuf_reads(kind: str) -> None:
    message, field = NUMERIC[kind]
    for written in WRITTEN:
        text = f"{field}: {written}"
        theirs, ours = message_class(message)(), message_class(message)()
        if kind == "enum" and written == "4294967296":
            continue  # protobuf takes it for 0, as only the lower 32 bits are looked at
        try:
            text_format.Parse(text, theirs)
            right = repr(theirs)
        except text_format.ParseError:
            right = "refused"
        wrong = refusal(text, ours)
        if wrong is not None:
            assert wrong.where == Location("f", 1, len(field) + 3, text)
        got = repr(ours) if wrong is None else "refused"
        assert got == right, written[:40]


def test_an_octal_number_that_an_enum_does_not_have() -> None:
    text = "layer { pooling_param { pool: 017 } }"
    with pytest.raises(UserError) as caught:
        parse(text, message_class("NetParameter")(), LineTable("net.prototxt", text))
    message = str(caught.value)
    assert "net.prototxt:1:31: `pool` has no value 017, which is 15" in message
    assert "One of" not in message
    assert "write one of MAX, AVE, STOCHASTIC" in message
