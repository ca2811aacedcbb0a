from __future__ import annotations

import numpy as np
import pytest

from caffelungo.definition.reader import Definition, parse_recipe
from caffelungo.errors import UserError
from caffelungo.passes.base import Result, run, step
from caffelungo.passes.join import JoinedOptions, Read, joined
from caffelungo.passes.joint import JointOptions, joint
from caffelungo.passes.new_units import UnitOptions
from caffelungo.passes.recursive import RecursiveOptions, recursive
from caffelungo.passes.view import View
from caffelungo.passes.widen import WidenOptions, widen
from caffelungo.rewriting import recipes
from tests.passes.nets import ALEX, ANSWER, FIRE, RESIDUAL, layer, lines, net
from tests.passes.numbers import before_and_after, picture


def probe(text: str, *words: str, normalize: bool = True, pools: tuple[str, ...] = ("mean", "max")) -> Definition:
    """A net whose classifier reads pooled features of ``words``."""
    reads = tuple(Read(word, pools, normalize) for word in words)
    return run(net(text), [step(joined, JoinedOptions(reads))]).definition


def wider(before: Definition, name: str, unit: UnitOptions) -> Result:
    return run(before, [step(widen, WidenOptions(name, unit))])


def test_new_units_are_pooled_as_the_old_ones_and_come_last() -> None:
    before = probe(FIRE, "conv1", "fire9/concat")
    result = wider(before, "fire9/concat", UnitOptions(5))
    assert [one for one in lines(result.definition) if one not in lines(before)] == [
        "fire9/concat_new Convolution fire9/squeeze -> fire9/concat_new",
        "fire9/relu3x3_new ReLU fire9/concat_new -> fire9/concat_new",
        "fire9/concat_new_mean Pooling fire9/concat_new -> fire9/concat_new_mean",
        "fire9/concat_new_mean_norm Normalize fire9/concat_new_mean -> fire9/concat_new_mean_norm",
        "fire9/concat_new_max Pooling fire9/concat_new -> fire9/concat_new_max",
        "fire9/concat_new_max_norm Normalize fire9/concat_new_max -> fire9/concat_new_max_norm",
        "conv10_probe_in Concat conv1_mean_norm,conv1_max_norm,fire9/concat_mean_norm,fire9/concat_max_norm,"
        "fire9/concat_new_mean_norm,fire9/concat_new_max_norm -> conv10_probe_in",
        "conv10_probe_wide InnerProduct conv10_probe_in -> conv10_probe_wide",
        "prob Softmax conv10_probe_wide -> prob",
    ]
    norm = layer(result.definition, "fire9/concat_new_max_norm")
    assert [one.lr_mult for one in norm.param] == [0]
    assert norm.norm_param.channel_shared
    assert "joined in `conv10_probe_in`" in result.explain()


def test_beside_a_layer_that_others_read() -> None:
    before = probe(FIRE, "fire9/squeeze", "fire9/concat")
    found = lines(wider(before, "fire9/squeeze", UnitOptions(3)).definition)
    kept = [one for one in lines(before) if one.startswith(("fire9/expand", "fire9/concat"))]
    assert [one for one in found if one in kept] == kept
    assert "fire9/squeeze_new Convolution conv1 -> fire9/squeeze_new" in found
    assert "fire9/squeeze_new_max_norm Normalize fire9/squeeze_new_max -> fire9/squeeze_new_max_norm" in found


def test_beside_a_vector() -> None:
    before = probe(ANSWER, "conv1", "fc6", "fc7")
    found = lines(wider(before, "fc7", UnitOptions(4)).definition)
    assert "fc7_new InnerProduct drop6_out -> fc7_new" in found
    assert "fc8_probe_in Concat conv1_mean_norm,conv1_max_norm,norm6,norm7,norm7_new -> fc8_probe_in" in found
    below = lines(wider(before, "fc6", UnitOptions(4)).definition)
    assert "fc6_new InnerProduct pool1 -> fc6_new" in below
    assert "fc7 InnerProduct drop6_out -> fc7" in below
    assert "fc8_probe_in Concat conv1_mean_norm,conv1_max_norm,norm6,norm7,norm6_new -> fc8_probe_in" in below


