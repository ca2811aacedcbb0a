"""A classifier for a further task beside the old ones: what is added, what stays, what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from caffelungo.definition.reader import Definition
from caffelungo.definition.schema import TEST, TRAIN
from caffelungo.deploy.deploy_net import deploy_net
from caffelungo.errors import UserError
from caffelungo.passes.base import Result, run, step
from caffelungo.passes.deploy import DeployOptions, deploy
from caffelungo.passes.finetune_options import FinetuneOptions
from caffelungo.passes.moves import moved
from caffelungo.passes.new_units import UnitOptions
from caffelungo.passes.task import KnownTask, TaskOptions, task_steps
from caffelungo.passes.view import View
from tests.passes.nets import ALEX, ANSWER, FIRE, RESIDUAL, THREE_HEADS, comments, layer, lines, net
from tests.passes.numbers import blobs, picture, random_blobs

BIRDS = ("wren", "owl", "kite")


def add(definition: Definition, name: str = "birds", labels: tuple[str, ...] = BIRDS, **more: object) -> Result:
    data = FinetuneOptions(len(labels), "train.txt", "val.txt")
    return run(definition, task_steps(TaskOptions(name, labels, data, **more)))  # type: ignore[arg-type]


def rates(definition: Definition) -> dict[str, set[float]]:
    plan = View(definition).plan
    return {one.name: {use.lr_mult for use in one.params if use.spec.learned} for one in plan.layers if one.params}


def test_the_new_classifier_stands_beside_the_old_one() -> None:
    found = lines(add(net(ALEX)).definition)
    assert found[-7:] == [
        "fc8 InnerProduct fc7 -> fc8",
        "prob Softmax fc8 -> prob",
        "fc8_birds InnerProduct fc7 -> fc8_birds",
        "prob_birds Softmax fc8_birds -> prob_birds",
        "accuracy Accuracy fc8_birds,label -> accuracy",
        "loss SoftmaxWithLoss fc8_birds,label -> loss",
        "answers Silence prob,prob_birds -> ",
    ]
    assert found[:2] == ["data ImageData  -> data,label"] * 2


def test_only_what_is_new_learns_and_comments_stay() -> None:
    after = add(net(ALEX)).definition
    assert rates(after) == {"conv1": {0}, "fc6": {0}, "fc7": {0}, "fc8": {0}, "fc8_birds": {1, 2}}
    assert set(comments(ALEX)) <= set(comments(after.text)) | {"# The pictures."}


def test_statistics_are_the_stored_ones() -> None:
    after = add(net(RESIDUAL)).definition
    assert all(layer(after, name).batch_norm_param.use_global_stats for name in ("bn1", "bn2"))


def test_training_prints_neither_old_answers_nor_their_losses() -> None:
    after = View(add(net(ALEX)).definition)
    assert list(after.graphs[TRAIN].plan.outputs) == ["loss"]
    assert sorted(after.graphs[TEST].plan.outputs) == ["accuracy", "loss"]


@pytest.mark.parametrize(
    ("text", "first"), [(ALEX, "fc8"), (FIRE, "conv10"), (ANSWER, "fc8"), (RESIDUAL, "fc")],
    ids=["alex", "fire", "answer", "residual"],
)  # fmt: skip
def test_a_third_task_keeps_both_and_all_answer(text: str, first: str) -> None:
    second = add(net(text)).definition
    third = add(second, "cats", ("lynx", "puma")).definition
    assert [(head.name, head.task, list(head.label)) for head in third.message.lungo.head] == [
        (first, first, []),
        (f"{first}_birds", "birds", list(BIRDS)),
        (f"{first}_cats", "cats", ["lynx", "puma"]),
    ]
    assert [one.name for one in View(third).answers] == [first, f"{first}_birds", f"{first}_cats"]
    answers = ["prob", "prob_birds", "prob_cats"]
    assert deploy_net(third).outputs == answers
    answering = run(third, [step(deploy, DeployOptions())]).definition
    assert list(View(answering).plan.outputs) == answers
    assert [(one.blob, one.layer) for one in deploy_net(answering).answers] == [
        (f"prob{end}", f"{first}{end}") for end in ("", "_birds", "_cats")
    ]
    assert not [name for name, found in rates(third).items() if found - {0} and name != f"{first}_cats"]


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"widen": ("fc7", UnitOptions(6, suffix="birds"))},
        {"widen": ("fc7", UnitOptions(6, suffix="birds", normalize=False))},
        {"reads": ("fc6",)},
        {"widen": ("fc7", UnitOptions(6, suffix="birds")), "reads": ("fc6",)},
    ],
    ids=["plain", "widen", "widen raw", "read", "both"],
)
def test_the_old_answers_are_the_same_numbers(more: dict[str, object]) -> None:
    before = net(ANSWER)
    weights, result = random_blobs(before), add(before, **more)  # type: ignore[arg-type]
    old = blobs(before, weights, picture(20))
    new = blobs(result.definition, moved(weights, result.moves), picture(20), np.zeros(2, np.float32))
    for blob in ("conv1", "fc6", "fc8", "prob"):
        assert old(blob).tobytes() == new(blob).tobytes()


def test_new_units_are_read_by_the_new_classifier_alone() -> None:
    after = add(net(ANSWER), widen=("fc7", UnitOptions(6, suffix="birds"))).definition
    graph = View(after).graph
    below = graph.downstream([one for one in graph.plan.layers if one.name == "fc7_birds"])
    assert {one.name for one in below if one.params and one.layer.type == "InnerProduct"} == {"fc7_birds", "fc8_birds"}
    assert layer(after, "fc8_birds").bottom[0] == "fc7_wide_birds"


def test_the_new_scores_are_not_cut_off_at_zero() -> None:
    found = lines(add(net(FIRE)).definition)
    assert [one for one in found if "birds" in one] == [
        "conv10_birds Convolution fire9/concat -> conv10_birds",
        "pool10_birds Pooling conv10_birds -> pool10_birds",
        "prob_birds Softmax pool10_birds -> prob_birds",
        "accuracy Accuracy pool10_birds,label -> accuracy",
        "loss SoftmaxWithLoss pool10_birds,label -> loss",
        "answers Silence prob,prob_birds -> ",
    ]


def test_units_behind_a_pooling_are_pooled_too() -> None:
    after = add(net(RESIDUAL), widen=("res2", UnitOptions(4, suffix="birds"))).definition
    assert layer(after, "fc_birds").bottom[0] == "pool_birds"
    assert layer(after, "pool_birds").bottom[0] == "res2_wide_birds"


def test_the_classifier_that_is_named_after_reading_is_the_one_that_learns() -> None:
    after = add(net(ANSWER), reads=("fc6",)).definition
    assert [head.name for head in after.message.lungo.head] == ["fc8", "fc8_birds_read"]
    assert [one.name for one in View(after).heads()] == ["fc8_birds_read"]


def test_what_is_known_of_the_old_classifier_is_written_down() -> None:
    known = {"fc8": KnownTask("animals", ("cat", "dog"))}
    head = add(net(ANSWER), known=known).definition.message.lungo.head[0]
    assert (head.task, list(head.label)) == ("animals", ["cat", "dog"])


def test_auxiliary_classifiers_of_the_old_training_go() -> None:
    after = add(net(THREE_HEADS)).definition
    assert len(View(after).answers) == 2
    assert not [one for one in after.message.layer if one.type == "SoftmaxWithLoss" and one.name != "loss"]


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        (ANSWER, {"labels": ("wren",)}, "needs at least two classes"),
        (ANSWER, {"widen": ("fc6", UnitOptions(4))}, "old layers would read"),
        (ANSWER, {"widen": ("fc7", UnitOptions(0))}, "no units to add"),
        (ANSWER, {"head": "fc7"}, "is not a classifier"),
        (ANSWER, {"reads": ("fc7",)}, "reads `fc7` already"),
        (ANSWER, {"known": {"fc8": KnownTask("birds")}}, "already has a task called `birds`"),
    ],
)
def test_refusals(text: str, options: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        add(net(text), **options)  # type: ignore[arg-type]


def test_a_net_without_a_classifier_is_refused() -> None:
    text = 'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 8 dim: 8 } } }\n'
    with pytest.raises(UserError, match="no classifier"):
        add(net(text + 'layer { name: "r" type: "ReLU" bottom: "data" top: "r" }\n'))
