from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caffelungo.data import decode
from caffelungo.definition import catalogue, editor
from caffelungo.definition.reader import parse_net, read_net
from caffelungo.definition.schema import TEST, TRAIN
from caffelungo.errors import UserError
from caffelungo.passes import picture_size
from caffelungo.passes.base import Result, step
from caffelungo.passes.fold import FoldOptions, fold
from caffelungo.passes.resize import ResizeOptions, at, before_crop, resize_for, resized
from caffelungo.passes.view import View
from tests.passes.nets import ALEX, ANSWER, FIRE, apply, comments, layer, net
from tests.passes.numbers import blobs, random_blobs

POOLED = """# Made for 24 x 24.
name: "pooled"
layer { name: "data" type: "Input" top: "data"
  input_param { shape { dim: 2 dim: 3 dim: 24 dim: 24 } } }  # pictures
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
  convolution_param { num_output: 5 kernel_size: 3 stride: 2 } }
layer { name: "norm1" type: "LRN" bottom: "conv1" top: "norm1" lrn_param { norm_region: WITHIN_CHANNEL local_size: 3 } }
layer { name: "pool1" type: "Pooling" bottom: "norm1" top: "pool1" pooling_param { kernel_size: 4 stride: 2 } }
layer { name: "conv2" type: "Convolution" bottom: "pool1" top: "conv2"
  convolution_param { num_output: 4 kernel_size: 1 } }
layer { name: "pool2" type: "Pooling" bottom: "conv2" top: "pool2" pooling_param { pool: AVE global_pooling: true } }
layer { name: "prob" type: "Softmax" bottom: "pool2" top: "prob" }
"""


def made(text: str, *size: int, resize: int | None = None) -> Result:
    height, width = size if len(size) == 2 else size * 2
    return apply(text, step(resized, ResizeOptions((height, width), resize)))


def told(text: str, *size: int, resize: int | None = None) -> str:
    with pytest.raises(UserError) as caught:
        made(text, *size, resize=resize)
    assert all(problem.remedy for problem in caught.value.problems)
    return str(caught.value)


def test_an_input_gets_its_size_and_nothing_else_changes() -> None:
    result = made(POOLED, 31)
    assert result.definition.text == POOLED.replace("dim: 24 dim: 24", "dim: 31 dim: 31")
    assert "`data` takes 31x31" in result.explain()
    assert "it took 24x24" in result.explain()
    assert made(POOLED, 24).definition.text == POOLED


def test_message_and_text_say_the_same() -> None:
    edits = [edit for rewrite in made(FIRE, 30).rewrites for edit in rewrite.edits]
    assert editor.apply_message(net(FIRE).message, edits) == made(FIRE, 30).definition.message


def test_a_data_layer_gets_crop_and_resize() -> None:
    found = catalogue.find("squeezenet1.1")
    before = read_net(found.train_val, dict(found.variables))
    after = at(before, ResizeOptions((112, 112))).definition
    for phase in (TRAIN, TEST):
        plan = View(after).graphs[phase].plan
        assert plan.blobs["data"] is not None
        assert plan.blobs["data"][2:] == (112, 112)
    for one in after.message.layer[:2]:
        assert one.transform_param.crop_size == 112
        assert (one.image_data_param.new_height, one.image_data_param.new_width) == (128, 128)
    assert set(comments(before.text)) == set(comments(after.text))


@pytest.mark.parametrize("name", ["squeezenet1.0", "squeezenet1.1", "resnet18", "mobilenet"])
def test_templates_built_at_a_size_have_the_same_shapes(name: str) -> None:
    found = catalogue.find(name)
    ours = at(read_net(found.deploy, found.deploy_variables), ResizeOptions((112, 112))).definition
    theirs = read_net(found.deploy, {**found.deploy_variables, "size": 112})
    assert ours.message == theirs.message
    assert View(ours).plan.blobs == View(theirs).plan.blobs


def test_numbers_at_another_size_are_those_of_a_net_written_at_that_size() -> None:
    weights = random_blobs(net(POOLED))
    picture = np.random.default_rng(0).normal(0, 1, (2, 3, 33, 27)).astype(np.float32)
    ours = blobs(made(POOLED, 33, 27).definition, weights, picture)
    theirs = blobs(net(POOLED.replace("dim: 24 dim: 24", "dim: 33 dim: 27")), weights, picture)
    np.testing.assert_array_equal(ours("prob"), theirs("prob"))
    assert ours("conv1").shape == (2, 5, 16, 13)


