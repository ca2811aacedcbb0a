"""Features as one matrix: its numbers, their order, and no more of them than fit."""

from __future__ import annotations

import numpy as np
import pytest

from caffelungo.errors import UserError
from caffelungo.features.pooled import Pooled
from caffelungo.plan import memory_limits
from caffelungo.probes.feature_matrix import COPIES, matrix

RNG = np.random.default_rng(0)
ROWS = {
    ("a", "mean", version): RNG.normal(0, 10.0**version, (4, 3)).astype(np.float32) for version in (0, 1)
} | {("b", "max", version): RNG.normal(0, 1, (4, 2)).astype(np.float32) for version in (0, 1)}  # fmt: skip
FOUND = Pooled(("a", "b"), ROWS, np.arange(4), ("",) * 4)
PARTS = [("b", "max"), ("a", "mean")]


def test_parts_side_by_side_at_unit_length_versions_behind_one_another() -> None:
    x = matrix(FOUND, PARTS).numpy()
    assert x.shape == (8, 5)
    assert x.dtype == np.float32
    for version in (0, 1):
        for span, key in ((slice(0, 2), "b"), (slice(2, 5), "a")):
            rows = ROWS[key, "max" if key == "b" else "mean", version].astype(np.float64)
            lengths = np.linalg.norm(rows, axis=1, keepdims=True)
            np.testing.assert_allclose(x[4 * version : 4 * version + 4, span], rows / lengths, rtol=1e-5)


def test_a_row_of_nothing_is_nothing() -> None:
    zeros = Pooled(("a",), {("a", "mean", 0): np.zeros((2, 3), np.float32)}, np.arange(2), ("", ""))
    assert matrix(zeros, [("a", "mean")]).tolist() == [[0, 0, 0], [0, 0, 0]]


def test_more_than_memory_holds_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    need = COPIES * 4 * 8 * 5
    monkeypatch.setattr(memory_limits, "available", lambda: need)
    matrix(FOUND, PARTS)
    monkeypatch.setattr(memory_limits, "available", lambda: need - 1)
    with pytest.raises(UserError, match="do not fit into memory") as error:
        matrix(FOUND, PARTS)
    assert "8 rows of 5 features" in str(error.value)
    assert "--layers" in str(error.value)
    monkeypatch.setattr(memory_limits, "available", lambda: None)
    matrix(FOUND, PARTS)