def test_one_normalized_part_gets_a_concat() -> None:
    before = probe(FIRE, "fire9/concat", pools=("max",))
    found = lines(wider(before, "fire9/concat", UnitOptions(4)).definition)
    assert found[-3].startswith("conv10_probe_in Concat fire9/concat_max_norm,fire9/concat_new_max_norm ->")


def test_parts_that_are_not_normalized_stay_so() -> None:
    before = probe(FIRE, "conv1", "fire9/concat", normalize=False)
    found = lines(wider(before, "conv1", UnitOptions(4)).definition)
    assert (
        "conv10_probe_in Concat conv1_mean,conv1_max,fire9/concat_mean,fire9/concat_max,conv1_new_mean,conv1_new_max"
        " -> conv10_probe_in"
    ) in found


@pytest.mark.parametrize(
    ("text", "size", "reads", "name"),
    [
        (FIRE, 21, ("conv1", "fire9/concat"), "fire9/concat"),
        (FIRE, 21, ("conv1", "fire9/squeeze"), "conv1"),
        (ANSWER, 20, ("conv1", "fc6", "fc7"), "fc6"),
        (ANSWER, 20, ("fc7",), "fc7"),
        (RESIDUAL, 16, ("conv1", "res2"), "res2"),
    ],
)
@pytest.mark.parametrize("start", ["filler", "copy"])
def test_a_kept_classifier_gives_the_answers_it_gave(
    text: str, size: int, reads: tuple[str, ...], name: str, start: str
) -> None:
    before = probe(text, *reads)
    result = wider(before, name, UnitOptions(6, start=start, keep_head=True))
    image = picture(size, batch=View(before).plan.sources[0].top_shapes[0][0])  # type: ignore[index]
    old, new = before_and_after(before, result, image)
    head = View(before).heads()[-1]
    width = old(head.head.bottoms[0]).reshape(len(image), -1).shape[1]
    joined_now = View(result.definition).heads()[-1].head.bottoms[0]
    features = new(joined_now).reshape(len(image), -1)
    np.testing.assert_array_equal(features[:, :width], old(head.head.bottoms[0]).reshape(len(image), -1))
    np.testing.assert_allclose(new(head.name), old(head.name), rtol=1e-5, atol=1e-5)
    parts = features[:, width:].reshape(len(image), -1, 6)
    lengths = np.linalg.norm(parts, axis=2)
    np.testing.assert_allclose(lengths[lengths > 0], 1, rtol=1e-4)
    assert lengths.any()


def test_it_grows_again_and_again() -> None:
    after = probe(FIRE, "conv1", "fire9/concat")
    grow = recipes.recipe(parse_recipe("step { widen { units: 4 } }")).steps
    for _ in range(3):
        after = run(after, grow).definition
    found = View(after)
    (head,) = found.heads()
    assert head.head.params[0].shape == (1000, 2 * (8 + 12) + 3 * 2 * 4)
    assert len({one.name for one in found.plan.layers}) == len(found.plan.layers)


def test_only_what_is_new_learns() -> None:
    before = probe(ALEX, "conv1", "fc6", "fc7")
    recipe = recipes.recipe(parse_recipe("step { widen { units: 4 } } tune: NEW"))
    after = View(run(before, recipe.steps).definition)
    learning = [one.name for one in after.plan.layers if any(use.spec.learned and use.lr_mult for use in one.params)]
    assert learning == ["fc7_new", after.heads()[-1].name]


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        (step(joint, JointOptions("fire9/concat", UnitOptions(4))), "--widen fire9/concat:64"),
        (step(recursive, RecursiveOptions((("fire9/concat", UnitOptions(4)),))), "--widen fire9/concat:64"),
        (step(widen, WidenOptions("conv10_probe_in", UnitOptions(4))), "`conv10_probe_in` joins pooled features"),
        (step(widen, WidenOptions("fire9/concat", UnitOptions(4, start="net2net"))), "length of pooled features"),
        (step(widen, WidenOptions("fire9/concat", UnitOptions(0))), "no units to add"),
    ],
)
def test_refusals(act: object, reason: str) -> None:
    with pytest.raises(UserError, match=reason):
        run(probe(FIRE, "conv1", "fire9/concat"), [act])  # type: ignore[list-item]
