"""What a step costs beyond its frozen part, against a count by hand."""

from __future__ import annotations

import pytest

from caffelungo.definition.reader import parse_net
from caffelungo.passes.view import View
from caffelungo.study.step_cost import operations
from tests.study.nets import convolution, data, head, layer

CONV = 2 * 5 * 27 * 144 + 5 * 144
"""3x3 over 3 channels to 5 units at 12 x 12 places: a product and a sum for each weight, a sum for each bias."""
RELU = 5 * 144
SECOND = 2 * 5 * 45 * 144 + 5 * 144
HEAD = 2 * 3 * 5 * 144 + 3
LOSS = 4 * 3


def counted(first: float, second: float, rate: float = 1) -> float:
    text = (
        data() + convolution("one", "data", rate=first) + layer("ReLU", "relu", "one", "one")
        + convolution("two", "one", rate=second) + head("two", rate=rate)
    )  # fmt: skip
    return operations(View(parse_net(text)))


@pytest.mark.parametrize(
    ("first", "second", "ops"),
    [
        (0, 0, HEAD + LOSS),
        (0, 1, SECOND + HEAD + LOSS),
        (1, 1, CONV + RELU + SECOND + HEAD + LOSS),
        # A frozen layer above one that learns passes gradients on.
        (1, 0, CONV + RELU + SECOND + HEAD + LOSS),
    ],
)
def test_by_hand(first: float, second: float, ops: int) -> None:
    assert counted(first, second) == 3 * ops


def test_nothing_learns() -> None:
    assert counted(0, 0, 0) == 0
