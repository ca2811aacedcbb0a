"""The average of weights: values by hand, what is tested and written, and an exact resume."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from caffelungo.errors import UserError
from caffelungo.solve.observer import Observer
from caffelungo.weights import formats, solverstate
from tests.solve import helpers

ON = "lungo { ema_decay: 0.9 }"
BATCH_NORM = helpers.NET.replace(
    'layer { name: "relu"', 'layer { name: "bn" type: "BatchNorm" bottom: "ip1" top: "ip1" }\nlayer { name: "relu"'
)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def arrays(solver) -> list[np.ndarray]:
    return [tensor.detach().numpy().copy() for tensor in solver.training.store.tensors.values()]


def by_hand(decay: float, states: list[list[np.ndarray]]) -> list[np.ndarray]:
    """In float64, from the weights of each iteration."""
    result = [one.astype(np.float64) for one in states[0]]
    for t, state in enumerate(states[1:]):
        d = min(decay, (1 + t) / (10 + t))
        result = [d * old + (1 - d) * new for old, new in zip(result, state, strict=True)]
    return result


@pytest.mark.parametrize("net", [helpers.NET, BATCH_NORM])
@pytest.mark.parametrize("decay", [0.3, 0.999])
def test_values_are_those_by_hand(here, net, decay):
    """The weights themselves move as without an average, and statistics are averaged as well."""
    helpers.make(here, net)
    plain = helpers.solver()
    states = [arrays(plain)]
    for _ in range(8):
        plain.step(1)
        states.append(arrays(plain))
    helpers.make(here, net, extra=f"lungo {{ ema_decay: {decay} }}")
    solver = helpers.solver()
    solver.step(8)
    for one, other in zip(arrays(solver), states[-1], strict=True):
        np.testing.assert_array_equal(one, other)
    with solver.training.shown():
        shown = arrays(solver)
    for one, other in zip(shown, by_hand(decay, states), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)
    for one, other in zip(arrays(solver), states[-1], strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_decay_of_nearly_nothing_is_the_last_state_and_frozen_weights_stay(here):
    frozen = helpers.NET.replace(
        'bottom: "data" top: "ip1"', 'bottom: "data" top: "ip1" param { lr_mult: 0 } param { }'
    )
    helpers.make(here, frozen, extra="lungo { ema_decay: 1e-9 }")
    solver = helpers.solver()
    before = arrays(solver)
    solver.step(3)
    average = solver.training.average
    assert len(average.keys) == 3
    for one, other in zip(average.values, average.last(), strict=True):
        torch.testing.assert_close(one, other)
    assert (arrays(solver)[0] == before[0]).all()


def test_tests_snapshots_and_the_best_weights_have_the_average(here):
    helpers.make(here, test_interval="4", test_iter="2", test_initialization="false", extra=ON)
    solver = helpers.solver()
    solver.step(4)
    (result,) = solver.test_all()
    kept = solver.snapshot()
    with solver.training.shown():
        average = arrays(solver)
    written = formats.read(kept.weights).layers
    for one, other in zip([*written["ip1"], *written["ip2"]], average, strict=True):
        np.testing.assert_array_equal(one, other)
        assert not np.array_equal(one, arrays(solver)[0])
    best = [array for blobs in solver.training.weights().layers.values() for array in blobs]
    np.testing.assert_array_equal(best[0], average[0])
    # A test of the written weights, without any average, gives the same loss.
    helpers.make(here, test_interval="4", test_iter="2")
    again = helpers.solver(weights=(str(kept.weights),))
    (other,) = again.test_all()
    assert other.loss == result.loss


@pytest.mark.parametrize("form", ["", "snapshot_format: HDF5"])
def test_a_resumed_run_equals_the_unbroken_one(here, form):
    helpers.make(here, BATCH_NORM, extra=f"{ON} {form}", iter_size="2")
    whole = helpers.solver()
    whole.step(4)
    state = whole.snapshot().state
    whole.step(4)
    resumed = helpers.solver()
    assert resumed.restore(state) == []
    resumed.step(4)
    for one, other in zip(arrays(whole), arrays(resumed), strict=True):
        np.testing.assert_array_equal(one, other)
    for one, other in zip(whole.training.average.values, resumed.training.average.values, strict=True):
        assert torch.equal(one, other)


def test_a_snapshot_in_the_middle_of_a_test_keeps_both(here):
    helpers.make(here, test_interval="4", test_iter="2", extra=ON)
    solver = helpers.solver()
    solver.step(4)
    plain = solver.snapshot()
    values = [solverstate.read(plain.state).history, formats.read(plain.weights).layers]

    class InTest(Observer):
        def on_test_batch(self, done: int, count: int) -> None:
            solver.snapshot()

    solver.observe(InTest())
    solver.test()
    for one, other in zip(values[0], solverstate.read(plain.state).history, strict=True):
        np.testing.assert_array_equal(one, other)
    for name, blobs in formats.read(plain.weights).layers.items():
        for one, other in zip(blobs, values[1][name], strict=True):
            np.testing.assert_array_equal(one, other)


def test_an_average_that_begins_or_ends_at_a_resume(here):
    helpers.make(here)
    plain = helpers.solver()
    plain.step(3)
    state = plain.snapshot().state
    helpers.make(here, extra=ON)
    begun = helpers.solver()
    (note,) = [one for one in begun.restore(state) if "average" in one]
    assert "begins here" in note
    assert begun.training.average.iterations == 0
    begun.step(2)
    state, last = begun.snapshot().state, arrays(begun)
    helpers.make(here)
    ended = helpers.solver()
    (note,) = [one for one in ended.restore(state) if "averaged its weights" in one]
    assert "no longer" in note
    for one, other in zip(arrays(ended), last, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_decay_of_one_is_refused(here):
    helpers.make(here, extra="lungo { ema_decay: 1 }")
    with pytest.raises(UserError, match="ema_decay"):
        helpers.solver()
