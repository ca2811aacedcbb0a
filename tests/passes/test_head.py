from __future__ import annotations

import pytest

from caffelungo.errors import UserError
from caffelungo.passes.base import step
from caffelungo.passes.head import HeadOptions, head
from tests.passes.nets import ALEX, THREE_HEADS, apply, layer, lines


def test_only_the_classifier_changes() -> None:
    after = apply(ALEX, step(head, HeadOptions(7, suffix="pets"))).definition
    new = layer(after, "fc8_pets")
    assert new.inner_product_param.num_output == 7
    assert [block.lr_mult for block in new.param] == [10, 20]
    assert layer(after, "data").data_param.source == "train_lmdb"


def test_an_accuracy_that_is_always_right_is_taken_out() -> None:
    assert "accuracy_top5" not in apply(ALEX, step(head, HeadOptions(4))).definition.text
    assert "accuracy_top5" in apply(ALEX, step(head, HeadOptions())).definition.text


def test_all_classifiers_on_the_label_or_one() -> None:
    every = lines(apply(THREE_HEADS, step(head, HeadOptions(3))).definition)
    assert sum("classifier_new " in line for line in every) == 3
    one = lines(apply(THREE_HEADS, step(head, HeadOptions(3, "loss3/classifier"))).definition)
    assert sum("classifier_new " in line for line in one) == 1


def test_one_class_is_refused() -> None:
    with pytest.raises(UserError, match="at least two classes"):
        apply(ALEX, step(head, HeadOptions(1)))


def test_names_stay_readable_when_a_net_grows_again_and_again() -> None:
    from caffelungo.passes.new_units import UnitOptions
    from caffelungo.passes.widen import WidenOptions, widen

    steps = []
    for hop, top in (("sun", "fc7"), ("pets", "fc7_wide"), ("birds", "fc7_wide2")):
        steps += [step(head, HeadOptions(7, suffix=hop)), step(widen, WidenOptions(top, UnitOptions(4)))]
    names = [line.split()[0] for line in lines(apply(ALEX, *steps).definition)]
    assert [name for name in names if name.startswith("fc7_")] == [
        "fc7_new", "fc7_wide", "fc7_new2", "fc7_wide2", "fc7_new3", "fc7_wide3"
    ]  # fmt: skip
    assert [name for name in names if name.startswith("norm7")] == ["norm7", "norm7_new", "norm7_new2", "norm7_new3"]
    assert [name for name in names if name.startswith("fc8")] == ["fc8_sun_pets_birds_wide3"]
