"""Pre-trained nets pointed at other pictures and classes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from caffelungo.definition.schema import TEST, TRAIN, Preprocessing
from caffelungo.passes.base import Refusal, Result, run, step
from caffelungo.passes.finetune import finetune
from caffelungo.passes.finetune_options import FinetuneOptions
from caffelungo.passes.resize import resize_for
from caffelungo.passes.view import View
from tests.passes.nets import ALEX, FIRE, RESIDUAL, THREE_HEADS, apply, comments, layer, lines, net

PETS = FinetuneOptions(
    classes=7, train_source="train.txt", val_source="val.txt", root_folder="photos", suffix="pets", batch_size=4
)


def pets(text: str, **changes: object) -> Result:
    return apply(text, step(finetune, replace(PETS, **changes)))  # type: ignore[arg-type]


def test_the_head_is_renamed_everywhere_and_learns_faster() -> None:
    after = pets(ALEX).definition
    head = layer(after, "fc8_pets")
    assert list(head.top) == ["fc8_pets"]
    assert head.inner_product_param.num_output == 7
    assert [(one.lr_mult, one.decay_mult) for one in head.param] == [(10, 1), (20, 0)]
    assert head.inner_product_param.weight_filler.type == "gaussian"
    assert head.inner_product_param.weight_filler.std == np.float32(0.01)
    assert list(layer(after, "loss").bottom) == ["fc8_pets", "label"]
    assert list(layer(after, "accuracy").bottom) == ["fc8_pets", "label"]
    assert "fc8 " not in "\n".join(lines(after))


def test_all_other_layers_keep_their_names_and_parameters() -> None:
    before, after = apply(ALEX).definition, pets(ALEX).definition
    for name in ("conv1", "relu1", "pool1", "fc6", "relu6", "drop6", "fc7", "relu7", "drop7"):
        assert layer(before, name) == layer(after, name)


def test_data_layers_read_the_lists_and_keep_their_transforms() -> None:
    after = pets(ALEX).definition
    train, test = layer(after, "data"), layer(after, "data", last=True)
    assert (train.type, test.type) == ("ImageData", "ImageData")
    assert (train.image_data_param.source, test.image_data_param.source) == ("train.txt", "val.txt")
    assert train.image_data_param.root_folder == "photos/"
    assert (train.image_data_param.batch_size, train.image_data_param.shuffle) == (4, True)
    assert (train.image_data_param.new_height, train.image_data_param.new_width) == (20, 20)
    assert not train.HasField("data_param")
    assert train.transform_param.mirror
    assert not test.transform_param.mirror
    assert list(train.transform_param.mean_value) == [104]
    assert train.include[0].phase == TRAIN
    assert test.include[0].phase == TEST


def test_every_comment_survives() -> None:
    after = pets(ALEX).definition.text
    for comment in comments(ALEX):
        assert comment in after


def test_an_accuracy_that_is_always_right_is_taken_out() -> None:
    assert "accuracy_top5" in "\n".join(lines(pets(ALEX).definition))
    assert "accuracy_top5" not in "\n".join(lines(pets(ALEX, classes=5).definition))


def test_a_net_that_only_answers_gets_data_and_loss() -> None:
    after = pets(FIRE).definition
    assert lines(after)[:2] == ["data ImageData  -> data,label"] * 2
    assert lines(after)[-2:] == [
        "loss SoftmaxWithLoss pool10,label -> loss",
        "accuracy Accuracy pool10,label -> accuracy",
    ]
    assert layer(after, "accuracy").include[0].phase == TEST
    train = layer(after, "data")
    assert list(train.transform_param.mean_value) == [104, 117, 123]
    assert train.transform_param.mirror
    assert not train.HasField("input_param")
    assert set(View(after).graphs) == {TRAIN, TEST}


def test_a_head_whose_blob_is_read_by_the_loss_itself() -> None:
    after = pets(RESIDUAL).definition
    assert lines(after)[-2:] == [
        "loss SoftmaxWithLoss fc_pets,label -> loss",
        "accuracy Accuracy fc_pets,label -> accuracy",
    ]


def test_an_open_end_gets_a_loss_of_its_own() -> None:
    text = RESIDUAL.replace('layer { name: "prob" type: "Softmax" bottom: "fc" top: "prob" }', "")
    after = pets(text).definition
    assert lines(after)[-2:] == [
        "loss SoftmaxWithLoss fc_pets,label -> loss",
        "accuracy Accuracy fc_pets,label -> accuracy",
    ]


def test_the_assumed_mean_is_said() -> None:
    notes = [str(note) for note in pets(FIRE).notes]
    assert any("mean 104, 117, 123" in note and "assumed" in note for note in notes)


def test_the_record_of_the_weights_comes_before_assumptions() -> None:
    record = Preprocessing(mean_value=[1, 2, 3], scale=0.5, resize_height=24, resize_width=24)
    train = layer(pets(FIRE, preprocessing=record).definition, "data")
    assert list(train.transform_param.mean_value) == [1, 2, 3]
    assert train.transform_param.scale == 0.5
    assert train.image_data_param.new_height == 24
    assert train.transform_param.crop_size == 21


def test_all_three_heads() -> None:
    after = pets(THREE_HEADS).definition
    for name in ("loss1/classifier_pets", "loss2/classifier_pets", "loss3/classifier_pets"):
        assert layer(after, name).inner_product_param.num_output == 7
    assert list(layer(after, "loss2/loss").bottom) == ["loss2/classifier_pets", "label"]


def test_one_head_of_three() -> None:
    after = pets(THREE_HEADS, head="loss3/classifier").definition
    assert layer(after, "loss3/classifier_pets").inner_product_param.num_output == 7
    assert layer(after, "loss1/classifier").inner_product_param.num_output == 50


def test_twice_gives_two_names() -> None:
    options = step(finetune, PETS)
    after = apply(ALEX, options, options).definition
    assert layer(after, "fc8_pets2").inner_product_param.num_output == 7


def test_size_and_mean_may_be_chosen() -> None:
    train = layer(pets(FIRE, size=112, mean_value=(127.5,)).definition, "data")
    assert train.transform_param.crop_size == 112
    assert train.image_data_param.new_height == 128
    assert list(train.transform_param.mean_value) == [127.5]


def test_grey_pictures() -> None:
    train = layer(pets(FIRE.replace("dim: 1 dim: 3", "dim: 1 dim: 1")).definition, "data")
    assert not train.image_data_param.is_color
    assert not train.transform_param.mean_value


def test_a_mean_file_that_is_there_stays(tmp_path: Path) -> None:
    mean = tmp_path / "mean.binaryproto"
    mean.write_bytes(b"")
    text = ALEX.replace("mean_value: 104\n", f'mean_file: "{mean}"\n')
    assert layer(pets(text).definition, "data").transform_param.mean_file == str(mean)


def test_a_mean_file_that_is_not_there_is_replaced_and_said() -> None:
    result = pets(ALEX.replace("mean_value: 104\n", 'mean_file: "imagenet_mean.binaryproto"\n'))
    train = layer(result.definition, "data")
    assert not train.transform_param.HasField("mean_file")
    assert list(train.transform_param.mean_value) == [104, 117, 123]
    assert any("imagenet_mean.binaryproto is missing" in str(note) for note in result.notes)


def test_shared_data_layer_becomes_two() -> None:
    start, end = ALEX.index('layer {\n  name: "data"\n'), ALEX.index('layer {\n  name: "conv1"')
    one = ALEX[:start] + ALEX[start:end].replace("  include { phase: TRAIN }\n", "") + ALEX[end:]
    one = one[:start] + one[start : one.index("layer {", start + 1)] + one[one.index('layer {\n  name: "conv1"') :]
    after = pets(one).definition
    assert lines(after)[:3] == ["data ImageData  -> data,label"] * 2 + ["conv1 Convolution data -> conv1"]
    assert [layer(after, "data", last).include[0].phase for last in (False, True)] == [TRAIN, TEST]


def refused(text: str, **changes: object) -> str:
    with pytest.raises(Refusal) as caught:
        pets(text, **changes)
    assert caught.value.problems[0].remedy
    return str(caught.value)


def test_refuses_unknown_sizes_with_a_remedy() -> None:
    text = ALEX.replace("crop_size: 20  # what the net sees\n", "").replace("crop_size: 20", "")
    assert "--size 28" in refused(text)


def test_refuses_a_map_of_answers() -> None:
    text = FIRE.replace(
        "pooling_param { pool: AVE global_pooling: true }", "pooling_param { kernel_size: 2 stride: 2 }"
    )
    assert "one answer per position, not one per picture" in refused(text)


def test_refuses_a_head_that_shares_its_weights() -> None:
    text = THREE_HEADS.replace(
        "param { lr_mult: 1 } param { lr_mult: 2 } inner_product_param", 'param { name: "w" } inner_product_param'
    )
    text = text.replace(
        'layer { name: "pool" ',
        'layer { name: "other" type: "InnerProduct" bottom: "conv1" top: "other" param { name: "w" } '
        'inner_product_param { num_output: 50 } }\nlayer { name: "pool" ',
    )
    assert "shares its weights as `w` with `other`" in refused(text)


def test_refuses_several_open_ends() -> None:
    text = FIRE.replace(
        'layer { name: "prob" type: "Softmax" bottom: "pool10" top: "prob" }',
        'layer { name: "other" type: "Convolution" bottom: "fire9/concat" top: "other" '
        "convolution_param { num_output: 4 kernel_size: 1 } }",
    )
    assert "--head" in refused(text)
    assert layer(pets(text, head="conv10").definition, "conv10_pets").convolution_param.num_output == 7


def test_refuses_one_class() -> None:
    with pytest.raises(Refusal, match="at least two classes"):
        pets(ALEX, classes=1)


@pytest.mark.parametrize(("crop", "side"), [(28, 28), (32, 32), (112, 128), (224, 256), (227, 256), (299, 342)])
def test_margins(crop: int, side: int) -> None:
    assert resize_for(crop) == side


def test_rows_of_numbers_are_no_pictures() -> None:
    rows = """
    layer { name: "rows" type: "HDF5Data" top: "data" top: "label" hdf5_data_param { source: "r.txt" batch_size: 2 } }
    layer { name: "fc1" type: "InnerProduct" bottom: "data" top: "fc1" inner_product_param { num_output: 2 } }
    layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc1" bottom: "label" top: "loss" }
    """
    with pytest.raises(Refusal, match="`rows` gives rows of numbers"):
        run(net(rows), [step(finetune, PETS)], {"rows": [(10, 4), (10,)]})
