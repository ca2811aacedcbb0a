"""The update rules against Caffe's formulas written in numpy float64, with rates that change, L1, L2 and scaling."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from caffelungo.definition.schema import SolverParameter
from caffelungo.solve import update_rules
from caffelungo.solve.adamw import AdamW

RATES = [0.1, 0.1, 0.01, 0.02, 0.0, 0.05, 0.05]
MULTS = [(1.0, 1.0), (2.0, 0.0), (0.0, 1.0), (1.5, 0.5)]


def reference(s, weights, gradients, mults, scale):
    """Weights and histories after all iterations."""
    double = s.type in ("AdaDelta", "Adam", "AdamW")
    weights = [w.astype(np.float64) for w in weights]
    first, second = [np.zeros_like(w) for w in weights], [np.zeros_like(w) for w in weights]
    m, delta = s.momentum, s.delta
    for t, (rate, grads) in enumerate(zip(RATES, gradients, strict=True), 1):
        for i, (lr, decay) in enumerate(mults):
            r, wd = rate * lr, s.weight_decay * decay
            g = np.zeros_like(weights[i]) if lr == 0 else grads[i].astype(np.float64) * scale
            if s.type == "AdamW":
                weights[i] -= r * wd * weights[i]
            elif wd:
                g = g + wd * (np.sign(weights[i]) if s.regularization_type == "L1" else weights[i])
            if s.type in ("SGD", "Nesterov"):
                old = first[i].copy()
                first[i] = m * old + r * g
                step = (1 + m) * first[i] - m * old if s.type == "Nesterov" else first[i]
            elif s.type == "AdaGrad":
                first[i] += g**2
                step = r * g / (np.sqrt(first[i]) + delta)
            elif s.type == "RMSProp":
                first[i] = s.rms_decay * first[i] + (1 - s.rms_decay) * g**2
                step = r * g / (np.sqrt(first[i]) + delta)
            elif s.type == "AdaDelta":
                first[i] = m * first[i] + (1 - m) * g**2
                u = g * np.sqrt((second[i] + delta) / (first[i] + delta))
                second[i] = m * second[i] + (1 - m) * u**2
                step = r * u
            else:
                first[i] = m * first[i] + (1 - m) * g
                second[i] = s.momentum2 * second[i] + (1 - s.momentum2) * g**2
                correction = math.sqrt(1 - s.momentum2**t) / (1 - m**t)
                step = r * correction * first[i] / (np.sqrt(second[i]) + delta)
            weights[i] -= step
    return weights, first + second if double else first


def solver(rule: str, **fields: object):
    defaults: dict[str, object] = {"weight_decay": 0.05, "delta": 1e-6}
    if rule not in ("AdaGrad", "RMSProp"):
        defaults["momentum"] = 0.9
    return SolverParameter(type=rule, **{**defaults, **fields})


def start():
    rng = np.random.default_rng(5)
    shapes = [(3, 2, 2, 2), (4,), (2, 3), (5, 2)]
    weights = [rng.normal(size=shape).astype(np.float32) for shape in shapes]
    gradients = [[rng.normal(size=shape).astype(np.float32) for shape in shapes] for _ in RATES]
    return weights, gradients


def make(rule: str, s, weights):
    params = [nn.Parameter(torch.from_numpy(w.copy())) for w in weights]
    cls = AdamW if rule == "AdamW" else update_rules.find(rule)
    return params, cls(s, [(p, *mult) for p, mult in zip(params, MULTS, strict=True)])


def run(update, params, gradients, scale, frozen=0.0):
    for iteration, (rate, grads) in enumerate(zip(RATES, gradients, strict=True)):
        for param, grad, (lr, _) in zip(params, grads, MULTS, strict=True):
            param.grad = torch.from_numpy(grad.copy()) if lr else None
        update.apply(rate, iteration, scale, torch.tensor(frozen))


@pytest.mark.parametrize("rule", [*update_rules.RULES, "AdamW"])
@pytest.mark.parametrize("fields", [{}, {"regularization_type": "L1"}, {"momentum": 0.0}], ids=["L2", "L1", "plain"])
@pytest.mark.parametrize("scale", [1.0, 0.25, torch.tensor(0.5)], ids=["1", "iter_size", "clip"])
def test_rule_follows_the_formula(rule, fields, scale):
    s = solver(rule, **fields)
    weights, gradients = start()
    params, update = make(rule, s, weights)
    run(update, params, gradients, scale)
    wanted, history = reference(s, weights, gradients, MULTS, float(scale))
    for param, value in zip(params, wanted, strict=True):
        np.testing.assert_allclose(param.detach().numpy(), value, rtol=2e-5, atol=2e-6)
    assert len(update.history) == len(history)
    for tensor, value in zip(update.history, history, strict=True):
        np.testing.assert_allclose(tensor.numpy(), value, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("rule", [*update_rules.RULES, "AdamW"])
def test_a_frozen_update_changes_nothing(rule):
    weights, gradients = start()
    params, update = make(rule, solver(rule), weights)
    run(update, params, gradients, 1.0)
    before = [t.detach().clone() for t in (*params, *update.history)]
    gradients[0][0][:] = np.nan
    run(update, params, gradients, 1.0, frozen=1.0)
    for old, new in zip(before, (*params, *update.history), strict=True):
        assert torch.equal(old, new)


@pytest.mark.parametrize("rule", [*update_rules.RULES, "AdamW"])
@pytest.mark.parametrize("momentum", [0.9, 0.0])
def test_a_rate_too_small_for_float32_changes_nothing(rule, momentum):
    weights, gradients = start()
    params, update = make(rule, solver(rule, momentum=momentum), weights)
    for param, grad in zip(params, gradients[0], strict=True):
        param.grad = torch.from_numpy(grad.copy())
    update.apply(1e-45, 0, 1.0, torch.tensor(0.0))
    for param, weight in zip(params, weights, strict=True):
        np.testing.assert_array_equal(param.detach().numpy(), weight)


def test_parameters_in_channels_last_are_updated_alike():
    weights, gradients = start()
    s = solver("SGD")
    params, update = make("SGD", s, weights)
    turned, other = make("SGD", s, weights)
    turned[0].data = turned[0].data.to(memory_format=torch.channels_last)
    other = update_rules.SGD(s, [(p, *mult) for p, mult in zip(turned, MULTS, strict=True)])
    run(update, params, gradients, 1.0)
    run(other, turned, gradients, 1.0)
    assert turned[0].is_contiguous(memory_format=torch.channels_last)
    for a, b in zip(params, turned, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-7)


def test_an_unknown_rule_is_a_key_error():
    with pytest.raises(KeyError):
        update_rules.find("Zorro")


def test_adamw_comes_through_the_entry_point():
    assert update_rules.find("AdamW") is AdamW


@pytest.mark.parametrize("rule", ["AdaGrad", "RMSProp", "AdaDelta", "Adam", "AdamW"])
def test_the_way_a_gpu_freezes(rule):
    """On a GPU nobody asks whether the run is frozen: masks and factors do it. They work on any tensors."""
    weights, gradients = start()
    params, update = make(rule, solver(rule), weights)
    update.device = torch.device("cuda")
    run(update, params, gradients, 1.0)
    plain, other = make(rule, solver(rule), weights)
    run(other, plain, gradients, 1.0)
    for a, b in zip((*params, *update.history), (*plain, *other.history), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-7)
    before = [t.detach().clone() for t in (*params, *update.history)]
    for grads in gradients:
        grads[0][:] = np.nan
    run(update, params, gradients, 1.0, frozen=1.0)
    for old, new in zip(before, (*params, *update.history), strict=True):
        assert torch.equal(old, new)
