"""From the net that trains to the net that answers."""

from __future__ import annotations

import pytest

from caffelungo.definition.reader import parse_net
from caffelungo.deploy.deploy_net import deploy_net
from caffelungo.passes.base import Refusal, Result, run, step
from caffelungo.passes.deploy import DeployOptions, deploy
from caffelungo.passes.finetune import finetune
from caffelungo.passes.finetune_options import FinetuneOptions
from caffelungo.passes.view import View
from tests.passes.nets import ALEX, FIRE, THREE_HEADS, apply, comments, layer, lines


def answering(text: str, **options: object) -> Result:
    return apply(text, step(deploy, DeployOptions(**options)))  # type: ignore[arg-type]


def test_input_in_and_softmax_out() -> None:
    after = answering(ALEX).definition
    assert lines(after)[0] == "data Input  -> data"
    assert lines(after)[-1] == "prob Softmax fc8 -> prob"
    assert list(layer(after, "data").input_param.shape[0].dim) == [1, 3, 20, 20]
    assert not any(kind in "\n".join(lines(after)) for kind in ("Loss", "Accuracy", " Data "))


def test_layers_between_stay_as_they_are_with_their_comments() -> None:
    before, after = apply(ALEX).definition, answering(ALEX).definition
    for name in ("conv1", "fc6", "drop7", "fc8"):
        assert layer(before, name) == layer(after, name)
    for comment in comments(ALEX[ALEX.index('name: "conv1"') :]):
        assert comment in after.text


def test_what_the_caller_has_to_do_is_said() -> None:
    assert "less the mean 104" in answering(ALEX).definition.text


def test_auxiliary_heads_go() -> None:
    after = answering(THREE_HEADS).definition
    assert [line.split()[0] for line in lines(after)] == ["data", "conv1", "conv2", "pool", "loss3/classifier", "prob"]


def test_a_head_may_be_named() -> None:
    after = answering(THREE_HEADS, head="loss1/classifier").definition
    assert lines(after)[-1] == "prob Softmax loss1/classifier -> prob"
    assert "conv2" not in "\n".join(lines(after))


def test_an_answering_net_stays() -> None:
    result = answering(FIRE)
    assert result.definition.text == FIRE
    assert "already" in str(result.notes[0])


def test_there_and_back() -> None:
    options = FinetuneOptions(classes=3, train_source="t.txt", val_source="v.txt", suffix="x")
    after = apply(FIRE, step(finetune, options), step(deploy, DeployOptions())).definition
    assert [line.replace("conv10_x", "conv10") for line in lines(after)] == lines(apply(FIRE).definition)


def test_unknown_sizes_are_asked_for() -> None:
    text = ALEX.replace("crop_size: 20  # what the net sees\n", "").replace("crop_size: 20", "")
    with pytest.raises(Refusal, match="--shape"):
        answering(text)
    assert list(layer(answering(text, shape=(2, 3, 20, 20)).definition, "data").input_param.shape[0].dim) == [
        2,
        3,
        20,
        20,
    ]


def test_a_net_without_a_classifier() -> None:
    text = """
layer { name: "data" type: "DummyData" top: "a" top: "b" dummy_data_param { shape { dim: 2 dim: 3 } } }
layer { name: "loss" type: "EuclideanLoss" bottom: "a" bottom: "b" top: "loss" }
"""
    with pytest.raises(Exception, match="no classifier"):
        answering(text)


EUCLIDEAN = """
layer { name: "d" type: "DummyData" top: "data" top: "label"
  dummy_data_param { shape { dim: 4 dim: 5 } shape { dim: 4 dim: 2 } } }
layer { name: "fc" type: "InnerProduct" bottom: "data" top: "fc" inner_product_param { num_output: 2 } }
layer { name: "loss" type: "EuclideanLoss" bottom: "fc" bottom: "label" top: "loss" }
"""
PAIRS = """
layer { name: "d" type: "DummyData" top: "data" top: "other" top: "same"
  dummy_data_param { shape { dim: 4 dim: 5 } shape { dim: 4 dim: 5 } shape { dim: 4 } } }
layer { name: "fc" type: "InnerProduct" bottom: "data" top: "fc" param { name: "w" } param { name: "b" }
  inner_product_param { num_output: 2 } }
layer { name: "fc_p" type: "InnerProduct" bottom: "other" top: "fc_p" param { name: "w" } param { name: "b" }
  inner_product_param { num_output: 2 } }
layer { name: "loss" type: "ContrastiveLoss" bottom: "fc" bottom: "fc_p" bottom: "same" top: "loss" }
"""


@pytest.mark.parametrize(
    ("text", "inputs", "outputs"),
    [
        (EUCLIDEAN, ["data"], ["fc"]),
        (EUCLIDEAN.replace("EuclideanLoss", "SigmoidCrossEntropyLoss"), ["data"], ["prob"]),
        (PAIRS, ["data", "other"], ["fc", "fc_p"]),
    ],
    ids=["regression", "attributes", "pairs"],
)
def test_a_net_without_classifier_answers_what_its_losses_compare(
    text: str, inputs: list[str], outputs: list[str]
) -> None:
    """As the export does, and under the same names."""
    result = run(parse_net(text), [step(deploy, DeployOptions())]).definition
    assert [layer.name for layer in result.message.layer if layer.type == "Input"] == inputs
    assert sorted(View(result).plan.outputs) == outputs
    assert sorted(deploy_net(parse_net(text)).outputs) == outputs
