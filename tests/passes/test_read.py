from __future__ import annotations

import numpy as np
import pytest

from caffelungo.errors import UserError
from caffelungo.passes.base import step
from caffelungo.passes.new_units import UnitOptions
from caffelungo.passes.read import ReadOptions, read
from caffelungo.passes.widen import WidenOptions, widen
from tests.passes.nets import ALEX, ANSWER, FIRE, RESIDUAL, apply, layer, lines, net
from tests.passes.numbers import before_and_after, picture


def test_vectors_beside_a_vector() -> None:
    found = lines(apply(ANSWER, step(read, ReadOptions(("conv1", "fc6")))).definition)
    start = found.index("norm7 Normalize fc7 -> norm7")
    assert found[start : start + 10] == [
        "norm7 Normalize fc7 -> norm7",
        "drop7 Dropout norm7 -> norm7",
        "conv1_pool_read Pooling conv1 -> conv1_pool_read",
        "conv1_flat_read Flatten conv1_pool_read -> conv1_flat_read",
        "conv1_norm_read Normalize conv1_flat_read -> conv1_norm_read",
        "drop7_read Dropout conv1_norm_read -> conv1_norm_read",
        "norm6_read Normalize fc6 -> norm6_read",
        "drop7_read2 Dropout norm6_read -> norm6_read",
        "fc8_in Concat norm7,conv1_norm_read,norm6_read -> fc8_in",
        "fc8_read InnerProduct fc8_in -> fc8_read",
    ]


def test_a_map_is_pooled_to_the_size_of_a_map() -> None:
    text = FIRE.replace(
        'layer {\n  name: "fire9/squeeze"',
        'layer { name: "pool1" type: "Pooling" bottom: "conv1" top: "pool1" \n'
        "  pooling_param { kernel_size: 2 stride: 2 } }\n"
        'layer {\n  name: "fire9/squeeze"',
    ).replace('bottom: "conv1" top: "fire9/squeeze"', 'bottom: "pool1" top: "fire9/squeeze"')
    after = apply(text, step(read, ReadOptions(("conv1",)))).definition
    pooling = layer(after, "conv1_pool_read").pooling_param
    assert (pooling.kernel_size, pooling.stride, pooling.pool) == (2, 2, 1)


def test_old_layers_compute_what_they_did_and_groups_have_one_length() -> None:
    result = apply(FIRE, step(read, ReadOptions(("fire9/squeeze",), scale=10)))
    before, after = before_and_after(net(FIRE), result, picture(21, batch=1))
    np.testing.assert_array_equal(before("fire9/concat"), after("fire9/concat"))
    lengths = np.sqrt((after("conv10_in") ** 2).sum(1))
    np.testing.assert_allclose(lengths[lengths > 14], np.sqrt(200), rtol=1e-4)


def test_after_growth_the_groups_are_not_normalized_twice() -> None:
    grown = step(widen, WidenOptions("fc7", UnitOptions(4)))
    found = lines(apply(ANSWER, grown, step(read, ReadOptions(("fc6",)))).definition)
    assert "fc8_wide_in Concat fc7_wide,norm6_read -> fc8_wide_in" in found


def test_residual_features() -> None:
    found = lines(apply(RESIDUAL, step(read, ReadOptions(("conv1",)))).definition)
    assert "fc_in Concat pool_norm,conv1_norm_read -> fc_in" in found


@pytest.mark.parametrize(
    ("layer_", "reason"),
    [("fc7", "already"), ("loss", "does not depend"), ("data", "no features"), ("nope", "no layer called")],
)
def test_refusals(layer_: str, reason: str) -> None:
    with pytest.raises(UserError, match=reason):
        apply(ALEX, step(read, ReadOptions((layer_,))))
