"""What a classifier may read, as words name it."""

from __future__ import annotations

import pytest

from caffelungo.errors import UserError
from caffelungo.probes.candidates import ProbeCandidate, before_replacing, candidates
from tests.passes.nets import ANSWER, FIRE, view


def names(text: str, *words: str) -> list[str]:
    return [one.name for one in candidates(view(text), words)]


def test_each_stage_and_all_of_them() -> None:
    found = candidates(view(ANSWER), ["auto"])
    assert [one.name for one in found] == ["conv1", "fc6", "fc7", "all"]
    assert found[-1] == ProbeCandidate("all", ("conv1", "fc6", "fc7"))
    assert not any(one.own for one in found)
    assert candidates(view(ANSWER), ["all"]) == found[-1:]


def test_all_of_one_stage_is_that_stage() -> None:
    assert names(FIRE, "all") == names(FIRE, "auto") == ["fire9/concat"]


def test_a_net_that_is_a_classifier_only() -> None:
    first = ANSWER.index("layer {")
    data = ANSWER[first : ANSWER.index("\n", first)]
    fc = 'layer { name: "fc8" type: "InnerProduct" bottom: "data" top: "fc8" inner_product_param { num_output: 9 } }'
    text = "\n".join([data, fc, 'layer { name: "prob" type: "Softmax" bottom: "fc8" top: "prob" }'])
    with pytest.raises(UserError, match="no layer below its classifier"):
        candidates(view(text), ["auto"])


def test_blobs_joined_and_the_nets_own() -> None:
    found = candidates(view(FIRE), ["fire9/concat", "conv1 + fire9/concat", "head"])
    assert [one.blobs for one in found] == [("fire9/concat",), ("conv1", "fire9/concat"), ()]
    assert [one.own for one in found] == [False, False, True]


def test_what_is_named_again_counts_once() -> None:
    assert names(ANSWER, "auto", "auto", "conv1", "all", "pool1", "fc7") == ["conv1", "fc6", "fc7", "all", "pool1"]


def test_the_classifier_that_is_replaced_is_called_as_the_file_calls_it() -> None:
    """The net that is probed in its place has a classifier of another name, of which a user knows nothing."""
    last = "name a blob before it, such as fc7"
    problems = before_replacing(view(ANSWER), ["fc8", "prob", "fc7", "conv1+fc8+nix", "all", "head"])
    assert [(one.what.partition(",")[0], one.received, one.remedy) for one in problems if "fc8" in one.what] == [
        ("`fc8` is the classifier", "--layers fc8,prob,fc7,conv1+fc8+nix,all,head", last),
        ("`prob` is what classifier `fc8` makes", "--layers fc8,prob,fc7,conv1+fc8+nix,all,head", last),
        ("`fc8` is the classifier", "--layers fc8,prob,fc7,conv1+fc8+nix,all,head", last),
    ]
    assert ["`nix`" in one.what for one in problems].count(True) == 1
    assert before_replacing(view(ANSWER), ["fc7", "conv1+fc7", "auto"]) == []


def test_every_wrong_name_at_once() -> None:
    with pytest.raises(UserError) as error:
        candidates(view(FIRE), ["fire9/concta", "conv1+nix", "conv1+conv1", "conv1"])
    what = [problem.what for problem in error.value.problems]
    assert len(what) == 3
    assert "did you mean `fire9/concat`?" in (error.value.problems[0].remedy or "")
    assert "`nix`" in what[1]
    assert "twice" in what[2]
    with pytest.raises(UserError, match="no layer is named"):
        candidates(view(FIRE), [])
