"""Pre-trained nets made to predict numbers in the place of classes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from caffelungo.definition import layer_options
from caffelungo.definition.schema import TEST, TRAIN
from caffelungo.passes.base import Refusal, Result, run, step
from caffelungo.passes.finetune import finetune
from caffelungo.passes.finetune_options import FinetuneOptions
from caffelungo.passes.moves import moved
from caffelungo.passes.predict_numbers import (
    NumberColumn,
    NumberOptions,
    answer_layer,
    predict_numbers,
    refuse_constant,
)
from caffelungo.passes.stage_ends import stage_ends
from caffelungo.passes.view import View
from tests.passes.nets import ALEX, FIRE, RESIDUAL, THREE_HEADS, comments, layer, lines, net

POINTED = FinetuneOptions(
    classes=1, train_source="train.txt", val_source="val.txt", root_folder="photos", suffix="ages", batch_size=4,
    label_size=1,
)  # fmt: skip
AGE = NumberColumn("age", "years", 31.5, 11.25)
HEIGHT = NumberColumn("height", "", 170.0, 9.5)


def predicting(text: str, *numbers: NumberColumn, loss: str = "euclidean") -> Result:
    pointed = replace(POINTED, label_size=len(numbers))
    return run(net(text), [step(predict_numbers, NumberOptions(tuple(numbers), pointed, loss))])


@pytest.mark.parametrize("text", [ALEX, FIRE, RESIDUAL, THREE_HEADS], ids=["alex", "fire", "residual", "three"])
def test_every_net_ends_in_its_numbers(text: str) -> None:
    result = predicting(text, AGE, HEIGHT)
    after = result.definition
    view = View(after)
    assert set(view.graphs) == {TRAIN, TEST}
    (head,) = {one.name for one in view.heads()}
    scale, loss, score = (layer(after, name) for name in ("age_height", "loss", "score"))
    assert (scale.type, loss.type, score.type) == ("Scale", "EuclideanLoss", "RegressionScore")
    assert list(loss.bottom) == list(score.bottom) == ["age_height", "label"]
    assert list(score.top) == ["mae", "rmse", "r2"]
    assert score.include[0].phase == TEST
    assert [(one.lr_mult, one.decay_mult) for one in scale.param] == [(0, 0), (0, 0)]
    for graph in view.graphs.values():
        plan = graph.plan
        kinds = {one.layer.type for one in plan.layers}
        assert not kinds & {"SoftmaxWithLoss", "Accuracy", "Softmax"}
        assert plan.layer("age_height").top_shapes[0][1] == 2
        assert plan.values[plan.value_of("label")].shape[1:] == (2,)
        assert plan.layer(head).layer.options.num_output == 2
        between = [one.layer.type for one in view.heads()[-1].between]
        assert "ReLU" not in between, "an output that is never negative"
    assert [(one.name, one.unit) for one in after.message.lungo.number] == [("age", "years"), ("height", "")]
    assert result.moves
    blobs = moved({}, result.moves)
    np.testing.assert_array_equal(blobs["age_height"], np.float32([[11.25, 9.5], [31.5, 170]]))
    assert answer_layer(after) == "age_height"


def test_one_number_is_written_into_the_file_too() -> None:
    after = predicting(ALEX, AGE, loss="huber").definition
    scale = layer(after, "age").scale_param
    assert (scale.filler.value, scale.bias_filler.value) == (11.25, 31.5)
    loss = layer(after, "loss")
    assert loss.type == "HuberLoss"
    assert list(layer_options.value(loss.lungo, "huber_loss").deviation) == [11.25]
    assert any("age (years), mean 31.5, deviation 11.25" in one for one in comments(after.text))


def test_all_layers_before_the_head_stay() -> None:
    before, after = net(ALEX), predicting(ALEX, AGE).definition
    for name in ("conv1", "relu1", "pool1", "fc6", "relu6", "drop6", "fc7", "relu7", "drop7"):
        assert layer(before, name) == layer(after, name)


def test_the_stages_of_the_net_are_still_found() -> None:
    assert stage_ends(View(predicting(ALEX, AGE).definition)) == stage_ends(View(net(ALEX)))


def test_numbers_again() -> None:
    """A net that predicts a number is pointed at two others."""
    once = predicting(ALEX, AGE).definition
    pointed = replace(POINTED, label_size=2, suffix="again")
    result = run(once, [step(predict_numbers, NumberOptions((HEIGHT, AGE), pointed))])
    after = result.definition
    assert [one.name for one in after.message.layer if one.type == "Scale"] == ["height_age"]
    assert [one.name for one in after.message.lungo.number] == ["height", "age"]
    assert View(after).heads()[-1].name == "fc8_ages_again"
    assert "age" not in [one.name for one in after.message.layer]


def test_classes_again() -> None:
    """A net that predicts a number becomes a classifier."""
    once = predicting(ALEX, AGE).definition
    pets = replace(POINTED, label_size=0, classes=3, suffix="pets")
    after = run(once, [step(finetune, pets)]).definition
    kinds = [one.type for one in after.message.layer]
    assert not set(kinds) & {"Scale", "EuclideanLoss", "RegressionScore"}
    assert {"SoftmaxWithLoss", "Accuracy"} <= set(kinds)
    assert not after.message.lungo.number
    assert "label_size" not in "\n".join(lines(after))


def test_numbers_that_do_not_differ() -> None:
    with pytest.raises(Refusal, match="the same for every training picture") as caught:
        refuse_constant((AGE, replace(HEIGHT, deviation=0.0)))
    assert "height" in caught.value.problems[0].received


def test_long_names_are_not_the_names_of_layers() -> None:
    numbers = [replace(AGE, name=f"distance to the {k}th of all things") for k in range(3)]
    assert layer(predicting(ALEX, *numbers).definition, "numbers").type == "Scale"