def test_databases_are_scaled_where_nothing_said_so() -> None:
    text = ALEX.replace('type: "InnerProduct" bottom: "pool1"', 'type: "InnerProduct" bottom: "whole"').replace(
        'layer { name: "fc6"',
        'layer { name: "whole" type: "Pooling" bottom: "pool1" top: "whole" pooling_param { global_pooling: true } }\n'
        'layer { name: "fc6"',
    )
    result = made(text, 112)
    transform = layer(result.definition, "data").transform_param
    assert (transform.crop_size, transform.lungo.resize_height, transform.lungo.resize_width) == (112, 128, 128)
    assert "it did not scale them" in result.explain()
    uncropped = text.replace("crop_size: 20", "")
    transform = layer(made(uncropped.replace("  # what the net sees", ""), 40).definition, "data").transform_param
    assert (transform.crop_size, transform.lungo.resize_height) == (0, 40)


@pytest.mark.parametrize(("kind", "side"), [("RandomResizedCrop", 0), ("RandomVerticalFlip", 128)])
def test_pictures_that_an_augmentation_brings_to_the_crop_keep_their_size(kind: str, side: int) -> None:
    text = POOLED.replace(
        'type: "Input" top: "data"', 'type: "Data" top: "data" data_param { source: "x" batch_size: 2 }'
    )
    text = text.replace(
        "input_param { shape { dim: 2 dim: 3 dim: 24 dim: 24 } }",
        f'transform_param {{ crop_size: 20 force_color: true lungo {{ augmentation {{ type: "{kind}" }} }} }}',
    )
    transform = made(text, 112).definition.message.layer[0].transform_param
    assert (transform.crop_size, transform.lungo.resize_height) == (112, side)


def test_the_margin_may_be_said() -> None:
    found = catalogue.find("resnet18")
    after = at(read_net(found.train_val, dict(found.variables)), ResizeOptions((160, 160), 160)).definition
    first = after.message.layer[0]
    assert (first.transform_param.crop_size, first.image_data_param.new_height) == (160, 160)
    assert "smaller than the crop" in told(FIRE, 30, resize=20)


def test_inner_products_refuse_with_numbers_and_a_way() -> None:
    larger = told(ANSWER, 32)
    assert "the weights of `fc6` (InnerProduct) fit only pictures of 20x20" in larger
    assert "inputs instead of 512" in larger
    assert "--cast all --size 32" in larger
    assert "use 20x20 or more" in told(ANSWER, 12)


def test_sizes_that_round_to_the_same_plane_are_taken() -> None:
    found = catalogue.find("caffenet")
    after = at(read_net(found.deploy), ResizeOptions((224, 224))).definition
    assert View(after).plan.layer("fc6").params[0].shape == (4096, 9216)


def test_a_plane_below_a_window_names_the_smallest_size() -> None:
    text = told(POOLED, 5)
    assert "pool1" in text
    smallest = next(side for side in range(1, 24) if _plans(side))
    assert f"the smallest size that works is {smallest}: --size {smallest}" in text
    assert _plans(smallest)
    made(POOLED, smallest)
    told(POOLED, smallest - 1)


def _plans(side: int) -> bool:
    try:
        View(net(POOLED.replace("dim: 24 dim: 24", f"dim: {side} dim: {side}")))
    except UserError:
        return False
    return True


def test_planes_that_must_meet_again_name_the_next_size() -> None:
    text = """
    layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 16 dim: 16 } } }
    layer { name: "down" type: "Convolution" bottom: "data" top: "down"
      convolution_param { num_output: 3 kernel_size: 4 stride: 4 } }
    layer { name: "up" type: "Deconvolution" bottom: "down" top: "up"
      convolution_param { num_output: 3 kernel_size: 4 stride: 4 } }
    layer { name: "sum" type: "Eltwise" bottom: "data" bottom: "up" top: "sum" }
    """
    assert "the next size that works is 20: --size 20" in told(text, 18)
    made(text, 32)


