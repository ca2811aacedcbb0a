from __future__ import annotations

import pytest

from caffelungo.errors import UserError
from caffelungo.passes.base import step
from caffelungo.passes.moves import moved
from caffelungo.passes.side import SideOptions, side
from caffelungo.passes.view import View
from tests.passes.nets import ALEX, ANSWER, FIRE, apply, layer, lines, net
from tests.passes.numbers import random_blobs


def test_a_copy_beside_a_frozen_net() -> None:
    result = apply(ANSWER, step(side, SideOptions("fc7")))
    found = lines(result.definition)
    assert "fc7_side InnerProduct fc6_side -> fc7_side" in found
    assert found[found.index("fc7_alpha Parameter  -> fc7_alpha") :][:6] == [
        "fc7_alpha Parameter  -> fc7_alpha",
        "fc7_share Sigmoid fc7_alpha -> fc7_share",
        "fc7_apart Eltwise fc7,fc7_side -> fc7_apart",
        "fc7_part Scale fc7_apart,fc7_share -> fc7_part",
        "fc7_blend Eltwise fc7_side,fc7_part -> fc7_blend",
        "drop7 Dropout fc7_blend -> fc7_blend",
    ]
    rates = {one.name: [use.lr_mult for use in one.params] for one in View(result.definition).plan.layers if one.params}
    assert all(not any(rates[name]) for name in ("conv1", "fc6", "fc7"))
    assert all(all(rates[name]) for name in ("conv1_side", "fc6_side", "fc7_side", "fc7_alpha", "fc8"))
    assert [block.decay_mult for block in layer(result.definition, "fc7_alpha").param] == [0]


def test_the_copy_has_the_weights_of_the_base() -> None:
    result = apply(ANSWER, step(side, SideOptions("fc7")))
    new = moved(random_blobs(net(ANSWER)), result.moves)
    assert all((a == b).all() for a, b in zip(new["fc6"], new["fc6_side"], strict=True))


def test_behind_a_layer() -> None:
    found = lines(apply(FIRE, step(side, SideOptions("fire9/concat", "conv1"))).definition)
    assert "fire9/squeeze_side Convolution conv1 -> fire9/squeeze_side" in found
    assert not any(line.startswith("conv1_side") for line in found)


def test_what_is_changed_in_place_before_both_is_left_to_the_base() -> None:
    text = ANSWER.replace(
        'layer {\n  name: "conv1"',
        'layer { name: "shift" type: "Power" bottom: "data" top: "data" }\nlayer {\n  name: "conv1"',
    )
    found = lines(apply(text, step(side, SideOptions("fc7"))).definition)
    assert not any(line.startswith("shift_side") for line in found)
    assert "conv1_side Convolution data -> conv1_side" in found


def test_refusals() -> None:
    with pytest.raises(UserError, match="no weights between"):
        apply(ALEX, step(side, SideOptions("fc7", "fc7")))
    with pytest.raises(UserError, match="is the classifier"):
        apply(ALEX, step(side, SideOptions("fc8")))
