from __future__ import annotations

import subprocess
import sys

import pytest

from caffelungo.definition.reader import parse_net
from caffelungo.deploy.deploy_net import deploy_net, parse_shapes, unsized_inputs
from caffelungo.errors import UserError
from caffelungo.passes.base import run, step
from caffelungo.passes.deploy import DeployOptions, deploy
from tests.deploy.nets import SMALL, TRAIN_VAL

DATA = """
layer { name: "d" type: "DummyData" top: "data" top: "label"
  dummy_data_param { shape { dim: 8 dim: 3 dim: 9 dim: 9 } shape { dim: 8 } } }
"""


def fc(name: str, bottom: str, top: str | None = None) -> str:
    top = top or name
    return (
        f'layer {{ name: "{name}" type: "InnerProduct" bottom: "{bottom}" top: "{top}" '
        "inner_product_param { num_output: 3 } }\n"
    )


def loss(name: str, bottom: str, more: str = "", kind: str = "SoftmaxWithLoss") -> str:
    return f'layer {{ name: "{name}" type: "{kind}" bottom: "{bottom}" bottom: "label" top: "{name}" {more} }}\n'


def layers(text: str) -> list[tuple[str, str]]:
    return [(layer.name, layer.type) for layer in deploy_net(parse_net(text)).message.layer]


def test_train_val_becomes_a_deploy_net() -> None:
    net = deploy_net(parse_net(TRAIN_VAL))
    assert [(layer.name, layer.type) for layer in net.message.layer] == [
        ("data", "Input"), ("conv1", "Convolution"), ("bn1", "BatchNorm"), ("scale1", "Scale"), ("relu1", "ReLU"),
        ("fc", "InnerProduct"), ("prob", "Softmax"),
    ]  # fmt: skip
    assert net.inputs == {"data": (1, 3, 9, 9)}
    assert net.outputs == ["prob"]
    assert net.classes == ("prob", 3)
    assert not any(layer.include or layer.loss_weight for layer in net.message.layer)


def test_deploy_net_stays_as_it_is() -> None:
    definition = parse_net(SMALL)
    net = deploy_net(definition)
    assert list(net.message.layer) == list(definition.message.layer)
    assert net.outputs == ["prob"]


def test_softmax_axis_of_the_loss_is_kept() -> None:
    net = deploy_net(parse_net(DATA + fc("fc", "data") + loss("l", "fc", "softmax_param { axis: -1 }")))
    assert net.message.layer[-1].softmax_param.axis == -1


def test_sigmoid_for_a_sigmoid_loss_and_nothing_for_a_distance() -> None:
    sigmoid = DATA + fc("fc", "data") + 'layer { name: "l" type: "SigmoidCrossEntropyLoss" bottom: "fc" bottom: "fc" }'
    assert layers(sigmoid)[-1] == ("prob", "Sigmoid")
    assert deploy_net(parse_net(sigmoid)).classes is None
    euclid = DATA + fc("fc", "data") + 'layer { name: "l" type: "EuclideanLoss" bottom: "fc" bottom: "fc" }'
    assert layers(euclid)[-1] == ("fc", "InnerProduct")


def test_name_of_the_added_layer_is_free() -> None:
    text = DATA + fc("prob", "data") + loss("l", "prob")
    assert layers(text)[-1] == ("prob_prob", "Softmax")


def test_an_existing_softmax_is_not_doubled() -> None:
    text = DATA + fc("fc", "data") + loss("l", "fc") + 'layer { name: "p" type: "Softmax" bottom: "fc" top: "p" }'
    assert layers(text)[-1] == ("p", "Softmax")


def test_a_loss_of_the_train_phase_alone_still_names_the_classifier() -> None:
    text = DATA + fc("fc", "data") + loss("l", "fc", "include { phase: TRAIN }")
    text += 'layer { name: "a" type: "Accuracy" bottom: "fc" bottom: "label" top: "a" include { phase: TEST } }'
    assert layers(text)[-1] == ("prob", "Softmax")


def test_auxiliary_classifiers_are_left_out_with_a_note() -> None:
    text = DATA + fc("side", "data") + loss("l1", "side", "loss_weight: 0.3")
    text += fc("trunk", "data") + fc("main", "trunk") + loss("l2", "main", "loss_weight: 1")
    net = deploy_net(parse_net(text))
    assert [layer.name for layer in net.message.layer] == ["data", "trunk", "main", "prob"]
    assert net.notes == ["classifier `side` is dropped: its loss has weight 0.3, not 1"]


def test_two_equal_classifiers_both_leave() -> None:
    text = DATA + fc("a", "data") + loss("l1", "a") + fc("b", "data") + loss("l2", "b")
    net = deploy_net(parse_net(text))
    assert net.outputs == ["a_prob", "b_prob"]
    assert net.classes is None


