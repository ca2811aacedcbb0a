"""A correction for classes of different sizes: in the loss, or in the data layer."""

from __future__ import annotations

import pytest

from caffelungo.passes.balance import WORDS, BalanceOptions, balance, correction_of
from caffelungo.passes.base import Refusal, run, step
from tests.passes.nets import ALEX, comments, net

STORED = """
layer { name: "data" type: "HDF5Data" top: "data" top: "label" hdf5_data_param { source: "list.txt" batch_size: 4 } }
layer { name: "fc" type: "InnerProduct" bottom: "data" top: "fc" inner_product_param { num_output: 3 } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" }
"""


def after(text: str, word: str) -> str:
    """The text after the pass, which keeps every comment."""
    found = run(net(text), [step(balance, BalanceOptions(word))]).definition
    assert comments(found.text) == comments(text)
    return found.text


WRITTEN = {
    "inverse": "class_weights: inverse",
    "effective": "class_weights: effective",
    "logits": "logit_adjustment: 1",
    "sampling": "class_balanced: true",
}
"""What each word writes: a test that looks for all of them sees what is left of another word."""


@pytest.mark.parametrize(("word", "written"), WRITTEN.items())
def test_each_word_is_one_correction(word: str, written: str) -> None:
    text = after(ALEX, word)
    assert text.count(written) == 1
    assert correction_of(net(text)) == word
    (first, *_) = [layer for layer in net(text).message.layer if layer.HasField("lungo")]
    assert first.type == ("Data" if word == "sampling" else "SoftmaxWithLoss")
    if word == "sampling":
        assert first.include[0].phase == 0


@pytest.mark.parametrize("first", WORDS[1:])
@pytest.mark.parametrize("second", WORDS)
def test_the_last_word_alone_holds(first: str, second: str) -> None:
    if first == second:
        with pytest.raises(Refusal, match="does this already"):
            after(after(ALEX, first), second)
        return
    text = after(after(ALEX, first), second)
    assert correction_of(net(text)) == second
    assert [word for word, words in WRITTEN.items() if words in text] == [second][: second != "none"]


def test_weights_given_by_hand_make_room() -> None:
    text = ALEX.replace(
        'type: "SoftmaxWithLoss"',
        f'type: "SoftmaxWithLoss" lungo {{ softmax_with_loss {{ class_weight: [{", ".join(["1"] * 1000)}] }} }}',
    )
    assert "class_weight:" not in after(text, "inverse")
    assert "class_weight:" not in after(text, "none")


@pytest.mark.parametrize(
    ("text", "word", "reason"),
    [
        (ALEX, "none", "does this already"),
        (ALEX.replace('"SoftmaxWithLoss"', '"HingeLoss"'), "inverse", "no SoftmaxWithLoss"),
        (STORED, "sampling", "can draw"),
    ],
)
def test_refusals(text: str, word: str, reason: str) -> None:
    with pytest.raises(Refusal, match=reason) as caught:
        after(text, word)
    assert all(problem.remedy for problem in caught.value.problems)
