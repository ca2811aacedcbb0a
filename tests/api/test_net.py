"""A net as a module of PyTorch: the same numbers as the graph that trains, and what users of modules rely on."""

from __future__ import annotations

import copy
import io
import weakref
from pathlib import Path

import pytest
import torch

import caffelungo as cl
from caffelungo.definition.schema import TEST, TRAIN
from caffelungo.net.graph import GraphNet
from caffelungo.net.store import Store

SMALL = """name: "small"
layer { name: "data" type: "Input" top: "data" top: "label"
        input_param { shape { dim: 4 dim: 3 dim: 8 dim: 8 } shape { dim: 4 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" param { lr_mult: 1 decay_mult: 1 }
        param { lr_mult: 2 decay_mult: 0 }
        convolution_param { num_output: 4 kernel_size: 3 weight_filler { type: "gaussian" std: 0.1 } } }
layer { name: "bn" type: "BatchNorm" bottom: "conv" top: "conv" }
layer { name: "sc" type: "Scale" bottom: "conv" top: "conv" scale_param { bias_term: true } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "train" type: "Dropout" bottom: "conv" top: "conv" dropout_param { dropout_ratio: 0.5 } }
layer { name: "fc.1" type: "InnerProduct" bottom: "conv" top: "fc" param { lr_mult: 0 } param { lr_mult: 0 }
        inner_product_param { num_output: 5 weight_filler { type: "gaussian" std: 0.1 } } }
layer { name: "out" type: "InnerProduct" bottom: "fc" top: "out"
        inner_product_param { num_output: 3 weight_filler { type: "gaussian" std: 0.1 } } }
layer { name: "accuracy" type: "Accuracy" bottom: "out" bottom: "label" top: "accuracy" include { phase: TEST } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "out" bottom: "label" top: "loss" loss_weight: 0.5 }
layer { name: "length" type: "EuclideanLoss" bottom: "out" bottom: "fc3" top: "length" include { stage: "never" } }
"""


@pytest.fixture
def net(tmp_path: Path) -> cl.Net:
    path = tmp_path / "small.prototxt"
    path.write_text("\n".join(line for line in SMALL.splitlines() if "never" not in line))
    return cl.open(path, seed=3)


def inputs() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(5)
    return torch.randn(4, 3, 8, 8, generator=generator), torch.tensor([0, 2, 1, 1])


def graph_of(net: cl.Net, phase: int) -> GraphNet:
    """The graph that trainings run, over copies of the same weights."""
    plan = net.plans[phase]
    store = Store(plan, seed=0)
    arrays = net.weights().layers
    store.load({(one.key, k): array for one in plan.layers if one.params for k, array in enumerate(arrays[one.name])})
    return GraphNet(plan, store)


@pytest.mark.parametrize("phase", [TRAIN, TEST])
def test_outputs_and_gradients_are_those_of_the_graph(net: cl.Net, phase: int) -> None:
    x, y = inputs()
    graph = graph_of(net, phase)
    net.train(phase == TRAIN)
    torch.manual_seed(1)
    wanted, outputs = graph(x, y.float())
    torch.manual_seed(1)
    loss = net.loss(x, y)
    assert torch.equal(loss, wanted)
    assert loss.item() == pytest.approx(0.5 * outputs["loss"].item())
    wanted.backward()
    loss.backward()
    for planned in net.plans[phase].layers:
        for k, use in enumerate(planned.params):
            mine, theirs = net.layer(planned.name).blobs[k], graph.store.tensor(*use.key)
            assert mine.requires_grad == theirs.requires_grad
            assert (mine.grad is None) == (theirs.grad is None)
            assert mine.grad is None or torch.equal(mine.grad, theirs.grad), planned.name


def test_the_answers_of_a_net_that_ships_are_those_of_its_graph() -> None:
    net = cl.open("squeezenet1.1", set={"deploy": True})
    x = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 50
    _, outputs = graph_of(net, TEST)(x)
    with torch.no_grad():
        assert torch.equal(net(x), outputs["prob"])


def test_phases_are_those_of_train_and_eval(net: cl.Net) -> None:
    x, y = inputs()
    assert not net.training
    assert torch.equal(net(x), net(x)), "nothing is random in TEST"
    assert set(net(x, y)) == {"accuracy", "loss"}
    net.train()
    assert not torch.equal(net(x), net(x)), "Dropout draws in TRAIN"
    assert net(x, y).shape == (), "accuracy is in TEST alone"


def test_statistics_follow_the_batches_in_train_alone(net: cl.Net) -> None:
    x, _ = inputs()
    bn = net.layer("bn")
    net(x)
    assert float(bn.factor) == 0
    net.train()(x)
    with torch.no_grad():
        values = torch.nn.functional.conv2d(x, net.conv.weight, net.conv.bias)
    assert float(bn.factor) == 1
    assert torch.allclose(bn.mean, values.mean((0, 2, 3)), atol=1e-6)
    assert torch.allclose(bn.variance, values.transpose(0, 1).flatten(1).var(1), atol=1e-5)


