"""L2-SP and DELTA: the penalties against direct formulas, and runs that resume near the same start."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from caffelungo.check import check
from caffelungo.definition.schema import SolverParameter
from caffelungo.errors import UserError
from caffelungo.net.store import Store
from caffelungo.solve import attention, run_training, snapshot, update_rules
from caffelungo.solve.adamw import AdamW
from caffelungo.solve.delta import distance
from caffelungo.solve.observer import Observer
from caffelungo.solve.solver import Solver
from caffelungo.solve.training_setup import GivenNet
from caffelungo.weights import formats, solverstate
from tests.solve.helpers import NET, make, options, solver
from tests.solve.test_update_rules import MULTS, RATES, start
from tests.solve.test_update_rules import solver as rule_options

PULLED = (True, False, True, True)
"""Which of the four parameters came from weights."""
OLD = 'layer { name: "ip2" type: "InnerProduct"'
FRESH = NET.replace(OLD, OLD.replace("ip2", "ip2_new"))
DELTA = 'lungo { delta { weight: 0.5 layer: "ip1" %s } }'
RULES = [*update_rules.RULES, "AdamW"]


class Outputs(Observer):
    """Appends what each displayed iteration shows."""

    def __init__(self, seen: list[dict[str, float]]) -> None:
        self.seen = seen

    def on_display(self, iteration: int, loss: float, rate: float, outputs: Mapping[str, float]) -> None:
        self.seen.append(dict(outputs))


def measured(one: Solver, layer: str, progress: Callable[[int, int], None]) -> torch.Tensor:
    at = one.training
    where = at.definition.where
    return attention.measure(at.opened, at.store, at.feed, [at.plan.layer(layer)], where, progress)[layer]


def by_hand(s, weights, gradients, alpha):
    """Weights after all iterations, in float64: those that are held have alpha * decay_mult * (w - w0) as decay."""
    weights = [w.astype(np.float64) for w in weights]
    origin = copy.deepcopy(weights)
    one, two = [np.zeros_like(w) for w in weights], [np.zeros_like(w) for w in weights]
    for t, (rate, grads) in enumerate(zip(RATES, gradients, strict=True), 1):
        for i, (lr, decay) in enumerate(MULTS):
            if lr == 0:
                continue
            r, m = rate * lr, s.momentum
            drift = alpha * decay * (weights[i] - origin[i]) if PULLED[i] else s.weight_decay * decay * weights[i]
            g = grads[i].astype(np.float64)
            if s.type == "AdamW":
                weights[i] -= r * drift
            else:
                g = g + drift
            if s.type in ("SGD", "Nesterov"):
                old = one[i].copy()
                one[i] = m * old + r * g
                step = (1 + m) * one[i] - m * old if s.type == "Nesterov" else one[i]
            elif s.type == "AdaGrad":
                one[i] += g**2
                step = r * g / (np.sqrt(one[i]) + s.delta)
            elif s.type == "RMSProp":
                one[i] = s.rms_decay * one[i] + (1 - s.rms_decay) * g**2
                step = r * g / (np.sqrt(one[i]) + s.delta)
            elif s.type == "AdaDelta":
                one[i] = m * one[i] + (1 - m) * g**2
                u = g * np.sqrt((two[i] + s.delta) / (one[i] + s.delta))
                two[i] = m * two[i] + (1 - m) * u**2
                step = r * u
            else:
                one[i] = m * one[i] + (1 - m) * g
                two[i] = s.momentum2 * two[i] + (1 - s.momentum2) * g**2
                step = r * np.sqrt(1 - s.momentum2**t) / (1 - m**t) * one[i] / (np.sqrt(two[i]) + s.delta)
            weights[i] -= step
    return weights


def held(rule, s, weights, alpha):
    params = [nn.Parameter(torch.from_numpy(w.copy())) for w in weights]
    cls = AdamW if rule == "AdamW" else update_rules.find(rule)
    update = cls(s, [(p, *mult) for p, mult in zip(params, MULTS, strict=True)])
    update.hold([p.detach().clone() if on else None for p, on in zip(params, PULLED, strict=True)], alpha)
    return params, update


def drive(update, params, gradients, frozen=0.0):
    for iteration, (rate, grads) in enumerate(zip(RATES, gradients, strict=True)):
        for param, grad, (lr, _) in zip(params, grads, MULTS, strict=True):
            param.grad = torch.from_numpy(grad.copy()) if lr else None
        update.apply(rate, iteration, 1.0, torch.tensor(frozen))


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("fields", [{}, {"momentum": 0.0}], ids=["momentum", "plain"])
def test_a_pulled_step_in_double_precision(rule, fields):
    s = rule_options(rule, **fields)
    weights, gradients = start()
    params, update = held(rule, s, weights, 0.7)
    drive(update, params, gradients)
    for param, value in zip(params, by_hand(s, weights, gradients, float(np.float32(0.7))), strict=True):
        np.testing.assert_allclose(param.detach().numpy(), value, rtol=3e-5, atol=3e-6)


@pytest.mark.parametrize("rule", RULES)
def test_without_a_gradient_what_is_at_its_start_stays_there(rule):
    weights, gradients = start()
    params, update = held(rule, rule_options(rule), weights, 0.7)
    drive(update, params, [[np.zeros_like(g) for g in grads] for grads in gradients])
    for param, value, on in zip(params, weights, PULLED, strict=True):
        assert not on or np.array_equal(param.detach().numpy(), value)


@pytest.mark.parametrize("rule", RULES)
def test_a_frozen_update_changes_nothing(rule):
    weights, gradients = start()
    params, update = held(rule, rule_options(rule), weights, 0.7)
    drive(update, params, gradients, frozen=1.0)
    for param, value in zip(params, weights, strict=True):
        assert np.array_equal(param.detach().numpy(), value)
    assert not any(bool(history.any()) for history in update.history)


def test_l1_is_kept_for_what_is_new():
    s = rule_options("SGD", regularization_type="L1", momentum=0.0)
    weights, gradients = start()
    params, update = held("SGD", s, weights, 0.7)
    drive(update, params, [[np.zeros_like(g) for g in gradients[0]]] * len(RATES))
    assert np.array_equal(params[3].detach().numpy(), weights[3])
    # Of the new parameter decay_mult is 0; a held one never meets the L1 norm.
    assert np.array_equal(params[1].detach().numpy(), weights[1])


# --- whole runs ---------------------------------------------------------------------------------------------------


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with a solver for ``FRESH``, and weights of ip1 and ip2 in old.caffemodel."""
    monkeypatch.chdir(make(tmp_path, max_iter="3"))
    first = solver()
    first.step(3)
    formats.write("old.caffemodel", first.training.weights())
    (tmp_path / "net.prototxt").write_text(FRESH)
    return tmp_path


