"""A classifier that is kept answers at the first step as it did, whatever was added."""

from __future__ import annotations

import numpy as np
import pytest

from caffelungo.passes.base import Refusal, Step, step
from caffelungo.passes.deepen import DeepenOptions, deepen
from caffelungo.passes.joint import JointOptions, joint
from caffelungo.passes.moves import moved
from caffelungo.passes.new_units import UnitOptions
from caffelungo.passes.normalize import NormalizeOptions, normalize
from caffelungo.passes.read import ReadOptions, read
from caffelungo.passes.recursive import RecursiveOptions, recursive
from caffelungo.passes.side import SideOptions, side
from caffelungo.passes.widen import WidenOptions, widen
from tests.passes.nets import ANSWER, FIRE, RESIDUAL, apply, layer, lines, net
from tests.passes.numbers import before_and_after, picture, random_blobs

KEEP = UnitOptions(6, keep_head=True)


@pytest.mark.parametrize(
    ("text", "size", "one", "answers", "exact"),
    [
        (ANSWER, 20, step(widen, WidenOptions("fc7", KEEP)), "fc8", True),
        (ANSWER, 20, step(widen, WidenOptions("fc7", UnitOptions(6, normalize=False, keep_head=True))), "fc8", True),
        (ANSWER, 20, step(widen, WidenOptions("fc7", UnitOptions(6, start="copy", keep_head=True))), "fc8", True),
        (ANSWER, 20, step(widen, WidenOptions("fc7", UnitOptions(14, start="net2net"))), "fc8", False),
        (ANSWER, 20, step(deepen, DeepenOptions("fc7", UnitOptions(10, keep_head=True))), "fc8", True),
        (ANSWER, 20, step(recursive, RecursiveOptions((("fc7", KEEP),))), "fc8", True),
        (ANSWER, 20, step(read, ReadOptions(("conv1", "fc6"), keep_head=True)), "fc8", True),
        (ANSWER, 20, step(side, SideOptions("fc7")), "fc8", False),
        (FIRE, 21, step(widen, WidenOptions("fire9/concat", KEEP)), "conv10", False),
        (FIRE, 21, step(deepen, DeepenOptions("fire9/concat", UnitOptions(12, keep_head=True))), "conv10", False),
        (FIRE, 21, step(read, ReadOptions(("conv1",), keep_head=True)), "conv10", False),
        (FIRE, 21, step(side, SideOptions("fire9/concat", "conv1")), "conv10", False),
        (RESIDUAL, 16, step(widen, WidenOptions("res2", KEEP)), "fc", True),
        (RESIDUAL, 16, step(recursive, RecursiveOptions((("res2", KEEP),))), "fc", True),
        (RESIDUAL, 16, step(side, SideOptions("res2")), "fc", False),
    ],
)  # fmt: skip
def test_answers_stay(text: str, size: int, one: Step, answers: str, exact: bool) -> None:
    batch = 2 if text is ANSWER else 1
    result = apply(text, one)
    before, after = before_and_after(net(text), result, picture(size, batch=batch))
    assert any(answers == line.split()[0] for line in lines(result.definition))
    if exact:
        # Zeros add nothing, but a longer sum may be added up in another order: the last bits of float32 may differ.
        np.testing.assert_allclose(after(answers), before(answers), rtol=4 * np.finfo(np.float32).eps, atol=2e-6)
    np.testing.assert_allclose(after(answers), before(answers), rtol=1e-4, atol=2e-5)


def test_old_columns_are_copied_and_new_ones_are_zero() -> None:
    result = apply(ANSWER, step(widen, WidenOptions("fc7", KEEP)))
    weights = random_blobs(net(ANSWER))
    new = moved(weights, result.moves)
    np.testing.assert_array_equal(new["fc8"][0][:, :10], weights["fc8"][0])
    assert new["fc8"][0].shape == (9, 16)
    assert not new["fc8"][0][:, 10:].any()
    assert "fc7_new" not in new