SEVERAL = DATA.replace('top: "label"', 'top: "label" top: "other"').replace("dim: 8 } }", "dim: 8 } shape { dim: 8 } }")


@pytest.mark.parametrize("weight", ["", "loss_weight: 0.3"])
@pytest.mark.parametrize("own", [False, True])
def test_every_label_has_its_answer_and_export_calls_it_as_the_pass_does(weight: str, own: bool) -> None:
    """A loss that weighs less is an auxiliary one only where it is on the same label; one net may have a Softmax."""
    text = SEVERAL + fc("a", "data") + loss("l1", "a", weight)
    text += fc("b", "data") + loss("l2", "b").replace('bottom: "label"', 'bottom: "other"')
    if own:
        text += 'layer { name: "b_soft" type: "Softmax" bottom: "b" top: "b_soft" }'
    exported = deploy_net(parse_net(text))
    assert sorted(exported.outputs) == ["a_prob", "b_soft" if own else "b_prob"]
    assert exported.notes == []
    rewritten = run(parse_net(text), [step(deploy, DeployOptions())]).definition
    assert {(one.layer, one.blob) for one in deploy_net(rewritten).answers} == {
        (one.layer, one.blob) for one in exported.answers
    }


def test_silenced_and_measuring_branches_go() -> None:
    text = DATA + fc("fc", "data") + fc("idle", "data") + 'layer { name: "s" type: "Silence" bottom: "idle" }'
    assert layers(text + loss("l", "fc")) == [("data", "Input"), ("fc", "InnerProduct"), ("prob", "Softmax")]


UNKNOWN = """layer { name: "d" type: "Data" top: "data" top: "label" data_param { source: "none" batch_size: 4 } }
layer { name: "c" type: "Convolution" bottom: "data" top: "c" convolution_param { num_output: 2 kernel_size: 1 } }
layer { name: "l" type: "SoftmaxWithLoss" bottom: "c" bottom: "label" }
"""


def test_unknown_size_is_asked_for_and_the_remedy_helps() -> None:
    definition = parse_net(UNKNOWN, "net.prototxt")
    with pytest.raises(UserError) as caught:
        deploy_net(definition)
    problem = caught.value.problems[0]
    assert problem.where is not None
    assert (problem.where.file, problem.where.line) == ("net.prototxt", 1)
    assert "--shape data:3x227x227" in (problem.remedy or "")
    assert deploy_net(definition, shapes=parse_shapes(["data:3x6x5"])).inputs == {"data": (1, 3, 6, 5)}


@pytest.mark.parametrize(
    ("shapes", "message"), [({"dat": (3, 6, 5)}, "not an input of the net"), ({"data": (3, 0, 5)}, "has no size")]
)
def test_a_shape_that_makes_no_sense(shapes: dict[str, tuple[int, ...]], message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        deploy_net(parse_net(UNKNOWN), shapes=shapes)
    assert "name one of data, label" in (caught.value.problems[0].remedy or "")


@pytest.mark.parametrize("text", ["data", "3x227x227", "data:", "data:3x-1x2", "data:3,4,5", "data:3xx4"])
def test_a_shape_that_cannot_be_read(text: str) -> None:
    with pytest.raises(UserError, match="--shape takes a blob and its sizes"):
        parse_shapes([text])


def test_nothing_left() -> None:
    text = DATA + 'layer { name: "s" type: "Silence" bottom: "data" bottom: "label" }'
    with pytest.raises(UserError, match="nothing to export"):
        deploy_net(parse_net(text))


def test_does_not_import_torch() -> None:
    code = (
        "import sys, caffelungo.deploy.deploy_net, caffelungo.deploy.fold_batch_norm, caffelungo.inference.metadata; "
    )
    code += "import caffelungo.inference.classify; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_input_of_unknown_size_is_told() -> None:
    text = """
    layer { name: "left" type: "Data" top: "left" data_param { source: "a" batch_size: 1 } }
    layer { name: "right" type: "Data" top: "right" data_param { source: "b" batch_size: 1 } }
    layer { name: "a" type: "Convolution" bottom: "left" top: "a" convolution_param { num_output: 2 kernel_size: 3 } }
    layer { name: "b" type: "Convolution" bottom: "right" top: "b" convolution_param { num_output: 2 kernel_size: 3 } }
    """
    with pytest.raises(UserError) as raised:
        deploy_net(parse_net(text))
    assert [problem.remedy for problem in raised.value.problems] == [
        "set it, without the batch: --shape left:3x227x227",
        "set it, without the batch: --shape right:3x227x227",
    ]
    assert unsized_inputs(parse_net(text), {"left": (3, 9, 9)}) == raised.value.problems[1:]
