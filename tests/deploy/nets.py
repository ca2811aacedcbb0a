"""Small nets that the tests of this folder export."""

from __future__ import annotations

from typing import Any

import numpy as np

from caffelungo.definition.filter import net_state
from caffelungo.definition.reader import parse_net
from caffelungo.definition.schema import TEST
from caffelungo.layers.plan import Plan, build_plan
from caffelungo.weights.base import Weights

SMALL = """
name: "small"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 13 dim: 11 } } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
  convolution_param { num_output: 6 kernel_size: 3 pad: 1 } }
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
layer { name: "pool1" type: "Pooling" bottom: "conv1" top: "pool1" pooling_param { kernel_size: 3 stride: 2 } }
layer { name: "norm1" type: "LRN" bottom: "pool1" top: "norm1" lrn_param { local_size: 5 alpha: 0.02 } }
layer { name: "fc/2" type: "InnerProduct" bottom: "norm1" top: "fc2" inner_product_param { num_output: 4 } }
layer { name: "relu2" type: "ReLU" bottom: "fc2" top: "fc2" }
layer { name: "drop2" type: "Dropout" bottom: "fc2" top: "fc2" }
layer { name: "fc3" type: "InnerProduct" bottom: "fc2" top: "fc3" inner_product_param { num_output: 5 } }
layer { name: "prob" type: "Softmax" bottom: "fc3" top: "prob" }
"""

TRAIN_VAL = """
name: "trained"
layer { name: "d" type: "DummyData" top: "data" top: "label" include { phase: TEST }
  dummy_data_param { shape { dim: 8 dim: 3 dim: 9 dim: 9 } shape { dim: 8 } } }
layer { name: "d" type: "DummyData" top: "data" top: "label" include { phase: TRAIN }
  dummy_data_param { shape { dim: 8 dim: 3 dim: 9 dim: 9 } shape { dim: 8 } } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
  convolution_param { num_output: 4 kernel_size: 3 } }
layer { name: "bn1" type: "BatchNorm" bottom: "conv1" top: "conv1" }
layer { name: "scale1" type: "Scale" bottom: "conv1" top: "conv1" scale_param { bias_term: true } }
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
layer { name: "fc" type: "InnerProduct" bottom: "conv1" top: "fc" inner_product_param { num_output: 3 } }
layer { name: "accuracy" type: "Accuracy" bottom: "fc" bottom: "label" top: "accuracy" include { phase: TEST } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" }
"""


def plan_of(message: Any) -> Plan:
    return build_plan(message, net_state(message, TEST))


MSRA = 2**0.5
"""The gain that keeps numbers as large as they are through ReLUs (He et al. 2015)."""


def random_weights(text: str, seed: int = 0, gain: float = 1.0) -> Weights:
    """Weights for every layer of the net in ``text`` (phase TEST), variances and factors positive."""
    rng = np.random.default_rng(seed)
    layers = {}
    for planned in plan_of(parse_net(text).message).layers:
        blobs = []
        for use in planned.params:
            shape = tuple(size or 0 for size in use.shape)
            deviation = gain / np.sqrt(np.prod(shape[1:])) if len(shape) > 1 else 1.0
            blob = rng.normal(0, deviation, shape)
            if use.spec.name in ("variance", "factor"):
                blob = np.abs(blob) + 0.5
            blobs.append(blob.astype(np.float32))
        if blobs:
            layers[planned.name] = blobs
    return Weights(layers)
