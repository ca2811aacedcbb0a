"""The graph and the layer-by-layer runner over one store: the same numbers, sharing, and what may be overwritten."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from caffelungo.definition.filter import net_state
from caffelungo.definition.reader import parse_net
from caffelungo.definition.schema import TEST, TRAIN
from caffelungo.errors import UserError
from caffelungo.net.graph import GraphNet, may_overwrite
from caffelungo.net.stepwise import StepNet
from caffelungo.net.store import Store
from caffelungo.plan.build_plan import build_plan
from caffelungo.plan.plan import Plan

CLASSIFIER = """
name: "small"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 4 dim: 3 dim: 12 dim: 12 } } }
layer { name: "label" type: "Input" top: "label" input_param { shape { dim: 4 } } }
layer { name: "conv 1/a" type: "Convolution" bottom: "data" top: "c" convolution_param { num_output: 6 kernel_size: 3
  weight_filler { type: "xavier" } } }
layer { name: "relu" type: "ReLU" bottom: "c" top: "c" }
layer { name: "slice" type: "Slice" bottom: "c" top: "s0" top: "s1" slice_param { axis: 1 slice_point: 2 } }
layer { name: "pool" type: "Pooling" bottom: "s1" top: "p" pooling_param { pool: MAX kernel_size: 3 stride: 2 } }
layer { name: "fc" type: "InnerProduct" bottom: "p" top: "fc" inner_product_param { num_output: 5
  weight_filler { type: "xavier" } } }
layer { name: "tanh" type: "TanH" bottom: "fc" top: "fc" }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" loss_weight: 0.5 }
layer { name: "red" type: "Reduction" bottom: "s0" top: "red" loss_weight: 0.1 reduction_param { operation: SUMSQ } }
layer { name: "acc" type: "Accuracy" bottom: "fc" bottom: "label" top: "acc" include { phase: TEST } }
"""


def plan_of(text: str, phase: int = TRAIN) -> Plan:
    message = parse_net(text).message
    return build_plan(message, net_state(message, phase))


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    return torch.randn(4, 3, 12, 12, generator=generator), torch.tensor([0.0, 1.0, 4.0, 2.0])


def test_graph_and_stepwise_agree_in_loss_outputs_and_gradients() -> None:
    plan = plan_of(CLASSIFIER)
    store = Store(plan, seed=1)
    net, steps = GraphNet(plan, store), StepNet(plan, store)
    loss, outputs = net(*batch())
    assert loss is not None
    assert list(outputs) == ["loss", "red"]
    loss.backward()
    graph_gradients = {key: tensor.grad for key, tensor in store.tensors.items()}
    for tensor in store.tensors.values():
        tensor.grad = None
    step_loss = steps.forward(*batch())
    steps.backward()
    torch.testing.assert_close(step_loss, loss)
    for name, value in outputs.items():
        torch.testing.assert_close(steps.blob(name), value)
    for key, tensor in store.tensors.items():
        torch.testing.assert_close(tensor.grad, graph_gradients[key])
    data = plan.layer("data").top_values[0]
    assert steps.diff[data].shape == (4, 3, 12, 12)


def test_test_net_shares_the_weights_by_layer_name() -> None:
    train, test = plan_of(CLASSIFIER), plan_of(CLASSIFIER, TEST)
    store = Store(train, seed=1)
    before = dict(store.tensors)
    net = GraphNet(test, store)
    assert store.tensors == before
    _, outputs = net(*batch())
    assert list(outputs) == ["acc", "loss", "red"]


def test_params_of_one_name_are_one_tensor_and_their_gradients_add_up() -> None:
    text = """
    layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 } } }
    layer { name: "a" type: "InnerProduct" bottom: "x" top: "a" param { name: "w" }
      inner_product_param { num_output: 3 bias_term: false weight_filler { type: "xavier" } } }
    layer { name: "b" type: "InnerProduct" bottom: "a" top: "b" param { name: "w" lr_mult: 0.5 } loss_weight: 1
      inner_product_param { num_output: 3 bias_term: false } }
    """
    plan = plan_of(text)
    store = Store(plan, seed=0)
    assert list(store.tensors) == [("a", 0)]
    assert plan.params["a", 0].lr_mult == 0.5
    net = GraphNet(plan, store)
    x = torch.randn(2, 3)
    loss, _ = net(x)
    assert loss is not None
    loss.backward()
    weight = store.tensor("b", 0).detach().clone().requires_grad_()
    ((x @ weight.T) @ weight.T).sum().backward()
    torch.testing.assert_close(store.tensor("a", 0).grad, weight.grad)


def test_lr_mult_zero_takes_no_gradient_and_propagate_down_false_stops_it() -> None:
    text = """
    layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 } } }
    layer { name: "a" type: "InnerProduct" bottom: "x" top: "a" inner_product_param { num_output: 3
      weight_filler { type: "xavier" } } }
    layer { name: "b" type: "InnerProduct" bottom: "a" top: "b" propagate_down: false loss_weight: 1
      param { lr_mult: 0 } inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }
    """
    plan = plan_of(text)
    store = Store(plan, seed=0)
    loss, _ = GraphNet(plan, store)(torch.randn(2, 3))
    assert loss is not None
    loss.backward()
    assert store.tensor("a", 0).grad is None
    assert store.tensor("b", 0).grad is None
    assert store.tensor("b", 1).grad is not None


def test_fillers_do_not_depend_on_other_layers() -> None:
    alone = Store(plan_of(CLASSIFIER), seed=5)
    more = CLASSIFIER.replace(
        'layer { name: "fc"',
        """layer { name: "extra" type: "InnerProduct" bottom: "p" top: "e"
      inner_product_param { num_output: 2 weight_filler { type: "gaussian" } } } layer { name: "fc\"""",
    )
    grown = Store(plan_of(more), seed=5)
    for key, array in alone.arrays().items():
        np.testing.assert_array_equal(array, grown.arrays()[key])