def asked(place: Path, extra: str, **fields: str) -> None:
    make(place, FRESH, extra=extra, **fields)


def test_only_copied_layers_are_pulled(place):
    asked(place, "lungo { l2_sp: 0.3 }", weight_decay="0.01")
    one = solver(weights=["old.caffemodel"])
    kinds = {id(param): bool(group.start) for group in one.training.update.groups for param in group.params}
    named = {key[0]: kinds[id(tensor)] for key, tensor in one.training.store.tensors.items()}
    assert named == {"ip1": True, "ip2_new": False}


def test_a_strong_pull_keeps_weights_near_their_start(place):
    moved = []
    for extra in ("", "lungo { l2_sp: 3 }"):
        asked(place, extra, base_lr="0.02")
        one = solver(weights=["old.caffemodel"])
        before = one.training.store.tensors["ip1", 0].detach().clone()
        one.step(30)
        moved.append(float((one.training.store.tensors["ip1", 0].detach() - before).norm()))
    assert moved[1] < 0.4 * moved[0]


def test_penalty_and_gradient_of_delta(place):
    asked(place, DELTA % "")
    one = solver(weights=["old.caffemodel"])
    with torch.no_grad():
        one.training.store.tensors["ip1", 0].add_(torch.randn(6, 5, generator=torch.Generator().manual_seed(1)) * 0.1)
    tensors = one.training.feed.one(0)
    _, _, maps = one.training.net.look(*tensors)
    penalty = one.training.near_start.penalty(tensors, maps)
    old = formats.read("old.caffemodel").layers["ip1"]
    x = tensors[0].double()
    w = one.training.store.tensors["ip1", 0].detach().double().requires_grad_()
    b = torch.tensor(old[1]).double()
    ours = x @ w.t() + one.training.store.tensors["ip1", 1].detach().double()
    wanted = 0.5 * 0.5 * (ours - (x @ torch.tensor(old[0]).double().t() + b)).square().sum() / len(x)
    np.testing.assert_allclose(penalty.item(), wanted.item(), rtol=1e-5)
    (got,) = torch.autograd.grad(penalty, one.training.store.tensors["ip1", 0], retain_graph=True)
    (direct,) = torch.autograd.grad(wanted, w)
    np.testing.assert_allclose(got.numpy(), direct.numpy(), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("shape", [(3, 4), (2, 4, 5, 3)])
def test_distance_of_maps(shape):
    one, other = torch.randn(shape, dtype=torch.float64), torch.randn(shape, dtype=torch.float64)
    weights = torch.softmax(torch.randn(4, dtype=torch.float64), 0)
    places = np.prod(shape[2:])
    total = 0.0
    for n in range(shape[0]):
        for c in range(4):
            total += 4 * float(weights[c]) * float((one[n, c] - other[n, c]).square().sum()) / places
    np.testing.assert_allclose(float(distance(one, other, weights)), 0.5 * total / shape[0], rtol=1e-12)
    alike = distance(one, other, torch.full((4,), 0.25, dtype=torch.float64))
    np.testing.assert_allclose(float(distance(one, other, None)), float(alike), rtol=1e-12)


def test_the_map_is_that_before_what_works_in_place(place):
    asked(place, DELTA % "")
    one = solver(weights=["old.caffemodel"])
    tensors = one.training.feed.one(0)
    _, _, (found,) = one.training.net.look(*tensors)
    old = formats.read("old.caffemodel").layers["ip1"]
    np.testing.assert_allclose(found.detach().numpy(), tensors[0].numpy() @ old[0].T + old[1], rtol=1e-5, atol=1e-5)
    assert (found < 0).any()
    assert one.training.near_start.penalty(tensors, [found]) == 0


def test_the_frozen_net_stays_and_is_in_no_snapshot(place):
    asked(place, DELTA % "", max_iter="5")
    one = solver(weights=["old.caffemodel"])
    before = {key: tensor.clone() for key, tensor in one.training.near_start.delta.store.tensors.items()}
    one.step(5)
    assert all(torch.equal(tensor, before[key]) for key, tensor in one.training.near_start.delta.store.tensors.items())
    assert set(formats.read(one.snapshot().weights).layers) == {"ip1", "ip2_new"}
    assert not torch.equal(one.training.store.tensors["ip1", 0], before["teacher/ip1", 0])


def test_delta_is_shown_and_off_changes_nothing(place):
    lines, losses = [], []
    for extra in ("", "lungo { l2_sp: 0 }", 'lungo { delta { weight: 0 layer: "ip1" } }', DELTA % ""):
        asked(place, extra, display="1")
        one = solver(weights=["old.caffemodel"])
        seen: list[dict[str, float]] = []
        one.observe(Outputs(seen))
        one.step(4)
        lines.append(seen[-1])
        losses.append(seen[-1]["loss"])
    assert losses[0] == losses[1] == losses[2] != losses[3]
    assert lines[3].keys() - lines[0].keys() == {"delta"}
    assert lines[3]["delta"] > 0


ASKED = [
    "lungo { l2_sp: 0.2 }",
    DELTA % "",
    DELTA % "attention: MEASURED",
    'lungo { l2_sp: 0.2 delta { weight: 0.5 layer: "ip1" attention: MEASURED } }',
]


@pytest.mark.parametrize("extra", ASKED)
@pytest.mark.parametrize("rule", ["SGD", "Adam"])
def test_a_resumed_run_is_the_unbroken_one(place, extra, rule):
    asked(place, extra, max_iter="12", snapshot="4", type=f'"{rule}"', base_lr="0.01")
    whole = solver(weights=["old.caffemodel"])
    whole.step(12)
    second = solver()
    second.restore("out/s_iter_4.solverstate")
    second.step(8)
    for key, tensor in whole.training.store.tensors.items():
        assert torch.equal(tensor, second.training.store.tensors[key]), key
    for a, b in zip(whole.training.update.history, second.training.update.history, strict=True):
        assert torch.equal(a, b)
    assert len(list(place.glob("out/s_start_*.caffemodel"))) == 1


def test_a_start_that_is_missing_or_changed(place):
    asked(place, ASKED[0], max_iter="4", snapshot="4")
    one = solver(weights=["old.caffemodel"])
    one.step(4)
    (path,) = place.glob("out/s_start_*.caffemodel")
    assert path.name == solverstate.read("out/s_iter_4.solverstate").extras.start_file
    kept = path.read_bytes()
    second = solver()
    path.unlink()
    with pytest.raises(UserError, match="missing") as caught:
        second.restore("out/s_iter_4.solverstate")
    assert str(path.name) in str(caught.value)
    weights = formats.read("old.caffemodel")
    weights.layers = {"ip1 0": [weights.layers["ip1"][0] + 1], "ip1 1": [weights.layers["ip1"][1]]}
    formats.write(path, weights)
    with pytest.raises(UserError, match="not the one"):
        second.restore("out/s_iter_4.solverstate")
    path.write_bytes(kept)
    second.restore("out/s_iter_4.solverstate")


def test_a_state_that_knows_no_start(place):
    asked(place, "", max_iter="4", snapshot="4")
    solver(weights=["old.caffemodel"]).step(4)
    asked(place, ASKED[0], max_iter="8")
    with pytest.raises(UserError, match="does not say where its run started"):
        solver().restore("out/s_iter_4.solverstate")
    asked(place, ASKED[0], max_iter="8", snapshot_prefix='"out/t"')
    held_run = solver(weights=["old.caffemodel"])
    held_run.step(4)
    held_run.snapshot()
    asked(place, "", max_iter="8", snapshot_prefix='"out/t"')
    assert any("no longer has" in note for note in solver().restore("out/t_iter_4.solverstate"))


def test_no_weights(place):
    asked(place, ASKED[0])
    with pytest.raises(UserError, match="l2_sp holds a net near its initial weights"):
        run_training.train(options())
    with pytest.raises(UserError, match="l2_sp holds"):
        solver().step(1)
    assert not list(place.glob("out/s_run_*"))


@pytest.mark.parametrize(
    ("extra", "what", "remedy"),
    [
        ("lungo { l2_sp: -0.1 }", "l2_sp must be at least 0", "l2_sp: 0.1"),
        ('lungo { delta { weight: -1 layer: "ip1" } }', "weight must be at least 0", "0.01"),
        ("lungo { delta { } }", "names no layer", "conv5"),
        ('lungo { delta { layer: "ip1" layer: "ip1" } }', "twice", "once"),
        ('debug_info: true lungo { delta { layer: "ip1" } }', "debug_info", "remove one"),
        ('lungo { delta { layer: "ipp1" } }', "no layer of this name", "did you mean `ip1`"),
        ('lungo { delta { layer: "data" } }', "data layer", ""),
        ('lungo { delta { layer: "loss" } }', "no feature map", "Convolution"),
        ('lungo { delta { layer: "ip2_new" } }', "`ip2_new` starts from its filler", "are copied"),
    ],
)
def test_mistakes(place, extra, what, remedy):
    asked(place, extra)
    with pytest.raises(UserError, match=what) as caught:
        solver(weights=["old.caffemodel"])
    (problem,) = caught.value.problems
    assert remedy in (problem.remedy or "")
    assert "solver.prototxt" in str(problem.where)


# --- attention ----------------------------------------------------------------------------------------------------


def test_attention_is_the_softmax_of_how_much_a_channel_matters(place):
    asked(place, DELTA % "attention: MEASURED")
    one = solver(weights=["old.caffemodel"])
    with torch.no_grad():
        # Channel 2 is the same for every sample and channel 4 is off: neither tells classes apart.
        one.training.store.tensors["ip1", 0][2] = 0
        one.training.store.tensors["ip1", 0][4] = 0
        one.training.store.tensors["ip1", 1][4] = -5
    calls: list[tuple[int, int]] = []
    found = measured(one, "ip1", lambda *done: calls.append(done))
    assert found.shape == (6,)
    np.testing.assert_allclose(float(found.sum()), 1, rtol=1e-6)
    assert int(found.argmin()) in (2, 4)
    assert calls[0] == (0, 24)
    assert calls[-1] == (24, 24)


def test_an_observer_sees_attention_measured_once(place):
    asked(place, DELTA % "attention: MEASURED")
    calls: list[tuple[int, int]] = []

    class Seen(Observer):
        def on_attention(self, done: int, count: int) -> None:
            calls.append((done, count))

    one = solver(weights=["old.caffemodel"], observers=[Seen()])
    one.step(1)
    one.step(1)
    assert calls == [(done, 24) for done in range(25)], "six channels on four batches"


def test_weights_of_channels():
    rises = torch.tensor([0.0, 1.0, 5.0], dtype=torch.float64)
    z = (rises.numpy() - 2) / np.std([0.0, 1.0, 5.0])
    np.testing.assert_allclose(attention.weights(rises).numpy(), np.exp(z / 5) / np.exp(z / 5).sum(), rtol=1e-6)
    np.testing.assert_allclose(attention.weights(torch.ones(4, dtype=torch.float64)).numpy(), 0.25)


def test_attention_needs_a_classifier(place):
    asked(place, DELTA % "attention: MEASURED")
    net = FRESH.replace('type: "SoftmaxWithLoss"', 'type: "HingeLoss"')
    (place / "net.prototxt").write_text(net)
    with pytest.raises(UserError, match="through a SoftmaxWithLoss"):
        solver(weights=["old.caffemodel"]).step(1)


def test_an_older_run_that_is_overwritten_takes_its_start_along(place):
    asked(place, ASKED[0], max_iter="4", snapshot="2")
    run_training.train(options(weights=["old.caffemodel"]))
    (first,) = place.glob("out/s_start_*.caffemodel")
    other = formats.read("old.caffemodel")
    other.layers["ip1"][0] = other.layers["ip1"][0] * 2
    formats.write("other.caffemodel", other)
    run_training.train(options(weights=["other.caffemodel"], overwrite=True))
    (second,) = place.glob("out/s_start_*.caffemodel")
    assert first != second
    assert snapshot.newest_complete(Path("out/s")) is not None
    asked(place, ASKED[0], max_iter="6", snapshot="2")
    assert run_training.train(options(resume=True)) == 0


def test_start_survives_the_schema():
    message = SolverParameter()
    message.lungo.l2_sp = 0.1
    message.lungo.delta.layer.append("conv5")
    assert abs(message.lungo.delta.weight - 0.01) < 1e-9
    assert message.lungo.delta.attention == 0


def test_the_check_names_a_layer_that_is_not_there(place):
    asked(place, 'lungo { delta { layer: "ipp1" layer: "relu" } }')
    report = check(["solver.prototxt"])
    assert [problem.remedy for problem in report.problems] == ["did you mean `ip1`?"]


def test_a_store_that_is_ready_says_what_of_it_was_copied(place):
    asked(place, ASKED[0])
    first = solver(weights=["old.caffemodel"])
    ready = Store(first.training.plan, seed=0)
    ready.load(first.training.loaded.table.arrays)
    opened, copied = first.training.opened, first.training.loaded.table.arrays
    second = solver(given=GivenNet(opened, ready, copied))
    starts = [one.training.near_start.start.tensors for one in (first, second)]
    assert starts[0].keys() == starts[1].keys() == {("ip1", 0), ("ip1", 1)}
    with pytest.raises(UserError, match="l2_sp holds"):
        solver(given=GivenNet(opened, ready)).step(1)
