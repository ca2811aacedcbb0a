"""The arms of a comparison: which are asked for, what they are called, and the nets that they make."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from caffelungo.errors import UserError
from caffelungo.passes.base import Refusal, step
from caffelungo.passes.finetune import finetune
from caffelungo.passes.finetune_options import FinetuneOptions
from caffelungo.passes.view import View
from caffelungo.study.arms import ARMS, PROBE, SETS, BuiltArm, Configuration, build, chosen, configurations
from caffelungo.study.claims import CLAIMS
from caffelungo.weights import formats
from caffelungo.weights.weights import Weights
from tests.passes.nets import ANSWER, net
from tests.passes.numbers import random_blobs

READY = step(finetune, FinetuneOptions(classes=3, train_source="fit.txt", val_source="test.txt", suffix="target"))


def test_arms_and_sets_in_the_order_of_tables() -> None:
    assert [arm.name for arm in chosen(["wide", "controls"])] == [
        "finetune", "wide", "normalized", "features", "features-recursive", "random", "random-recursive", "longer",
    ]  # fmt: skip
    assert [arm.name for arm in chosen([])] == ["finetune"]
    assert [arm.name for arm in chosen(["normalized"])] == ["finetune", "normalized"]


def test_what_grows_is_compared_with_as_much_training() -> None:
    assert [arm.name for arm in chosen(["wider", "paper", "wider"])] == [*SETS["paper"], "longer"]
    assert [arm.name for arm in chosen(["wide"])] == ["finetune", "wide", "longer"]


def test_an_arm_that_is_not_there() -> None:
    with pytest.raises(UserError) as error:
        chosen(["paper", "widr"])
    problem = error.value.problems[0]
    assert problem.received == "widr"
    assert "did you mean wider" in str(problem.remedy)
    assert "controls" in str(problem.remedy)


def test_configurations() -> None:
    found = configurations(chosen(["wider", "normalized"]), ["NEW", "ALL"], [8, 16])
    assert [(one.arm.name, one.tune, one.units) for one in found] == [
        (arm, tune, units)
        for tune in ("NEW", "ALL")
        for arm, units in (("finetune", 0), ("wider", 8), ("wider", 16), ("normalized", 0), ("longer", 0))
    ]


def test_names() -> None:
    one = Configuration(ARMS["wider"], "ALL", 8, "finetune")
    assert one.label == "wider 8 after finetune"
    assert one.title == "after finetune on the intermediate task: WA: new units beside the top layer, 8 units"
    assert Configuration(ARMS["longer"], "ALL").label == "longer"
    linear = Configuration(PROBE, "PROBE", blobs=("conv1",))
    assert (linear.label, linear.title) == ("probe conv1", "linear classifier on conv1")
    assert Configuration(PROBE, "PROBE", blobs=("conv1", "fc6")).label == "probe all 2 layers"


def test_claims_are_about_arms() -> None:
    for claim in CLAIMS:
        assert {claim.arm, claim.other} <= {*ARMS, PROBE.name}
        assert {claim.after, claim.other_after} <= {*ARMS, ""}
    assert {name for names in SETS.values() for name in names} <= set(ARMS)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("weights") / "answer.caffemodel"
    formats.write(path, Weights(random_blobs(net(ANSWER))), net(ANSWER).message)
    return str(path)


def made(arm: str, tune: str, weights: str | None) -> BuiltArm:
    one = Configuration(ARMS[arm], tune, 4 if ARMS[arm].grows else 0)
    return build(one, net(ANSWER), READY, weights)


def learning(built: BuiltArm) -> set[str]:
    """Layers of which some blob has a rate above zero."""
    plan = View(built.definition).plan
    return {layer.name for layer in plan.layers for use in layer.params if use.lr_mult}


def types(built: BuiltArm) -> list[str]:
    return [layer.type for layer in built.definition.message.layer]


@pytest.mark.parametrize("arm", ARMS)
def test_every_arm_ends_in_the_classes_of_the_task(arm: str, weights: str) -> None:
    built = made(arm, "NEW", weights)
    heads = [one for one in View(built.definition).heads() if one.label is not None]
    assert [one.head.layer.options.num_output for one in heads] == [3]
    assert heads[0].head.name != "fc8"
    assert "conv1" not in learning(built)
    assert heads[0].head.name in learning(built)
    assert "conv1" in learning(made(arm, "ALL", weights))


def test_settings_reach_the_recipe(weights: str) -> None:
    assert "Normalize" in types(made("wider", "ALL", weights))
    assert "Normalize" not in types(made("wider-raw", "ALL", weights))
    assert "Normalize" not in types(made("finetune", "ALL", weights))
    layers = made("wider", "ALL", None).definition.message.layer
    units = [layer.inner_product_param.num_output for layer in layers if layer.type == "InnerProduct"]
    assert units.count(4) == 1


@pytest.mark.parametrize(("arm", "read"), [("features", {"fc6"}), ("features-recursive", {"fc6", "pool1"})])
def test_controls_read_what_new_units_read(arm: str, read: set[str], weights: str) -> None:
    """fc7's new units read fc6; those beside fc6 read pool1."""
    old = {layer.name for layer in net(ANSWER).message.layer}
    layers = made(arm, "NEW", weights).definition.message.layer
    makers = {layer.top[0]: layer for layer in layers if layer.top[0] not in layer.bottom}
    (joined,) = [layer for layer in layers if layer.type == "Concat"]
    found = set()
    for blob in joined.bottom:
        while makers[blob].name not in old:
            blob = makers[blob].bottom[0]
        found.add(blob)
    assert found - {"fc7"} == read


@pytest.mark.parametrize(("arm", "like"), [("random", "wider"), ("random-recursive", "recursive")])
@pytest.mark.parametrize("tune", ["NEW", "ALL"])
def test_random_units_are_those_of_growth_and_do_not_learn(arm: str, like: str, tune: str, weights: str) -> None:
    random, grown = made(arm, tune, weights), made(like, tune, weights)
    assert types(random) == types(grown)
    units = {"fc7_new"} | ({"fc6_new"} if like == "recursive" else set())
    assert learning(grown) - learning(random) == units
    assert learning(random) <= learning(grown)


def test_only_what_a_pass_changed_is_carried(weights: str) -> None:
    assert made("finetune", "ALL", weights).weights is None
    assert made("wider", "ALL", weights).weights is None
    wide = made("wide", "ALL", weights).weights
    assert wide is not None
    old = random_blobs(net(ANSWER))
    assert wide.layers["fc7"][0].shape == (14, 12)
    assert np.array_equal(wide.layers["fc7"][0][:10], old["fc7"][0])
    assert np.array_equal(wide.layers["conv1"][0], old["conv1"][0])
    # From scratch there is nothing to carry.
    assert made("wide", "ALL", None).weights is None


def test_what_a_pass_refuses(tmp_path: Path) -> None:
    without = ANSWER.replace('type: "InnerProduct"', 'type: "Convolution"')
    with pytest.raises(UserError):
        build(Configuration(ARMS["wider"], "ALL", 0), net(without), READY, None)
    with pytest.raises(Refusal):
        build(Configuration(ARMS["wide"], "ALL", 4), net(ANSWER.replace("ReLU", "MVN")), READY, None)
