"""Another ratio for Dropout layers."""

from __future__ import annotations

import pytest

from caffelungo.errors import UserError
from caffelungo.passes.base import Refusal, run, step
from caffelungo.passes.dropout import DropoutOptions, dropout
from tests.passes.nets import ALEX, RESIDUAL, comments, lines, net


def ratios(text: str, options: DropoutOptions) -> list[float]:
    """Of the Dropout layers after the pass, which leaves everything else as it is."""
    after = run(net(text), [step(dropout, options)]).definition
    assert (lines(after), comments(after.text)) == (lines(net(text)), comments(text))
    return [round(one.dropout_param.dropout_ratio, 6) for one in after.message.layer if one.type == "Dropout"]


def test_every_layer_gets_the_ratio() -> None:
    assert ratios(ALEX, DropoutOptions(0.2)) == [0.2, 0.2]


def test_only_those_that_are_named() -> None:
    assert ratios(ALEX, DropoutOptions(0.2, ("drop7",))) == [0.5, 0.2]
    assert ratios(ALEX, DropoutOptions(0.0, ("*6",))) == [0.0, 0.5]


@pytest.mark.parametrize(
    ("text", "options", "reason"),
    [
        (RESIDUAL, DropoutOptions(0.2), "there is no Dropout layer"),
        (ALEX, DropoutOptions(0.2, ("fc7",)), "there is no Dropout layer"),
        (ALEX, DropoutOptions(0.5), "already"),
        (ALEX, DropoutOptions(0.2, ("drp7",)), "no layer"),
    ],
)
def test_refusals(text: str, options: DropoutOptions, reason: str) -> None:
    with pytest.raises((Refusal, UserError), match=reason) as caught:
        ratios(text, options)
    assert all(problem.remedy for problem in caught.value.problems)
