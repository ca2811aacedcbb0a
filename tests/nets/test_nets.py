"""The nets that ship: each reads, plans without a problem in both phases, and is the net that was published."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from caffelungo.definition import catalogue
from caffelungo.definition.filter import net_state
from caffelungo.definition.reader import read_net, read_solver
from caffelungo.definition.schema import TEST, TRAIN
from caffelungo.errors import UserError
from caffelungo.layers.base import count
from caffelungo.plan.build_plan import build_plan
from caffelungo.plan.plan import Plan
from tests.support import needs_shared, shared

PUBLISHED = {
    "lenet": 431_080,
    "cifar10_quick": 145_578,
    "cifar10_full": 89_578,
    "caffenet": 60_965_224,
    "alexnet": 60_965_224,
    "vgg16": 138_357_544,
    "vgg19": 143_667_240,
    "googlenet": 6_998_552,
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032 + 64,
    "resnet101": 44_549_160,
    "resnet152": 60_192_808,
    "squeezenet1.0": 1_248_424,
    "squeezenet1.1": 1_235_496,
    "mobilenet": 4_231_976,
}
"""Learned parameters of the deploy nets; the authors' ResNet-50 has a bias in conv1."""

TORCHVISION = {
    "alexnet": "alexnet",
    "vgg16": "vgg16",
    "vgg19": "vgg19",
    "googlenet": "googlenet",
    "resnet18": "resnet18",
    "resnet34": "resnet34",
    "resnet50": "resnet50",
    "resnet101": "resnet101",
    "resnet152": "resnet152",
    "squeezenet1.0": "squeezenet1_0",
    "squeezenet1.1": "squeezenet1_1",
}


def plan(path: Path, phase: int, variables: Mapping[str, Any] | None = None) -> Plan:
    definition = read_net(path, variables or None)
    return build_plan(definition.message, net_state(definition.message, phase), where=definition.where)


def deploy(name: str, **variables: Any) -> Plan:
    net = catalogue.find(name)
    return plan(net.deploy, TEST, {**net.deploy_variables, **variables})


def learned(net: Plan) -> int:
    return sum(count(use.shape) or 0 for use in net.params.values() if use.spec.learned)


def test_every_net_has_a_published_count() -> None:
    assert sorted(PUBLISHED) == sorted(catalogue.names())


@pytest.mark.parametrize("name", PUBLISHED)
def test_deploy_has_the_published_parameters(name: str) -> None:
    net = deploy(name)
    assert learned(net) == PUBLISHED[name]
    assert net.outputs == ("prob",)
    assert net.blobs["prob"] is not None
    assert net.blobs["prob"][1] == (10 if name.startswith(("lenet", "cifar")) else 1000)


@pytest.mark.parametrize("name", PUBLISHED)
def test_train_val_trains_what_deploy_uses(name: str) -> None:
    net = catalogue.find(name)
    used = {key: use.shape for key, use in deploy(name).params.items()}
    for phase in (TRAIN, TEST):
        planned = plan(net.train_val, phase, net.variables)
        shapes = {key: use.shape for key, use in planned.params.items()}
        assert shapes.items() >= used.items()
        assert {key[0].split("/")[0] for key in shapes.keys() - used.keys()} <= {"loss1", "loss2"}
        assert [source.tops for source in planned.sources] == [("data", "label")]
    assert any("accuracy" in output or "top-1" in output for output in planned.outputs)


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_solver_reads_and_finds_its_net(name: str) -> None:
    net = catalogue.find(name)
    solver = read_solver(net.solver, net.solver_variables or None).message
    assert (net.solver.parent / solver.net) == net.train_val
    assert solver.base_lr > 0
    assert solver.max_iter > 0
    assert solver.test_interval > 0
    assert not solver.test_iter


@pytest.mark.parametrize("name", TORCHVISION)
def test_the_torchvision_variant_has_torchvisions_parameters(name: str) -> None:
    torch = pytest.importorskip("torch")
    models = pytest.importorskip("torchvision.models")
    ours = deploy(name, variant="torchvision")
    options = {"aux_logits": False, "init_weights": False} if name == "googlenet" else {}
    with torch.device("meta"):
        theirs = models.get_model(TORCHVISION[name], **options)
    count_of = {id(tensor): tensor.numel() for tensor in theirs.parameters()}
    assert learned(ours) == sum(count_of.values())
    weights = sorted(tuple(tensor.shape) for tensor in theirs.parameters() if tensor.dim() in (2, 4))
    assert weights == sorted(use.shape for use in ours.params.values() if len(use.shape) in (2, 4))


def test_torchvisions_auxiliary_classifiers_fit() -> None:
    net = catalogue.find("googlenet")
    assert learned(plan(net.train_val, TRAIN, {"variant": "torchvision"})) == 13_004_888
    assert learned(plan(net.train_val, TRAIN)) == 13_378_280


