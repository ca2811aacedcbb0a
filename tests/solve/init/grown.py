"""Small nets on made-up data, with weights, in the current folder; and what they compute and learn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from caffelungo.definition.filter import net_state
from caffelungo.definition.reader import read_net
from caffelungo.definition.schema import TEST, TRAIN
from caffelungo.net.stepwise import StepNet
from caffelungo.net.store import Store
from caffelungo.solve import nets
from caffelungo.solve.engine import Engine
from caffelungo.solve.feed import Feed
from caffelungo.weights import formats
from caffelungo.weights.match_layers import match
from caffelungo.weights.weights import Weights
from tests.lungo import lungo
from tests.passes.numbers import random_blobs

DATA = """
layer { name: "data" type: "DummyData" top: "data" top: "label" dummy_data_param {
  shape { dim: 12 dim: 3 dim: 8 dim: 8 } shape { dim: 12 }
  data_filler { type: "gaussian" std: 1 } data_filler { type: "uniform" min: 0 max: 4.99 } } }
"""
LOSS = 'layer { name: "loss" type: "SoftmaxWithLoss" bottom: "%s" bottom: "label" top: "loss" }\n'
IP = (
    DATA
    + """
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
  convolution_param { num_output: 4 kernel_size: 3 } }
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
layer { name: "fc7" type: "InnerProduct" bottom: "conv1" top: "fc7" inner_product_param { num_output: 10 } }
layer { name: "relu7" type: "ReLU" bottom: "fc7" top: "fc7" }
layer { name: "drop7" type: "Dropout" bottom: "fc7" top: "fc7" dropout_param { dropout_ratio: 0.25 } }
layer { name: "fc8" type: "InnerProduct" bottom: "fc7" top: "fc8" inner_product_param { num_output: 5 } }
"""
    + LOSS % "fc8"
)
FIRE = (
    DATA
    + """
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
  convolution_param { num_output: 4 kernel_size: 3 } }
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
layer { name: "a" type: "Convolution" bottom: "conv1" top: "a" convolution_param { num_output: 5 kernel_size: 1 } }
layer { name: "relua" type: "ReLU" bottom: "a" top: "a" }
layer { name: "b" type: "Convolution" bottom: "conv1" top: "b"
  convolution_param { num_output: 3 kernel_size: 3 pad: 1 } }
layer { name: "relub" type: "ReLU" bottom: "b" top: "b" }
layer { name: "out" type: "Concat" bottom: "a" bottom: "b" top: "out" }
layer { name: "conv10" type: "Convolution" bottom: "out" top: "conv10"
  convolution_param { num_output: 5 kernel_size: 1 } }
layer { name: "relu10" type: "ReLU" bottom: "conv10" top: "conv10" }
layer { name: "pool10" type: "Pooling" bottom: "conv10" top: "pool10"
  pooling_param { pool: AVE global_pooling: true } }
"""
    + LOSS % "pool10"
)
POOLED = (
    DATA
    + """
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
  convolution_param { num_output: 6 kernel_size: 3 } }
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
layer { name: "pool" type: "Pooling" bottom: "conv1" top: "pool" pooling_param { pool: AVE kernel_size: 2 stride: 2 } }
layer { name: "fc" type: "InnerProduct" bottom: "pool" top: "fc" inner_product_param { num_output: 5 } }
"""
    + LOSS % "fc"
)
NETS = {"ip": (IP, "fc7", "fc8"), "fire": (FIRE, "out", "conv10"), "pooled": (POOLED, "conv1", "fc")}
"""By name: the net, the layer that grows, its classifier."""


def write(text: str) -> None:
    """``text`` as net.prototxt and weights for it, of about unit gain, as w.caffemodel."""
    Path("net.prototxt").write_text(text)
    definition = read_net("net.prototxt")
    blobs = random_blobs(definition)
    for arrays in blobs.values():
        arrays[0] = arrays[0] / np.sqrt(max(1, arrays[0][0].size / 4)).astype(np.float32)
    formats.write("w.caffemodel", Weights(blobs, name="n"), definition.message)


def say(*words: str) -> str:
    """What a command that must succeed prints."""
    ran = lungo(*words)
    assert ran.status == 0, ran.err
    return ran.out + ran.err


class Run:
    """A net file with weights on the first batches of its data, without Dropout where ``phase`` is TEST."""

    def __init__(self, net: str, weights: str, phase: int = TRAIN) -> None:
        text = nets.from_definition(read_net(net))
        opened = nets.open_net_with_data(text, net_state(text.message, phase))
        self.store = Store(opened.plan, seed=9)
        self.store.load(match(opened.plan, formats.read(weights)).arrays)
        self.plan, self.steps = opened.plan, StepNet(opened.plan, self.store)
        self.batch = Feed(opened, Engine(torch.device("cpu"))).one(0)

    def forward(self) -> float:
        torch.manual_seed(0)
        return float(self.steps.forward(*self.batch))

    def blob(self, name: str) -> np.ndarray:
        self.forward()
        return self.steps.blob(name).numpy()

    def gradients(self, layer: str) -> list[np.ndarray]:
        """Of the blobs of ``layer``."""
        for blob in self.store.tensors.values():
            blob.grad = None
        self.forward()
        self.steps.backward()
        return [blob.grad.numpy() for blob in self.store.blobs(layer)]


def logits(net: str, weights: str, head: str) -> np.ndarray:
    """What the classifier says, as the net answers."""
    run = Run(net, weights, TEST)
    run.forward()
    value = run.plan.layer(head).top_values[0]
    return run.steps.data[value].numpy()
