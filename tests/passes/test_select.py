from __future__ import annotations

import pytest

from caffelungo.errors import UserError
from caffelungo.passes.select import select
from tests.passes.nets import ALEX, FIRE, view


@pytest.mark.parametrize(
    ("text", "words", "names"),
    [
        (ALEX, ["fc7"], ["fc7"]),
        (ALEX, ["fc6..fc7"], ["fc6", "relu6", "drop6", "fc7"]),
        (ALEX, ["relu?", "conv*"], ["conv1", "relu1", "relu6", "relu7"]),
        (ALEX, ["data"], ["data", "data"]),
        (ALEX, ["fc[67]"], ["fc6", "fc7"]),
        (ALEX, [], []),
        (FIRE, ["fire9"], ["fire9/squeeze", "fire9/relu_squeeze", "fire9/expand1x1", "fire9/relu1x1",
                           "fire9/expand3x3", "fire9/relu3x3", "fire9/concat"]),
        (FIRE, ["conv1..fire9"], ["conv1", "relu1", "fire9/squeeze", "fire9/relu_squeeze", "fire9/expand1x1",
                                  "fire9/relu1x1", "fire9/expand3x3", "fire9/relu3x3", "fire9/concat"]),
    ],
)  # fmt: skip
def test_words(text: str, words: list[str], names: list[str]) -> None:
    assert [one.name for one in select(view(text), words, "--freeze")] == names


@pytest.mark.parametrize(
    ("word", "reason"),
    [("fc7..fc6", "comes after"), ("nope*", "no layer's name fits"), ("fc77", "did you mean `fc7`")],
)
def test_words_that_name_nothing(word: str, reason: str) -> None:
    with pytest.raises(UserError, match=reason) as caught:
        select(view(ALEX), [word], "--freeze")
    assert "--freeze" in str(caught.value)
