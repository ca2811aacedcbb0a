"""Scalars: printed in the shortest form that reads back equal."""

from __future__ import annotations

import math

import numpy as np
import pytest

from caffelungo.definition.fields import message_info
from caffelungo.definition.values import print_value

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
