from __future__ import annotations

import numpy as np
import pytest

from caffelungo.errors import UserError
from caffelungo.passes.adapters import AdapterOptions, adapters
from caffelungo.passes.base import step
from tests.passes.nets import ANSWER, FIRE, RESIDUAL, apply, layer, lines, net
from tests.passes.numbers import before_and_after, picture


@pytest.mark.parametrize("text", [ANSWER, RESIDUAL, FIRE])
@pytest.mark.parametrize(("kind", "rank"), [("parallel", 2), ("parallel", None), ("residual", 2), ("residual", None)])
def test_nothing_changes_at_the_first_step(text: str, kind: str, rank: int | None) -> None:
    result = apply(text, step(adapters, AdapterOptions(("*",), kind, rank)))
    size = {ANSWER: 20, RESIDUAL: 16, FIRE: 21}[text]
    batch = 2 if text is ANSWER else 1
    before, after = before_and_after(net(text), result, picture(size, batch=batch))
    np.testing.assert_allclose(after("prob"), before("prob"), rtol=1e-6, atol=1e-7)
    new = [one for one in result.definition.message.layer if "_adapt" in one.name and one.type != "Eltwise"]
    assert new
    assert all([block.lr_mult for block in one.param] == [10] for one in new)


def test_parallel_reads_what_the_layer_reads_and_joins_before_batch_norm() -> None:
    found = lines(apply(RESIDUAL, step(adapters, AdapterOptions(("conv2",), rank=3))).definition)
    assert "conv2_adapt_down Convolution conv1 -> conv2_adapt_down" in found
    assert "conv2_adapt_sum Eltwise conv2,conv2_adapt_up -> conv2_adapt_sum" in found
    assert "bn2 BatchNorm conv2_adapt_sum -> conv2_adapt_sum" in found
    down = apply(RESIDUAL, step(adapters, AdapterOptions(("conv2",), rank=3))).definition
    assert list(layer(down, "conv2_adapt_down").convolution_param.kernel_size) == [3]


def test_residual_reads_what_batch_norm_makes() -> None:
    found = lines(apply(RESIDUAL, step(adapters, AdapterOptions(("conv2",), "residual"))).definition)
    start = found.index("scale2 Scale conv2 -> conv2")
    assert found[start + 1 : start + 4] == [
        "conv2_adapt Convolution conv2 -> conv2_adapt",
        "conv2_adapt_sum Eltwise conv2,conv2_adapt -> conv2_adapt_sum",
        "res2 Eltwise conv1,conv2_adapt_sum -> res2",
    ]


def test_layers_that_one_convolution_does_not_fit_are_named() -> None:
    result = apply(FIRE, step(adapters, AdapterOptions(("*",))))
    assert "`conv1` gets no adapter" in result.explain()
    with pytest.raises(UserError, match="would have another size"):
        apply(FIRE, step(adapters, AdapterOptions(("conv1",))))


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (AdapterOptions(("fc8",)), "none of these layers can have an adapter"),
        (AdapterOptions(("relu6",)), "none of these layers can have an adapter"),
        (AdapterOptions(("fc7",), "sideways"), "unknown kind of adapter"),
        (AdapterOptions(("fc7",), rank=0), "must be at least 1"),
        (AdapterOptions(("nope*",)), "no layer's name fits"),
    ],
)
def test_refusals(options: AdapterOptions, reason: str) -> None:
    with pytest.raises(UserError, match=reason):
        apply(ANSWER, step(adapters, options))


def test_an_adapter_reads_what_an_earlier_one_made() -> None:
    found = lines(apply(RESIDUAL, step(adapters, AdapterOptions(("conv*",), rank=2))).definition)
    assert "conv2 Convolution conv1_adapt_sum -> conv2" in found
    assert "conv2_adapt_down Convolution conv1_adapt_sum -> conv2_adapt_down" in found
    assert "res2 Eltwise conv1_adapt_sum,conv2_adapt_sum -> res2" in found
    assert "relu1 ReLU conv1_adapt_sum -> conv1_adapt_sum" in found
