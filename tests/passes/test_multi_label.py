"""Pre-trained nets made to tell several labels in the place of one class."""

from __future__ import annotations

from dataclasses import replace

import pytest

from caffelungo.definition import layer_options
from caffelungo.definition.schema import TEST, TRAIN
from caffelungo.passes.base import Result, run, step
from caffelungo.passes.deploy import DeployOptions, deploy
from caffelungo.passes.finetune import finetune
from caffelungo.passes.finetune_options import FinetuneOptions
from caffelungo.passes.join import JoinOptions, join
from caffelungo.passes.multi_label import ASYMMETRIC, LabelOptions, bias_of, multi_label
from caffelungo.passes.predict_numbers import NumberColumn, NumberOptions, predict_numbers
from caffelungo.passes.view import View
from tests.passes.nets import ALEX, FIRE, RESIDUAL, THREE_HEADS, comments, layer, lines, net

NAMES = ("cat", "tall grass", "dog")
POINTED = FinetuneOptions(
    classes=3, train_source="train.txt", val_source="val.txt", root_folder="photos", suffix="tags", batch_size=4,
    label_size=3,
)  # fmt: skip


def labelled(text: str, **options: object) -> Result:
    return run(net(text), [step(multi_label, replace(LabelOptions(NAMES, POINTED), **options))])  # type: ignore[arg-type]


@pytest.mark.parametrize("text", [ALEX, FIRE, RESIDUAL, THREE_HEADS], ids=["alex", "fire", "residual", "three"])
def test_every_net_ends_in_its_labels(text: str) -> None:
    after = labelled(text, share=0.1).definition
    view = View(after)
    assert set(view.graphs) == {TRAIN, TEST}
    (head,) = {one.name for one in view.heads()}
    loss, score = layer(after, "loss"), layer(after, "score")
    assert (loss.type, score.type) == ("SigmoidCrossEntropyLoss", "MultiLabelScore")
    assert loss.bottom[0] == score.bottom[0]
    assert loss.loss_param.ignore_label == -1
    assert list(score.top) == ["mAP", "micro_f1", "macro_f1"]
    assert score.include[0].phase == TEST
    for phase, graph in view.graphs.items():
        plan = graph.plan
        assert not {one.layer.type for one in plan.layers} & {"SoftmaxWithLoss", "Accuracy", "Softmax"}
        assert plan.layer(head).layer.options.num_output == 3
        assert plan.values[plan.value_of("label")].shape[1:] == (3,)
        assert plan.layer("loss").bottom_shapes[0] is not None
        assert ("score" in {one.name for one in plan.layers}) == (phase == TEST)
    bias = plan.layer(head).layer.options.bias_filler
    assert (bias.type, bias.value) == ("constant", pytest.approx(-2.197, abs=1e-3))
    assert list(after.message.lungo.label) == list(NAMES)
    assert view.heads()[-1].label == "label"


def test_what_is_below_the_classifier_stays() -> None:
    after = labelled(ALEX).definition
    below = [line for line in lines(net(ALEX)) if line.split()[1] in ("Convolution", "ReLU", "Pooling", "Dropout")]
    assert [line for line in lines(after) if line in below] == below
    assert set(comments(after.text)) & set(comments(ALEX))


def test_initial_bias() -> None:
    assert bias_of(0.01) == pytest.approx(-4.595, abs=5e-4)
    (head,) = {one.name for one in View(labelled(ALEX).definition).heads()}
    assert layer(labelled(ALEX).definition, head).inner_product_param.bias_filler.value == 0


def test_weights_of_labels_and_the_asymmetric_loss() -> None:
    def block(**options: object) -> str:
        found = layer(labelled(ALEX, **options).definition, "loss")
        return str(layer_options.value(found.lungo, layer_options.key(found.type))).strip()

    assert block() == ""
    assert block(balance="inverse") == "class_weights: inverse"
    assert sorted(block(loss=ASYMMETRIC).splitlines()) == ["margin: 0.05", "negative_gamma: 4", "positive_gamma: 1"]


def test_the_net_is_deployed_with_a_sigmoid() -> None:
    answering = run(labelled(ALEX).definition, [step(deploy, DeployOptions())]).definition
    last = answering.message.layer[-1]
    assert (last.type, list(last.top)) == ("Sigmoid", ["prob"])


def test_and_back_to_classes_or_numbers_or_other_labels() -> None:
    first = labelled(ALEX).definition
    pointed = replace(POINTED, suffix="again")
    again = run(first, [step(multi_label, LabelOptions(("a", "b"), pointed))]).definition
    assert list(again.message.lungo.label) == ["a", "b"]
    classes = run(first, [step(finetune, replace(pointed, classes=5, label_size=0))]).definition
    assert not classes.message.lungo.label
    kinds = [one.type for one in classes.message.layer]
    assert kinds.count("SoftmaxWithLoss") == kinds.count("Accuracy") == 1
    assert not {"SigmoidCrossEntropyLoss", "MultiLabelScore"} & set(kinds)
    number = NumberOptions((NumberColumn("age", "", 3.0, 2.0),), replace(pointed, label_size=1))
    numbers = run(first, [step(predict_numbers, number)]).definition
    assert not {"SigmoidCrossEntropyLoss", "MultiLabelScore"} & {one.type for one in numbers.message.layer}


def test_a_classifier_on_joined_features_keeps_the_ends() -> None:
    after = run(labelled(FIRE).definition, [step(join, JoinOptions())]).definition
    head = View(after).heads()[-1]
    assert head.classes == 3
    assert sorted({end.layer.type for end in head.ends}) == ["MultiLabelScore", "SigmoidCrossEntropyLoss"]
