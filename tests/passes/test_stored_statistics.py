"""BatchNorm on stored statistics."""

from __future__ import annotations

import pytest

from caffelungo.definition.reader import parse_net
from caffelungo.definition.schema import TRAIN
from caffelungo.passes.base import run, step
from caffelungo.passes.stored_statistics import StatisticsOptions, stored_statistics
from caffelungo.passes.view import View

NET = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 dim: 8 dim: 8 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" convolution_param { num_output: 4 kernel_size: 3 } }
# measured on many pictures
layer { name: "bn" type: "BatchNorm" bottom: "conv" top: "conv" }
layer { name: "scale" type: "Scale" bottom: "conv" top: "conv" scale_param { bias_term: true } }
layer { name: "bn2" type: "BatchNorm" bottom: "conv" top: "bn2" batch_norm_param { use_global_stats: true eps: 0.001 } }
layer { name: "fc" type: "InnerProduct" bottom: "bn2" top: "fc" inner_product_param { num_output: 2 } }
"""


def test_every_batch_norm_uses_what_is_stored_and_scales_go_on_learning() -> None:
    found = run(parse_net(NET), [step(stored_statistics, StatisticsOptions("few pictures"))])
    layers = {layer.name: layer for layer in found.definition.message.layer}
    assert layers["bn"].batch_norm_param.use_global_stats
    assert layers["bn2"].batch_norm_param.eps == pytest.approx(0.001)
    assert "# measured on many pictures" in found.definition.text
    graph = View(found.definition).graphs[TRAIN]
    planned = {one.name: one for one in graph.plan.layers}
    assert all(vars(planned[name].layer)["stored"] for name in ("bn", "bn2"))
    assert all(use.lr_mult == 1 for use in planned["scale"].params)
    assert [note.what for note in found.notes] == ["`bn` uses stored statistics in training, too"]


def test_a_net_without_batch_norm_stays_as_it_is() -> None:
    net = parse_net(
        NET.replace("BatchNorm", "ReLU").replace("batch_norm_param { use_global_stats: true eps: 0.001 }", "")
    )
    found = run(net, [step(stored_statistics, StatisticsOptions())])
    assert found.definition.text == net.text
    assert not found.notes
