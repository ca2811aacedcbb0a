"""Solver files sized to the data."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caffelungo.definition.reader import parse_solver
from caffelungo.errors import UserError
from caffelungo.passes.suggested_solver import (
    LEAST,
    MOST,
    SolverOptions,
    activations,
    base_rate,
    batch_size,
    sizes,
    solver_text,
)
from caffelungo.solve.validate import solver_problems
from tests.passes.nets import ALEX, view

PLAIN = SolverOptions(net="train_val.prototxt", pictures=800, tested=200, classes=10, batch_size=32)


def options(**changes: object) -> SolverOptions:
    return replace(PLAIN, **changes)  # type: ignore[arg-type]


def test_the_file_says_what_it_was_made_from() -> None:
    text = solver_text(options(weights="w.caffemodel", solver="mine/solver.prototxt", seed=3))
    solver = parse_solver(text).message
    assert (solver.net, solver.max_iter, solver.test_interval) == ("train_val.prototxt", 750, 25)
    assert (solver.base_lr, solver.momentum) == (pytest.approx(0.001), pytest.approx(0.9))
    assert solver.weight_decay == pytest.approx(0.0005)
    assert list(solver.stepvalue) == [450, 638]
    assert solver.random_seed == 3
    assert "lungo train --solver mine/solver.prototxt --weights w.caffemodel" in text
    assert f"{math.log(10):.2f}" in text


def test_weights_that_are_named_need_no_flag() -> None:
    text = solver_text(options(weights="a.caffemodel,b", named=('a"\\.caffemodel', "b"), solver="my nets/s.prototxt"))
    assert list(parse_solver(text).message.weights) == ['a"\\.caffemodel', "b"]
    assert "lungo train --solver 'my nets/s.prototxt'\n" in text


def test_from_a_fitted_classifier() -> None:
    solver = parse_solver(solver_text(options(started=True, named=("start.caffemodel",), watch="loss", seed=3))).message
    assert (solver.type, solver.lr_policy, list(solver.weights)) == ("AdamW", "cosine", ["start.caffemodel"])
    assert solver.max_iter == 20 * 25
    assert solver.base_lr == pytest.approx(0.0003)
    assert (solver.lungo.watch, solver.lungo.keep_best, solver.lungo.warmup_iter) == ("loss", True, 50)
    # Four fifths of all tests.
    assert solver.lungo.early_stop * solver.test_interval == pytest.approx(0.8 * solver.max_iter)
    # AdamW's steps are as large for any gradient, so their noise, which goes with the root, sets the rate.
    smaller = parse_solver(solver_text(options(started=True, batch_size=8))).message
    assert smaller.base_lr == pytest.approx(0.0003 / 2)
    assert not list(smaller.weights)


def test_of_a_fitted_classifier_on_a_net_that_is_held() -> None:
    text = solver_text(options(held=True, rate=0.0004, watch="loss_birds", named=("start.caffemodel",), solver="s"))
    solver = parse_solver(text).message
    assert (solver.type, solver.lr_policy, solver.base_lr) == ("SGD", "multistep", pytest.approx(0.0004))
    assert (solver.lungo.watch, solver.lungo.keep_best, solver.lungo.early_stop) == ("loss_birds", True, 24)
    assert list(solver.weights) == ["start.caffemodel"]
    assert "fitted classifier" in text
    assert "ln(classes)" not in text
    fresh = solver_text(options(held=True))
    assert "lungo {" not in fresh
    assert "ln(classes)" in fresh


def test_one_test_is_the_least_patience() -> None:
    for passes in (1, 2):
        solver = parse_solver(solver_text(options(started=True, passes=passes, watch="loss"))).message
        assert solver.lungo.early_stop == passes


def test_from_scratch_the_rate_is_ten_times_as_high() -> None:
    assert parse_solver(solver_text(options(fresh=True))).message.base_lr == pytest.approx(0.01)


@pytest.mark.parametrize(("batch", "rate"), [(8, 0.00025), (16, 0.0005), (32, 0.001), (64, 0.001), (3, 9.4e-05)])
def test_small_batches_get_a_small_rate(batch: int, rate: float) -> None:
    assert base_rate(batch) == rate
    assert base_rate(batch, fresh=True) == pytest.approx(10 * rate)


def test_no_tests_without_pictures() -> None:
    assert "test_interval" not in solver_text(options(tested=0))


@given(
    pictures=st.integers(1, 2_000_000), batch=st.integers(1, 256), passes=st.none() | st.integers(1, 100),
    classes=st.integers(2, 1000), tested=st.integers(1, 10_000), started=st.booleans(),
)  # fmt: skip
def test_every_size_gives_a_sound_solver(
    pictures: int, batch: int, passes: int | None, classes: int, tested: int, started: bool
) -> None:
    chosen = options(
        pictures=pictures, batch_size=batch, passes=passes, classes=classes, tested=tested, started=started
    )
    solver = parse_solver(solver_text(chosen)).message
    assert not solver_problems(solver, lambda *path: None)
    size = sizes(chosen)
    assert 1 <= size.test <= size.all
    assert 1 <= size.snapshot <= size.all
    assert size.steps[0] <= size.steps[1] <= size.all
    assert solver.lungo.warmup_iter <= size.all
    if passes is None:
        assert size.all >= min(LEAST, size.all)
        assert size.all <= max(MOST, size.one_pass, LEAST)


@given(pictures=st.integers(1, 100_000), each=st.integers(1, 10**9))
def test_batches_fit(pictures: int, each: int) -> None:
    chosen = batch_size(pictures, each)
    assert chosen >= 1
    assert chosen & (chosen - 1) == 0
    assert chosen <= 32
    assert chosen == 1 or chosen * each * 8 <= 2 << 30


def test_activations_of_a_small_net() -> None:
    assert activations(view(ALEX)) >= 2 * 8 * 16 * 16 + 8 * 8 * 8
    assert batch_size(2000, activations(view(ALEX)), "cuda:0") == 64


def test_more_passes_than_a_solver_can_count() -> None:
    with pytest.raises(UserError, match="more than 2147483647 iterations") as caught:
        sizes(options(passes=2**31 - 1))
    most = int((caught.value.problems[0].remedy or "").split()[-1])
    assert sizes(options(passes=most)).all <= 2**31 - 1 < sizes(options(passes=1)).one_pass * (most + 1)
