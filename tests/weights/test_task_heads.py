"""Who answers for what: the heads that nets and weights name."""

from __future__ import annotations

from typing import Any

import pytest

from caffelungo.definition.schema import message_class
from caffelungo.errors import UserError
from caffelungo.weights.task_heads import described, find, heads_of


def extras(*heads: tuple[str, str, list[str]]) -> Any:
    made = message_class("lungo.NetExtras")()
    for name, task, label in heads:
        made.head.add(name=name, task=task, label=label)
    return made


def test_what_is_earlier_stands_above_what_is_later_unless_it_knows_no_classes() -> None:
    net = extras(("fc8", "old", []), ("fc8_birds", "birds", ["wren"]))
    weights = extras(("fc8", "animals", ["cat"]), ("fc8_birds", "x", ["owl"]), ("fc8_cats", "cats", ["lynx"]))
    found = heads_of(net, None, weights)
    assert [(head.task, list(head.label)) for head in found.values()] == [
        ("animals", ["cat"]), ("birds", ["wren"]), ("cats", ["lynx"]),
    ]  # fmt: skip
    assert list(heads_of(net, weights, layers=["fc8_birds"])) == ["fc8_birds"]
    assert heads_of(None) == {}


def test_a_head_is_found_by_layer_and_by_task() -> None:
    heads = heads_of(extras(("fc8", "animals", []), ("fc8_birds", "birds", [])))
    assert find(heads, "birds") is find(heads, "fc8_birds")
    assert [described(head) for head in heads.values()] == ["`fc8` (animals)", "`fc8_birds` (birds)"]


@pytest.mark.parametrize(("word", "message"), [("bird", "did you mean `birds`"), ("x", "`fc8_birds` \\(birds\\)")])
def test_a_name_that_is_none_is_told_with_those_that_are(word: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        find(heads_of(extras(("fc8_birds", "birds", []))), word)
    with pytest.raises(UserError, match="names no heads"):
        find({}, word)