def test_an_answer_that_becomes_a_map_is_told() -> None:
    text = POOLED.replace("pool: AVE global_pooling: true", "pool: AVE kernel_size: 5")
    assert "`prob` becomes a map of" in made(text, 40).explain()
    assert "map" not in made(POOLED, 40).explain()


@pytest.mark.parametrize(
    ("text", "size", "reason"),
    [
        (POOLED, (0, 0), "at least 1 pixel"),
        (POOLED, (-3, 4), "at least 1 pixel"),
        (POOLED, (100_000, 100_000), "at most 89478485 pixels"),
        (ALEX, (30, 20), "crops squares"),
        (POOLED.replace('top: "data"\n', 'top: "data" top: "more"\n').replace(
            "shape { dim: 2", "shape { dim: 2 dim: 3 dim: 9 dim: 9 } shape { dim: 2"), (30, 30), "several sizes"),
        (POOLED.replace("dim: 2 dim: 3 dim: 24 dim: 24", "dim: 2 dim: 3"), (30, 30), "has no picture input"),
        (POOLED.replace('type: "Input"', 'type: "HDF5Data"').replace(
            "input_param { shape { dim: 2 dim: 3 dim: 24 dim: 24 } }", 'hdf5_data_param { source: "x" batch_size: 2 }'),
            (30, 30), "takes its size from the data"),
    ],
)  # fmt: skip
def test_refusals(text: str, size: tuple[int, int], reason: str) -> None:
    with pytest.raises(UserError, match=reason) as caught:
        at(parse_net(text), ResizeOptions(size))
    assert all(problem.remedy for problem in caught.value.problems)


def test_only_what_runs_must_fit() -> None:
    """GoogLeNet's classifiers on the way, which only training reads, are of one size."""
    found = catalogue.find("googlenet")
    train = read_net(found.train_val, dict(found.variables))
    with pytest.raises(UserError, match="loss1/fc"):
        at(train, ResizeOptions((160, 160)))
    plan = View(train).graphs[TEST]
    head = frozenset(one.name for one in plan.upstream([plan.plan.layer("loss3/classifier")]))
    at(train, ResizeOptions((160, 160), phases=(TEST,), only=head))


def test_the_limit_is_what_is_decoded() -> None:
    assert picture_size.MOST_PIXELS == decode.MOST_PIXELS


@given(st.integers(1, 600), st.integers(1, 600), st.integers(0, 200))
@settings(max_examples=200, deadline=None)
def test_pictures_are_never_smaller_than_the_crop(crop: int, old: int, margin: int) -> None:
    side = before_crop(crop, old, old + margin)
    assert side >= crop
    assert before_crop(old, old, old + margin) == old + margin
    if margin == 0 and old <= 64:
        assert side == resize_for(crop)


@pytest.mark.parametrize(
    ("crop", "old", "resize", "side"),
    [(112, 227, 256, 128), (64, 227, 256, 64), (448, 224, 256, 512), (64, 32, 36, 72), (112, 0, 0, 128),
     (30, 20, 20, 30)],
)  # fmt: skip
def test_margins(crop: int, old: int, resize: int, side: int) -> None:
    assert before_crop(crop, old, resize) == side


@pytest.mark.parametrize("plane", ["dim: 1 dim: 1", "dim: 2 dim: 3"])
@pytest.mark.parametrize("tail", ["", 'layer { name: "ip" type: "InnerProduct" bottom: "pool1" top: "ip"\n'
                                      "  inner_product_param { num_output: 4 } }\n"])  # fmt: skip
def test_a_place_holder_is_not_judged(plane: str, tail: str) -> None:
    """What the file says of the size until the program runs need not fit; what is asked for must."""
    text = f'layer {{ name: "data" type: "Input" top: "data" input_param {{ shape {{ dim: 1 dim: 3 {plane} }} }} }}\n'
    text += POOLED[POOLED.index('layer { name: "conv1"') : POOLED.index('layer { name: "conv2"')] + tail
    found = made(text, 24)
    assert View(found.definition).graph.plan.blobs["pool1"] == (1, 5, 5, 5)
    with pytest.raises(UserError, match="impossible shape"):
        made(text, 3)
    with pytest.raises(UserError, match="impossible shape"):
        apply(text, step(fold, FoldOptions()))
