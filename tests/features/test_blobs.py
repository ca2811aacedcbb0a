"""Where stages end in the nets that ship, and blobs that there are none of."""

from __future__ import annotations

import pytest

from caffelungo.definition import catalogue
from caffelungo.definition.reader import parse_net, read_net
from caffelungo.errors import UserError
from caffelungo.features.blobs import find_blobs
from caffelungo.passes.stage_ends import stage_ends
from caffelungo.passes.view import View
from tests.support import needs_shared, shared

FIRES = [f"fire{n}/concat" for n in range(2, 10)]
ALEX = ["conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7"]
LISTS = {
    "lenet": ["conv1", "conv2", "ip1"],
    # ReLU follows the max pooling there.
    "cifar10_quick": ["pool1", "conv2", "conv3", "ip1"],
    "caffenet": ALEX,
    "alexnet": ALEX,
    "vgg16": [*(f"conv{a}_{b}" for a, count in enumerate((2, 2, 3, 3, 3), 1) for b in range(1, count + 1)),
              "fc6", "fc7"],
    "squeezenet1.0": FIRES,
    "squeezenet1.1": FIRES,
    "googlenet": [f"inception_{name}/output" for name in ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b")],
    "resnet18": [f"res{stage}{block}" for stage in (2, 3, 4, 5) for block in "ab"],
    "resnet50": [f"res{stage}{block}" for stage, blocks in ((2, "abc"), (3, "abcd"), (4, "abcdef"), (5, "abc"))
                 for block in blocks],
    "mobilenet": [*(f"conv{a}_{b}/sep" for a, count in ((2, 2), (3, 2), (4, 2), (5, 6)) for b in range(1, count + 1)),
                  "conv6/sep"],
}  # fmt: skip


def view(name: str, deploy: bool) -> View:
    net = catalogue.find(name)
    if deploy:
        return View(read_net(net.deploy, net.deploy_variables or None))
    return View(read_net(net.train_val, dict(net.variables) or None))


@pytest.mark.parametrize("deploy", [False, True])
@pytest.mark.parametrize("name", LISTS)
def test_of_the_nets_that_ship(name: str, deploy: bool) -> None:
    seen = view(name, deploy)
    assert stage_ends(seen) == LISTS[name]
    assert find_blobs(seen, LISTS[name]) == LISTS[name]


@needs_shared
def test_of_public_nets() -> None:
    blocks = stage_ends(View(read_net(shared("models", "mobilenet_v2_1.0_224", "deploy.prototxt"))))
    # Where nothing is added the block ends with its linear bottleneck.
    assert blocks[:4] == ["conv2_1/linear", "conv2_2/linear", "block_3_1", "conv3_2/linear"]
    assert blocks[-1] == "conv6_4"
    assert len(blocks) == 18
    found = stage_ends(View(read_net(shared("models", "open_nsfw", "deploy.prototxt"))))
    assert found == [f"eltwise_stage{n}_block{b}" for n, count in enumerate((3, 4, 6, 3)) for b in range(count)]


GROWN = """
input: "data" input_shape { dim: 1 dim: 3 dim: 16 dim: 16 }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
  convolution_param { num_output: 4 kernel_size: 3 } }
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "relu1" }
layer { name: "fc6" type: "InnerProduct" bottom: "relu1" top: "fc6" inner_product_param { num_output: 5 } }
layer { name: "relu6" type: "ReLU" bottom: "fc6" top: "fc6" }
layer { name: "fc7" type: "InnerProduct" bottom: "fc6" top: "fc7" inner_product_param { num_output: 5 } }
layer { name: "fc7_new" type: "InnerProduct" bottom: "fc6" top: "fc7_new" inner_product_param { num_output: 2 } }
layer { name: "wide" type: "Concat" bottom: "fc7" bottom: "fc7_new" top: "wide" }
layer { name: "drop" type: "Dropout" bottom: "wide" top: "dropped" }
layer { name: "fc8" type: "InnerProduct" bottom: "dropped" top: "fc8" inner_product_param { num_output: 3 } }
layer { name: "prob" type: "Softmax" bottom: "fc8" top: "prob" }
"""


def test_a_plain_net_that_was_grown() -> None:
    """One joint does not make it a net of blocks, and neurons that have a blob of their own are read there."""
    assert stage_ends(View(parse_net(GROWN))) == ["relu1", "fc6", "wide"]


def test_what_the_classifier_reads_is_listed_if_it_is_more_than_a_mean() -> None:
    pooled = GROWN.replace('bottom: "dropped"', 'bottom: "pooled"').replace(
        'layer { name: "fc8"',
        'layer { name: "max" type: "Power" bottom: "dropped" top: "pooled" power_param { scale: 2 } }\n'
        'layer { name: "fc8"',
    )
    assert stage_ends(View(parse_net(pooled))) == ["relu1", "fc6", "wide", "pooled"]


def test_a_net_without_a_classifier() -> None:
    text = GROWN.split('layer { name: "fc6"')[0] + (
        'layer { name: "pool" type: "Eltwise" bottom: "relu1" bottom: "relu1" top: "sum" }'
    )
    with pytest.raises(UserError, match="name the blobs to read: lungo features --blobs"):
        stage_ends(View(parse_net(text)))


def test_all_that_is_wrong_with_the_words() -> None:
    with pytest.raises(UserError) as error:
        find_blobs(View(parse_net(GROWN)), ["fc66", "relu1", "relu1", "nonsense-entirely"])
    told = [problem.what for problem in error.value.problems]
    assert told == [
        "the net has no blob `fc66` in phase TEST",
        "blob `relu1` is listed twice",
        "the net has no blob `nonsense-entirely` in phase TEST",
    ]
    assert error.value.problems[0].remedy == "did you mean `fc6`?"
    with pytest.raises(UserError, match="no blob is named"):
        find_blobs(View(parse_net(GROWN)), [])