def test_what_is_given_decides_what_is_computed(net: cl.Net) -> None:
    x, y = inputs()
    assert net(x).shape == (4, 3)
    assert torch.equal(net(data=x), net(x))
    found = net(x, blobs=["out", "fc"])
    assert list(found) == ["out", "fc"]
    assert found["fc"].shape == (4, 5)
    assert torch.equal(net(fc=found["fc"], blobs="out"), found["out"]), "from a blob in the midst of the net"
    assert torch.equal(net(fc=found["fc"]), found["out"])
    assert torch.equal(net(data=x, label=y)["loss"], net(out=found["out"], label=y, blobs="loss"))
    assert torch.equal(net(x.numpy(), blobs="out"), found["out"]), "arrays do"


def test_memory_of_what_is_read_no_more_is_free(net: cl.Net) -> None:
    """Without gradients: when the last layer computes, only what it reads is held."""
    seen: dict[str, weakref.ref[torch.Tensor]] = {}
    held: list[str] = []
    for name in ("conv", "bn", "sc", "relu", "fc.1"):
        net.layer(name).register_forward_hook(
            lambda module, given, made, name=name: seen.update({name: weakref.ref(made)})
        )
    net.layer("out").register_forward_pre_hook(
        lambda module, given: held.extend(name for name, made in seen.items() if made() is not None)
    )
    with torch.no_grad():
        assert set(net(inputs()[0], blobs=["out"])) == {"out"}
    assert held == ["fc.1"]


def test_hooks_see_each_layer(net: cl.Net) -> None:
    x, _ = inputs()
    seen: list[str] = []
    for name, module in net.named_modules():
        if name:
            module.register_forward_hook(lambda module, given, made, name=name: seen.append(name))
    net(x)
    assert seen == ["conv", "bn", "sc", "relu", "train", "fc_1", "out"]
    net.layer("relu").register_forward_hook(lambda module, given, made: made * 0)
    assert torch.equal(net(x, blobs="fc"), net.layer("fc.1").bias.expand(4, 5))


