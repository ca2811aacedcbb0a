"""Numbers per class in a loss, once the classes are others."""

from __future__ import annotations

import pytest

from caffelungo.passes.base import Step, run, step
from caffelungo.passes.deploy import DeployOptions, deploy
from caffelungo.passes.finetune import finetune
from caffelungo.passes.finetune_options import FinetuneOptions
from caffelungo.passes.head import HeadOptions, head
from caffelungo.passes.join import JoinedOptions, Read, joined
from tests.passes.nets import ALEX, net

BLOCK = "lungo { softmax_with_loss { class_weights: inverse beta: 0.9 class_count: [5, 2, 9, 4, 3] class_count: 1 } }"
GIVEN = "lungo { softmax_with_loss { class_weight: [1, 2, 5, 1, 1, 1] } }"


def text(block: str) -> str:
    """The small AlexNet with six classes and ``block`` in its loss."""
    found = ALEX.replace("num_output: 1000", "num_output: 6")
    assert 'type: "SoftmaxWithLoss"' in found
    return found.replace('type: "SoftmaxWithLoss"', f'type: "SoftmaxWithLoss" {block}')


STEPS = [
    step(head, HeadOptions(7)),
    step(finetune, FinetuneOptions(7, "a.txt", "b.txt", suffix="pets")),
    step(joined, JoinedOptions((Read("pool1"),), classes=7)),
]


@pytest.mark.parametrize("one", STEPS, ids=["head", "finetune", "joined"])
def test_lists_of_the_old_classes_go_and_the_rest_stays(one: Step) -> None:
    after = run(net(text(BLOCK)), [one])
    assert "class_count" not in after.definition.text
    assert "class_weights: inverse" in after.definition.text
    assert "beta: 0.9" in after.definition.text
    assert any("loses class_count" in note.what for note in after.notes)
    assert "class_weight" not in run(net(text(GIVEN)), [one]).definition.text


def test_a_fresh_classifier_of_the_same_classes_keeps_them() -> None:
    assert "class_count: [5, 2, 9, 4, 3]" in run(net(text(BLOCK)), [step(head, HeadOptions())]).definition.text


@pytest.mark.parametrize("block", [BLOCK, GIVEN])
def test_what_answers_has_no_loss_and_no_weights(block: str) -> None:
    after = run(net(text(block)), [step(deploy, DeployOptions())]).definition
    assert after.message.layer[-1].type == "Softmax"
    assert "softmax_with_loss" not in after.text