def test_caffe_names_stand_in_the_graph() -> None:
    net = GraphNet(plan_of(CLASSIFIER), Store(plan_of(CLASSIFIER), seed=1))
    names = [node.meta["caffe"]["layer"] for node in net.module.graph.nodes if "caffe" in node.meta]
    assert "conv 1/a" in names
    assert names.index("relu") > names.index("conv 1/a")


def test_a_blob_that_others_read_is_not_overwritten() -> None:
    plan = plan_of(CLASSIFIER)
    assert may_overwrite(plan, plan.layer("relu"))
    assert not may_overwrite(plan, plan.layer("slice"))
    assert not may_overwrite(plan, plan.layer("loss"))


def test_overwriting_changes_no_number() -> None:
    results = []
    for overwrite in (False, True):
        plan = plan_of(CLASSIFIER)
        store = Store(plan, seed=1)
        loss, _ = GraphNet(plan, store, overwrite=overwrite)(*batch())
        assert loss is not None
        loss.backward()
        results.append((loss.item(), [tensor.grad for tensor in store.tensors.values()]))
    assert results[0][0] == results[1][0]
    for left, right in zip(results[0][1], results[1][1], strict=True):
        torch.testing.assert_close(left, right, rtol=0, atol=0)


def test_unknown_input_size_is_refused_when_weights_are_made() -> None:
    text = """
    layer { name: "d" type: "HDF5Data" top: "x" hdf5_data_param { source: "l.txt" batch_size: 2 } }
    layer { name: "a" type: "Convolution" bottom: "x" top: "a" convolution_param { num_output: 3 kernel_size: 1 } }
    """
    message = parse_net(text).message
    plan = build_plan(message, net_state(message, TRAIN), sources={"d": [(2, None, 4, 4)]})
    with pytest.raises(UserError, match="size of blob 0"):
        Store(plan)


def test_compiled_graph_gives_the_same_loss() -> None:
    plan = plan_of(CLASSIFIER)
    store = Store(plan, seed=1)
    net = GraphNet(plan, store)
    expected, _ = net(*batch())
    net.compile(backend="eager")
    loss, _ = net(*batch())
    torch.testing.assert_close(loss, expected)


def test_first_non_finite_names_layer_and_blob() -> None:
    plan = plan_of(CLASSIFIER)
    store = Store(plan, seed=1)
    with torch.no_grad():
        store.tensor("fc", 1)[2] = float("inf")
        store.tensor("fc", 0).mul_(0)
    images, labels = batch()
    assert StepNet(plan, store).first_non_finite(images, labels) == ("fc", "fc")