def test_state_goes_through_torch_save(net: cl.Net, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    torch.save(net.state_dict(), buffer)
    assert list(net.state_dict()) == [
        "conv.weight", "conv.bias", "bn.mean", "bn.variance", "bn.factor", "sc.scale", "sc.bias", "fc_1.weight",
        "fc_1.bias", "out.weight", "out.bias",
    ]  # fmt: skip
    other = cl.open(net.definition.path, seed=4)
    x, _ = inputs()
    assert not torch.equal(other(x), net(x))
    buffer.seek(0)
    assert str(other.load_state_dict(torch.load(buffer, weights_only=True))) == "<All keys matched successfully>"
    assert torch.equal(other(x), net(x))
    third = cl.open(net.definition.path, seed=4)
    third.load_state_dict(net.state_dict(), assign=True)
    assert torch.equal(third(x), net(x))


def test_frozen_layers_and_statistics_take_no_gradient(net: cl.Net) -> None:
    learning = [name for name, parameter in net.named_parameters() if parameter.requires_grad]
    assert learning == ["conv.weight", "conv.bias", "sc.scale", "sc.bias", "out.weight", "out.bias"]
    rows = {row["layer"]: row["learns"] for row in net.table}
    assert (rows["conv"], rows["bn"], rows["fc.1"], rows["relu"]) == ("x1, x2", "no", "no", "")


def test_parameter_groups_have_the_rates_of_the_file(net: cl.Net) -> None:
    groups = net.param_groups(lr=0.1, weight_decay=0.01)
    found = {id(blob): (group["lr"], group["weight_decay"]) for group in groups for blob in group["params"]}
    assert found == {
        id(net.conv.weight): (0.1, 0.01), id(net.conv.bias): (0.2, 0.0), id(net.sc.scale): (0.1, 0.01),
        id(net.sc.bias): (0.1, 0.01), id(net.out.weight): (0.1, 0.01), id(net.out.bias): (0.1, 0.01),
    }  # fmt: skip
    optimizer = torch.optim.SGD(groups)
    before = net.conv.bias.detach().clone()
    net.train().loss(*inputs()).backward()
    optimizer.step()
    assert torch.allclose(net.conv.bias, before - 0.2 * net.conv.bias.grad)


def test_a_copy_is_a_net_of_its_own(net: cl.Net) -> None:
    net.train()
    net.conv.weight.requires_grad_(False)
    other = copy.deepcopy(net)
    assert other.training
    assert not other.conv.weight.requires_grad
    with torch.no_grad():
        other.conv.weight.zero_()
    assert not torch.equal(net.conv.weight, other.conv.weight)
    assert torch.equal(net.out.weight, other.out.weight)


def test_the_net_moves_and_changes_its_type(net: cl.Net) -> None:
    x, _ = inputs()
    single = net(x)
    double = net.double()(x.double())
    assert double.dtype == torch.float64
    assert torch.allclose(double.float(), single, atol=1e-6)
    assert {str(blob.dtype) for blobs in net.weights().layers.values() for blob in blobs} == {"float32"}
    assert net.to("meta").conv.weight.is_meta


def test_the_net_is_traced_whole(net: cl.Net) -> None:
    """Without a break: what compiles or exports modules sees ordinary operations."""
    x, y = inputs()
    compiled = torch.compile(net, backend="eager", fullgraph=True)
    assert torch.equal(compiled(x), net(x))
    assert torch.equal(compiled(x, y)["loss"], net(x, y)["loss"])
    assert torch.equal(torch.export.export(net, (x,)).module()(x), net(x))


@pytest.mark.gpu
def test_the_net_answers_on_a_gpu(net: cl.Net) -> None:
    x, y = inputs()
    wanted = net(x)
    net.cuda()
    assert net(x).is_cuda, "inputs go to the net's device"
    assert torch.allclose(net(x).cpu(), wanted, atol=1e-4)
    net.train().loss(x.cuda(), y).backward()
    assert net.conv.weight.grad.is_cuda


def test_shared_parameters_are_one_tensor(tmp_path: Path) -> None:
    text = """layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 4 } } }
layer { name: "a" type: "InnerProduct" bottom: "data" top: "a" param { name: "w" } param { name: "b" }
        inner_product_param { num_output: 4 weight_filler { type: "xavier" } } }
layer { name: "b" type: "InnerProduct" bottom: "a" top: "b" param { name: "w" } param { name: "b" }
        inner_product_param { num_output: 4 } }
"""
    path = tmp_path / "tied.prototxt"
    path.write_text(text)
    net = cl.open(path)
    assert net.a.weight is net.b.weight
    assert len(list(net.parameters())) == 2
    x = torch.randn(2, 4)
    linear = torch.nn.functional.linear
    assert torch.allclose(net(x), linear(linear(x, net.a.weight, net.a.bias), net.a.weight, net.a.bias))
    net.save(weights=tmp_path / "tied.caffemodel.h5")
    assert torch.equal(cl.open(path, tmp_path / "tied.caffemodel.h5", seed=9)(x), net(x))
    (group,) = net.param_groups(lr=1.0)
    assert len(group["params"]) == 2


def test_a_layer_may_be_called_as_a_method_or_like_another(tmp_path: Path, net: cl.Net) -> None:
    assert net.layer("train").any.layer.type == "Dropout"
    assert net.train() is net, "a layer called `train` does not hide the method"
    path = tmp_path / "alike.prototxt"
    path.write_text(
        """layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 4 } } }
layer { name: "a.b" type: "ReLU" bottom: "data" top: "x" }
layer { name: "a_b" type: "Power" bottom: "x" top: "y" power_param { scale: 2 } }
"""
    )
    other = cl.open(path)
    assert [name for name, _ in other.named_children()] == ["a_b", "a_b_"]
    assert other.layer("a_b").any.layer.type == "Power"
    assert torch.equal(other(torch.tensor([[-1.0, 1.0, 2.0, -3.0]])), torch.tensor([[0.0, 2.0, 4.0, 0.0]]))


def test_mistakes_are_told_with_their_remedy(net: cl.Net) -> None:
    x, y = inputs()
    cases = {
        "has no blob called `otu`": lambda: net(x, blobs="otu"),
        "blob `label` is needed and not given": lambda: net(x, blobs=["out", "loss"]),
        "takes 2 inputs": lambda: net(x, y, y),
        "`data` is given twice": lambda: net(x, data=x),
        "blob `data` takes N x 3 x 8 x 8": lambda: net(x[0]),
        "nothing of the net can be computed": lambda: net(label=y),
        "no layer called `cnov`": lambda: net.layer("cnov"),
        "gives data to the net and computes nothing": lambda: net.layer("data"),
        "has no data layers": lambda: net.batches(),
        "no file is named": lambda: net.save(),
        "was not rewritten": lambda: net.diff(),
    }
    for words, call in cases.items():
        with pytest.raises(cl.UserError) as caught:
            call()
        (problem,) = caught.value.problems
        assert words in problem.what
        assert problem.remedy


def test_numbers_out_of_range_are_refused_as_those_of_options(net: cl.Net) -> None:
    cases = {
        ("`widen=` must be at least 1", 'widen="fc1:-4"'): lambda: net.grow(widen={"fc1": -4}),
        ("`deepen=` must be at least 1", 'deepen="fc1:-1"'): lambda: net.grow(deepen="fc1:-1"),
        ("`count=` must be at least 0", "count=-1"): lambda: net.batches(count=-1),
        ("`seed=` must be at least 0", "seed=-1"): lambda: net.batches(seed=-1),
        ("`workers=` must be from 0 to 1024", "workers=2000"): lambda: net.batches(workers=2000),
        ("`seed=` must be at least 0", "seed=-2"): lambda: cl.open("squeezenet1.1", seed=-2),
        ("`level=` must be at most 2147483647", f"level={2**40}"): lambda: cl.open("lenet", level=2**40),
        ("`shape=` takes a blob and its sizes without the batch", "data:-3x5x5"): lambda: cl.open(
            "lenet", shape={"data": (-3, 5, 5)}
        ),
    }
    for told, call in cases.items():
        with pytest.raises(cl.UserError) as caught:
            call()
        (problem,) = caught.value.problems
        assert (problem.what, problem.received) == told
        assert problem.remedy
    with pytest.raises(cl.UserError) as caught:
        net.batches(count=-1, seed=-1, workers=-1)
    assert len(caught.value.problems) == 3


def test_a_net_without_a_loss_says_so() -> None:
    with pytest.raises(cl.UserError, match="no loss in phase TEST"):
        cl.open("squeezenet1.1", set={"deploy": True}).loss(torch.zeros(1, 3, 64, 64))


def test_weights_that_do_not_fit_are_refused_whole(net: cl.Net, tmp_path: Path) -> None:
    other = cl.open("cifar10_quick")
    with pytest.raises(cl.UserError, match="no layer of the net has the name"):
        net.load(other.weights())
    before = net.conv.weight.detach().clone()
    given = net.weights()
    given.layers["out"][0] = given.layers["out"][0][:2]
    given.layers["conv"][0][:] = 7
    with pytest.raises(cl.UserError, match="`out` differ in shape"):
        net.load(given)
    assert torch.equal(net.conv.weight, before)


def test_the_page_shows_names_as_text(tmp_path: Path) -> None:
    path = tmp_path / "odd.prototxt"
    path.write_text(
        'name: "<b>net</b>" layer { name: "<script>" type: "Input" top: "data" '
        "input_param { shape { dim: 1 dim: 2 } } }\n"
        'layer { name: "fc" type: "InnerProduct" bottom: "data" top: "fc" inner_product_param { num_output: 2 } }'
    )
    page = cl.open(path)._repr_html_()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "&lt;b&gt;net" in page


def test_numbers_of_numpy_are_taken(net: cl.Net) -> None:
    pixels = torch.rand(2, 3, 8, 8)
    assert torch.equal(net(pixels.double().numpy(), blobs="out"), net(pixels, blobs="out"))


@pytest.mark.parametrize(
    ("labels", "says"),
    [([1, 5], "reads 5 of sample 1"), ([-1, 0], "reads -1 of sample 0"), ([0, 1, 2], "`loss`|`accuracy`")],
)
def test_labels_that_do_not_fit_are_named(net: cl.Net, labels: list[int], says: str) -> None:
    with pytest.raises(cl.UserError, match=says):
        net.loss(torch.rand(2, 3, 8, 8), torch.tensor(labels))


def test_a_size_that_a_layer_cannot_read_is_named(net: cl.Net) -> None:
    with pytest.raises(cl.UserError, match=r"layer `fc.1` \(InnerProduct\) cannot read") as caught:
        net(torch.rand(2, 3, 9, 9), blobs="out")
    assert "`data` N x 3 x 8 x 8" in str(caught.value)


def test_an_error_of_pytorch_stays_what_it_is(net: cl.Net) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("mine")

    net.conv.register_forward_hook(broken)
    with pytest.raises(RuntimeError, match="mine"):
        net(torch.rand(2, 3, 8, 8), blobs="out")


def test_a_caffemodel_is_a_net_with_its_weights(net: cl.Net, tmp_path: Path) -> None:
    net.save(tmp_path / "kept.prototxt", tmp_path / "kept.caffemodel")
    again = cl.open(tmp_path / "kept.caffemodel")
    assert torch.equal(again.conv.weight, net.conv.weight)
    assert not again.fresh
    plain = cl.open(tmp_path / "kept.caffemodel", "none")
    assert not torch.equal(plain.conv.weight, net.conv.weight)


def test_a_notebook_shows_the_message_of_a_mistake_alone() -> None:
    with pytest.raises(cl.UserError) as caught:
        cl.open("nowhere.prototxt")
    shown = caught.value._render_traceback_()
    assert shown == [f"UserError: {caught.value}"]
