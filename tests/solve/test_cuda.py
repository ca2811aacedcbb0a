"""The same training on a GPU as on the CPU, within float noise, and the freeze that never asks the device."""

from __future__ import annotations

import math

import pytest
import torch

from caffelungo.errors import RunError
from caffelungo.solve import update_rules
from caffelungo.solve.engine import Engine
from tests.solve import helpers, test_update_rules
from tests.solve.test_solver import poison

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")]
GPU = Engine(torch.device("cuda", 0))


@pytest.mark.parametrize("rule", [*update_rules.RULES, "AdamW"])
@pytest.mark.parametrize("frozen", [0.0, 1.0])
def test_rules_on_the_gpu(rule, frozen):
    weights, gradients = test_update_rules.start()
    solver = test_update_rules.solver(rule)
    here, update = test_update_rules.make(rule, solver, weights)
    there = [torch.nn.Parameter(p.detach().cuda()) for p in here]
    mults = test_update_rules.MULTS
    other = type(update)(solver, [(p, *mult) for p, mult in zip(there, mults, strict=True)])
    test_update_rules.run(update, here, gradients, 0.5, frozen)
    for iteration, (rate, grads) in enumerate(zip(test_update_rules.RATES, gradients, strict=True)):
        for param, grad, (lr, _) in zip(there, grads, mults, strict=True):
            param.grad = torch.from_numpy(grad).cuda() if lr else None
        other.apply(rate, iteration, torch.tensor(0.5, device="cuda"), torch.tensor(frozen, device="cuda"))
    for a, b in zip((*here, *update.history), (*there, *other.history), strict=True):
        torch.testing.assert_close(a, b.cpu(), rtol=1e-4, atol=1e-5)


def test_a_training_on_the_gpu(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    helpers.make(tmp_path, test_interval="10", clip_gradients="1", iter_size="2")
    losses: list[list[float]] = []
    for engine in (Engine(torch.device("cpu")), GPU):
        seen = helpers.Losses()
        helpers.solver(engine=engine, observers=[seen]).step(20)
        losses.append(list(seen.seen.values()))
    assert losses[0] == pytest.approx(losses[1], abs=1e-3)


def test_nothing_is_saved_after_a_non_finite_value(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    helpers.make(tmp_path, display="100")
    poison(tmp_path, 5, math.nan)
    solver = helpers.solver(engine=GPU)
    with pytest.raises(RunError, match="blob `data` of layer `data`"):
        solver.step(20)
    assert all(torch.isfinite(t).all() for t in solver.training.store.tensors.values())
