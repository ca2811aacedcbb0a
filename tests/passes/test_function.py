"""What the passes promise of the numbers: pre-trained layers compute after a rewrite what they computed before."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from caffelungo.definition.reader import Definition
from caffelungo.definition.schema import TEST
from caffelungo.net.stepwise import StepNet
from caffelungo.net.store import Store
from caffelungo.passes.base import Step, run, step
from caffelungo.passes.deepen import DeepenOptions, deepen
from caffelungo.passes.deploy import DeployOptions, deploy
from caffelungo.passes.freeze import FreezeOptions, freeze
from caffelungo.passes.new_units import UnitOptions
from caffelungo.passes.view import View
from caffelungo.passes.widen import WidenOptions, widen
from tests.passes.nets import FIRE, RESIDUAL, net


def blobs(definition: Definition, picture: torch.Tensor) -> Callable[[str], np.ndarray]:
    """The blobs of ``definition`` for ``picture``; layers of one name get the same weights in every net."""
    plan = View(definition).graphs[TEST].plan
    running = StepNet(plan, Store(plan, seed=1))
    running.forward(picture)
    return lambda name: running.blob(name).detach().numpy()


@pytest.mark.parametrize(
    ("text", "size", "steps", "same"),
    [
        (FIRE, 21, [step(widen, WidenOptions("fire9/concat", UnitOptions(5)))], ["fire9/expand3x3", "fire9/concat"]),
        (FIRE, 21, [step(deepen, DeepenOptions("fire9/concat", UnitOptions(5)))], ["fire9/concat"]),
        (RESIDUAL, 16, [step(widen, WidenOptions("res2", UnitOptions(5)))], ["conv1", "conv2", "res2"]),
        (RESIDUAL, 16, [step(deepen, DeepenOptions("res2", UnitOptions(5)))], ["res2", "pool"]),
        (RESIDUAL, 16, [step(freeze, FreezeOptions("res2"))], ["res2", "fc", "prob"]),
        (RESIDUAL, 16, [step(deploy, DeployOptions())], ["res2", "fc", "prob"]),
    ],
)  # fmt: skip
def test_old_blobs_are_bit_for_bit_the_same(text: str, size: int, steps: list[Step], same: list[str]) -> None:
    picture = torch.randn(1, 3, size, size, generator=torch.Generator().manual_seed(0))
    before, after = blobs(net(text), picture), blobs(run(net(text), steps).definition, picture)
    for name in same:
        np.testing.assert_array_equal(before(name), after(name), err_msg=name)


def test_both_groups_have_the_length_of_the_scale() -> None:
    picture = torch.randn(1, 3, 21, 21, generator=torch.Generator().manual_seed(0))
    options = WidenOptions("fire9/concat", UnitOptions(5, scale=20.0, new_scale=10.0))
    blob = blobs(run(net(FIRE), [step(widen, options)]).definition, picture)
    for name, scale in (("fire9/concat_norm", 20.0), ("fire9/concat_norm_new", 10.0)):
        values = blob(name)
        lengths = np.sqrt((values**2).sum(axis=1))
        np.testing.assert_allclose(lengths[lengths > 0], scale, rtol=1e-4)
    np.testing.assert_array_equal(
        blob("fire9/concat_wide"), np.concatenate([blob("fire9/concat_norm"), blob("fire9/concat_norm_new")], axis=1)
    )