CORPUS = {
    "lenet": "models/lenet/examples__mnist__lenet.prototxt",
    "cifar10_quick": "models/cifar10_quick/examples__cifar10__cifar10_quick.prototxt",
    "cifar10_full": "corpus/bvlc/everpeace__caffe/examples__cifar10__cifar10_full.prototxt",
    "caffenet": "corpus/bvlc/everpeace__caffe/models__bvlc_reference_caffenet__deploy.prototxt",
    "alexnet": "corpus/bvlc/everpeace__caffe/models__bvlc_alexnet__deploy.prototxt",
    "resnet50": "corpus/bvlc/KaimingHe__deep-residual-networks/prototxt__ResNet-50-deploy.prototxt",
    "resnet101": "corpus/bvlc/KaimingHe__deep-residual-networks/prototxt__ResNet-101-deploy.prototxt",
    "resnet152": "corpus/bvlc/KaimingHe__deep-residual-networks/prototxt__ResNet-152-deploy.prototxt",
    "squeezenet1.1": "models/squeezenet_v1.1/deploy.prototxt",
    "mobilenet": "corpus/bvlc/shicai__MobileNet-Caffe/mobilenet_deploy.prototxt",
}


@needs_shared
@pytest.mark.parametrize("name", CORPUS)
def test_deploy_is_the_published_net(name: str) -> None:
    ours, theirs = deploy(name), plan(shared(CORPUS[name]), TEST)

    def structure(net: Plan) -> list[tuple[Any, ...]]:
        return [
            (layer.name, layer.layer.type, layer.bottoms, layer.tops, [use.shape for use in layer.params])
            for layer in net.layers
            if not layer.layer.source
        ]

    def shapes(net: Plan) -> dict[str, Any]:
        return {blob: None if shape is None else shape[1:] for blob, shape in net.blobs.items()}

    assert structure(ours) == structure(theirs)
    assert shapes(ours) == shapes(theirs)


@needs_shared
@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("lenet", "models/lenet/examples__mnist__lenet_train_test.prototxt"),
        ("cifar10_quick", "models/cifar10_quick/examples__cifar10__cifar10_quick_train_test.prototxt"),
        ("cifar10_full", "corpus/bvlc/everpeace__caffe/examples__cifar10__cifar10_full_train_test.prototxt"),
        ("caffenet", "corpus/bvlc/everpeace__caffe/models__bvlc_reference_caffenet__train_val.prototxt"),
        ("alexnet", "corpus/bvlc/everpeace__caffe/models__bvlc_alexnet__train_val.prototxt"),
    ],
)
def test_what_learns_and_how_it_starts_is_as_published(name: str, file: str) -> None:
    net = catalogue.find(name)

    def learning(definition: Any) -> dict[str, Any]:
        result = {}
        for layer in definition.message.layer:
            for options in (layer.convolution_param, layer.inner_product_param):
                if options.num_output:
                    fillers = [
                        (f.type, round(f.value, 6), round(f.std, 6))
                        for f in (options.weight_filler, options.bias_filler)
                    ]
                    result[layer.name] = [(spec.lr_mult, spec.decay_mult) for spec in layer.param], fillers
        return result

    assert learning(read_net(net.train_val, net.variables or None)) == learning(read_net(shared(file)))


def test_stride_stands_where_each_resnet_has_it() -> None:
    def strides(**variables: Any) -> dict[str, int]:
        message = read_net(catalogue.find("resnet50").deploy, {"depth": 50, "deploy": True, **variables}).message
        return {layer.name: (list(layer.convolution_param.stride) or [1])[0] for layer in message.layer}

    ours, theirs = strides(), strides(variant="torchvision")
    assert (ours["res3a_branch2a"], ours["res3a_branch2b"]) == (2, 1)
    assert (theirs["res3a_branch2a"], theirs["res3a_branch2b"]) == (1, 2)
    assert ours["res3a_branch1"] == theirs["res3a_branch1"] == 2


@pytest.mark.parametrize(("name", "variables"), [("resnet50", {"depth": 51}), ("alexnet", {"variant": "torchvison"})])
def test_an_unknown_parameter_value_is_refused_with_its_place(name: str, variables: dict[str, Any]) -> None:
    with pytest.raises(UserError) as caught:
        read_net(catalogue.find(name).train_val, variables)
    [problem] = caught.value.problems
    assert problem.where is not None
    assert problem.where.line is not None
    assert str(next(iter(variables.values()))) in str(problem)


def test_parameters_of_a_template_reach_the_net() -> None:
    net = deploy("mobilenet", width=0.5, classes=10, size=128)
    assert net.blobs["conv6/sep"] == (1, 512, 4, 4)
    assert net.blobs["prob"] == (1, 10, 1, 1)
    assert deploy("squeezenet1.1", size=112, classes=10).blobs["prob"] == (1, 10, 1, 1)


def test_shipped_weights_fit_their_net() -> None:
    from caffelungo.weights import formats

    net = catalogue.find("squeezenet1.1")
    assert net.weights is not None
    stored = formats.read(net.weights)
    for layer in deploy("squeezenet1.1").layers:
        for use in layer.params:
            assert np.shape(stored.layers[layer.name][use.key[1]]) == use.shape


def test_a_card_says_what_it_is_and_how_to_use_it() -> None:
    for family, nets in catalogue.families().items():
        text = nets[0].card
        for word in (
            "| Paper |" if family != "cifar10" else "| Source |",
            "lungo finetune",
            "What to change",
            "Licence",
            "load by name",
        ):
            assert word in text, (family, word)
