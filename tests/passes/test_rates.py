from __future__ import annotations

import pytest

from caffelungo.errors import UserError
from caffelungo.passes.base import step
from caffelungo.passes.freeze import FreezeOptions, freeze
from caffelungo.passes.new_units import UnitOptions
from caffelungo.passes.rates import RatesOptions, rates
from caffelungo.passes.view import View
from caffelungo.passes.widen import WidenOptions, widen
from tests.passes.nets import ALEX, FIRE, RESIDUAL, apply, comments, net


def learned(definition) -> dict[str, list[float]]:  # type: ignore[no-untyped-def]
    return {one.name: [use.lr_mult for use in one.params] for one in View(definition).plan.layers if one.params}


def test_by_name_and_pattern() -> None:
    result = apply(ALEX, step(rates, RatesOptions((("conv*", 0.1), ("fc6..fc7", 0.5), ("fc7", 0.25)))))
    found = learned(result.definition)
    assert found["conv1"] == pytest.approx([0.1, 0.2])  # biases keep their ratio
    assert found["fc6"] == pytest.approx([0.5, 0.5])
    assert found["fc7"] == pytest.approx([0.25, 0.25])
    assert found["fc8"] == [1, 1]
    assert set(comments(ALEX)) <= set(comments(result.definition.text))


def test_falling_with_the_distance_from_the_classifier() -> None:
    found = learned(apply(ALEX, step(rates, RatesOptions(decay=0.5))).definition)
    assert [found[name][0] for name in ("conv1", "fc6", "fc7", "fc8")] == [0.125, 0.25, 0.5, 1]


def test_new_layers_and_frozen_ones_are_left_as_they_are() -> None:
    grown = step(widen, WidenOptions("fc7", UnitOptions(4)))
    held = step(freeze, FreezeOptions("conv1"))
    found = learned(apply(ALEX, grown, held, step(rates, RatesOptions(decay=0.5))).definition)
    assert found["fc7_new"] == [10, 20]
    assert found["conv1"] == [0, 0]
    assert found["fc7"][0] == 0.5


def test_branches_of_a_block_learn_alike() -> None:
    found = learned(apply(FIRE, step(rates, RatesOptions(decay=0.5))).definition)
    assert found["fire9/expand1x1"] == found["fire9/expand3x3"] == [0.5, 0.5]
    assert found["fire9/squeeze"] == [0.25, 0.25]
    found = learned(apply(RESIDUAL, step(rates, RatesOptions(decay=0.5))).definition)
    assert found["scale2"] == [0.5, 0.5]
    assert found["bn2"] == [0, 0, 0]


def test_decay_mult_is_not_touched() -> None:
    for one in net(ALEX).message.layer:
        after = next(
            other
            for other in apply(ALEX, step(rates, RatesOptions(decay=0.5))).definition.message.layer
            if other.name == one.name and list(other.include) == list(one.include)
        )
        assert [block.decay_mult for block in one.param] == [block.decay_mult for block in after.param][
            : len(one.param)
        ]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (RatesOptions(decay=0.0), "above 0"),
        (RatesOptions(decay=1.5), "above 0"),
        (RatesOptions((("conv1", -1.0),)), "cannot be negative"),
        (RatesOptions((("relu1", 0.5),)), "no rate changes"),
        (RatesOptions((("nope", 0.5),)), "no layer called"),
    ],
)
def test_refusals(options: RatesOptions, reason: str) -> None:
    with pytest.raises(UserError, match=reason):
        apply(ALEX, step(rates, options))