def test_a_kept_head_is_not_renamed_and_its_old_features_are_not_normalized() -> None:
    result = apply(ANSWER, step(widen, WidenOptions("fc7", KEEP)))
    found = lines(result.definition)
    assert "fc7_wide Concat fc7,norm7_new -> fc7_wide" in found
    assert "fc8 InnerProduct fc7_wide -> fc8" in found
    assert "`fc7` is not normalized" in result.explain()


def test_net2net_divides_a_column_among_its_copies() -> None:
    result = apply(ANSWER, step(widen, WidenOptions("fc7", UnitOptions(30, start="net2net", seed=2))))
    weights = random_blobs(net(ANSWER))
    new = moved(weights, result.moves)
    picks = np.array([int(np.flatnonzero((weights["fc7"][0] == row).all(1))[0]) for row in new["fc7_new"][0]])
    times = 1 + np.bincount(picks, minlength=10)
    np.testing.assert_allclose(new["fc8"][0][:, :10] * times, weights["fc8"][0], rtol=1e-6)
    np.testing.assert_array_equal(new["fc8"][0][:, 10:], new["fc8"][0][:, picks])


def test_copies_have_noise_that_the_seed_decides() -> None:
    def made(seed: int, noise: float = 0.1) -> np.ndarray:
        unit = UnitOptions(6, start="copy", noise=noise, seed=seed)
        result = apply(ANSWER, step(widen, WidenOptions("fc7", unit)))
        return moved(random_blobs(net(ANSWER)), result.moves)["fc7_new"][0]

    old = random_blobs(net(ANSWER))["fc7"][0]
    np.testing.assert_array_equal(made(4), made(4))
    assert (made(4) != made(5)).any()
    clean, noisy = made(4, 0.0), made(4)
    assert all((old == row).all(1).any() for row in clean)
    assert 0.05 * old.std() < (noisy - clean).std() < 0.2 * old.std()


def test_copies_take_the_statistics_of_the_neurons_behind_them() -> None:
    text = ANSWER.replace(
        'layer { name: "relu7"',
        'layer { name: "bn7" type: "BatchNorm" bottom: "fc7" top: "fc7" }\n'
        'layer { name: "scale7" type: "Scale" bottom: "fc7" top: "fc7" scale_param { bias_term: true } }\n'
        'layer { name: "relu7"',
    )
    result = apply(text, step(widen, WidenOptions("fc7", UnitOptions(14, start="net2net"))))
    before, after = before_and_after(net(text), result, picture(20))
    np.testing.assert_allclose(after("fc8"), before("fc8"), rtol=1e-4, atol=1e-5)


def refusal(text: str, one: Step) -> str:
    with pytest.raises(Refusal) as caught:
        apply(text, one)
    assert all(problem.remedy for problem in caught.value.problems)
    return str(caught.value)


def test_refusals() -> None:
    copies = UnitOptions(6, start="copy")
    assert "no old units" in refusal(ANSWER, step(recursive, RecursiveOptions((("fc7", copies),))))
    assert "cannot be kept" in refusal(ANSWER, step(joint, JointOptions("fc7", KEEP)))
    assert "10" in refusal(ANSWER, step(deepen, DeepenOptions("fc7", KEEP)))
    negative = ANSWER.replace('layer { name: "relu7" type: "ReLU"', 'layer { name: "relu7" type: "TanH"')
    ten = UnitOptions(10, keep_head=True)
    assert "may be negative" in refusal(negative, step(deepen, DeepenOptions("fc7", ten)))
    grouped = FIRE.replace("num_output: 1000 kernel_size: 1", "num_output: 1000 kernel_size: 1 group: 2")
    assert "cannot be kept" in refusal(grouped, step(widen, WidenOptions("fire9/concat", KEEP)))
    assert "unknown start" in refusal(ANSWER, step(widen, WidenOptions("fc7", UnitOptions(6, start="magic"))))
    assert "negative" in refusal(ANSWER, step(widen, WidenOptions("fc7", UnitOptions(6, noise=-1.0))))


def test_a_kept_head_over_normalized_features_is_said_to_change() -> None:
    result = apply(ANSWER, step(normalize, NormalizeOptions("fc7", keep_head=True)))
    assert layer(result.definition, "fc8").bottom == ["norm7"]
    assert "its answers change" in result.explain()
