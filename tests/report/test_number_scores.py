"""Scores of predicted numbers, against scikit-learn and SciPy."""

from __future__ import annotations

import io
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from scipy.stats import spearmanr

from caffelungo.report.number_scores import NumberScores, number_scores, print_numbers, spearman, write

VALUES = st.lists(st.integers(-3, 3).map(float), min_size=2, max_size=30)


@given(VALUES, st.integers(0, 1000))
def test_spearman_with_equal_values(first: list[float], seed: int) -> None:
    a, b = np.array(first), np.random.default_rng(seed).integers(0, 4, len(first)).astype(float)
    found = spearman(a, b)
    if len(set(a)) < 2 or len(set(b)) < 2:
        assert math.isnan(found)
    else:
        assert found == pytest.approx(spearmanr(a, b).statistic, abs=1e-12)


def scores() -> NumberScores:
    rng = np.random.default_rng(0)
    targets = rng.normal([30, 5], [10, 0], (6, 2))
    found = number_scores(targets + np.array([1, 0]), targets, [[1, 0], [1, 0], [0.9, 1]])
    return found.named([("age", "years"), ("legs", "")])


def test_a_table() -> None:
    stream = io.StringIO()
    print_numbers(scores(), Console(file=stream, width=100))
    lines = stream.getvalue().splitlines()
    assert lines[0].split() == ["number", "MAE", "RMSE", "R2", "Spearman"]
    assert lines[1].split() == ["age", "(years)", "1", "1", "0.900", "1.000"]
    assert lines[2].split() == ["legs", "0", "0", "1.000"]
    assert scores().plain()[1]["spearman"] is None


def test_files(tmp_path: Path) -> None:
    found = scores()
    first, second = write(found, tmp_path, [f"{k}.png" for k in range(6)])
    assert first.read_text().splitlines()[:2] == ["number,unit,mae,rmse,r2,spearman", "age,years,1.0,1.0,0.9,1.0"]
    rows = [line.split(",") for line in second.read_text().splitlines()]
    assert rows[0] == ["picture", "age", "age_predicted", "legs", "legs_predicted"]
    assert [float(one) for one in rows[1][1:]] == pytest.approx(
        [found.targets[0, 0], found.predicted[0, 0], 5, 5], rel=1e-8
    )
    assert [row[0] for row in rows[1:]] == [f"{k}.png" for k in range(6)]


def test_names_of_another_count_are_left_out() -> None:
    assert [one.name for one in scores().named([("a", "")]).numbers] == ["age", "legs"]
