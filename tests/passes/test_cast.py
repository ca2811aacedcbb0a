from __future__ import annotations

import numpy as np
import pytest

from caffelungo.definition import catalogue, editor
from caffelungo.definition.reader import read_net
from caffelungo.definition.schema import TEST
from caffelungo.errors import UserError
from caffelungo.passes.base import Result, run, step
from caffelungo.passes.cast import CastOptions, cast
from caffelungo.passes.moves import moved
from caffelungo.passes.view import View
from tests.passes.nets import ALEX, ANSWER, FIRE, apply, comments, layer, lines, net
from tests.passes.numbers import before_and_after, blobs, picture, random_blobs


def casted(text: str, *layers: str, size: tuple[int, int] | None = None) -> Result:
    return apply(text, step(cast, CastOptions(layers, size)))


def test_every_inner_product_becomes_a_convolution() -> None:
    result = casted(ANSWER)
    assert "InnerProduct" not in result.definition.text
    found = lines(result.definition)
    assert "fc6_conv Convolution pool1 -> fc6_conv" in found
    assert "relu6 ReLU fc6_conv -> fc6_conv" in found
    first = layer(result.definition, "fc6_conv").convolution_param
    assert (list(first.kernel_size), first.num_output, first.HasField("axis")) == ([8], 12, False)
    assert list(layer(result.definition, "fc8_conv").convolution_param.kernel_size) == [1]


def test_comments_inside_the_layer_stay() -> None:
    result = casted(ANSWER)
    gone = set(comments(ANSWER)) - set(comments(result.definition.text))
    assert gone == {"# after the batch"}  # of `axis`, which a convolution has no need of
    assert "num_output: 12  # units" in result.definition.text


def test_message_and_text_say_the_same() -> None:
    edits = [edit for rewrite in casted(ANSWER).rewrites for edit in rewrite.edits]
    assert editor.apply_message(net(ANSWER).message, edits) == casted(ANSWER).definition.message


def test_answers_are_the_same_on_the_old_size() -> None:
    result = casted(ANSWER)
    before, after = before_and_after(net(ANSWER), result, picture(20))
    assert after("fc8_conv").shape == (2, 9, 1, 1)
    np.testing.assert_allclose(after("fc8_conv")[:, :, 0, 0], before("fc8"), rtol=1e-5, atol=1e-5)


def test_a_larger_picture_gives_a_map_of_what_crops_give() -> None:
    result = casted(ANSWER, size=(24, 22))
    shape = layer(result.definition, "data").input_param.shape[0]
    assert list(shape.dim) == [2, 3, 24, 22]
    weights = random_blobs(net(ANSWER))
    whole = np.random.default_rng(2).normal(0, 1, (2, 3, 24, 22)).astype(np.float32)
    scores = blobs(result.definition, moved(weights, result.moves), whole)("fc8_conv")
    assert scores.shape == (2, 9, 3, 2)
    crop = np.ascontiguousarray(whole[:, :, 4:24, 2:22])
    np.testing.assert_allclose(scores[:, :, 2, 1], blobs(net(ANSWER), weights, crop)("fc8"), rtol=1e-4, atol=1e-4)


def test_transposed_weights_and_flatten_and_fields_of_both_sides() -> None:
    text = ANSWER.replace('bottom: "pool1" top: "fc6"', 'bottom: "flat" top: "fc6"').replace(
        "# A vector.", '# A vector.\nlayer { name: "flat" type: "Flatten" bottom: "pool1" top: "flat" }'
    )
    text = text.replace("axis: 1", "transpose: true bias_term: false")
    result = casted(text)
    assert "fc6_conv Convolution pool1 -> fc6_conv" in lines(result.definition)
    assert "Flatten" not in result.definition.text
    before, after = before_and_after(net(text), result, picture(20))
    np.testing.assert_allclose(after("fc8_conv")[:, :, 0, 0], before("fc8"), rtol=1e-5, atol=1e-5)


def test_some_layers() -> None:
    found = lines(casted(ANSWER, "fc6", "fc7").definition)
    assert "fc8 InnerProduct fc7_conv -> fc8" in found


def test_a_training_net() -> None:
    found = lines(casted(ALEX).definition)
    assert "loss SoftmaxWithLoss fc8_conv,label -> loss" in found


def test_vgg_at_384_gives_six_by_six() -> None:
    found = catalogue.find("vgg16")
    definition = read_net(found.deploy, found.deploy_variables)
    view = View(run(definition, [step(cast, CastOptions(size=(384, 384)))]).definition)
    plan = view.graphs[TEST].plan
    assert plan.layer("fc8_conv").top_shapes[0] is not None
    assert plan.layer("fc8_conv").top_shapes[0][1:] == (1000, 6, 6)
    assert [use.shape for use in plan.layer("fc6_conv").params] == [(4096, 512, 7, 7), (4096,)]


@pytest.mark.parametrize(
    ("text", "layers", "size", "reason"),
    [
        (FIRE, (), None, "fully convolutional already"),
        (ANSWER, ("conv1",), None, "none of these layers is an InnerProduct"),
        (ANSWER, ("fc7",), None, "was not flattened from the axes of a picture"),
        (ALEX, (), (30, 30), "takes its size from the data"),
        (ANSWER.replace("axis: 1", "axis: 2"), (), None, "does not flatten from axis 1"),
    ],
)  # fmt: skip
def test_refusals(text: str, layers: tuple[str, ...], size: tuple[int, int] | None, reason: str) -> None:
    with pytest.raises(UserError, match=reason) as caught:
        casted(text, *layers, size=size)
    assert all(problem.remedy for problem in caught.value.problems)


def test_refuses_shared_weights() -> None:
    shared = ANSWER.replace('name: "fc7" type: "InnerProduct"', 'name: "fc7" param { name: "w" } type: "InnerProduct"')
    twin = shared.replace(
        'layer { name: "relu7"',
        'layer { name: "twin" param { name: "w" } type: "InnerProduct" bottom: "fc6" top: "twin"\n'
        '  inner_product_param { num_output: 10 } }\nlayer { name: "relu7"',
    )
    with pytest.raises(UserError, match="shares its weights with `twin`"):
        casted(twin, "fc6", "fc7")
