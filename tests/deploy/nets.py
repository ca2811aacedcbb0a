"""Small nets that the tests of this folder export."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from caffelungo.definition import catalogue
from caffelungo.definition.filter import net_state
from caffelungo.definition.reader import Definition, parse_net, read_net
from caffelungo.definition.schema import TEST, Preprocessing
from caffelungo.passes.base import run
from caffelungo.plan.build_plan import build_plan
from caffelungo.plan.plan import Plan
from caffelungo.rewriting import recipes
from caffelungo.weights.weights import Weights

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

RECORD = Preprocessing(
    resize_height=15, resize_width=12, crop_height=13, crop_width=11, mean_value=[104, 117, 123], scale=0.0625
)
"""Of pictures for SMALL."""

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


def shipped(name: str, recipe: str = "", settings: Mapping[str, Any] | None = None, narrow: bool = False) -> Definition:
    """The deploy net ``name`` of the catalogue, grown by ``recipe``; ``narrow``: with fewer fully connected units."""
    net = catalogue.find(name)
    definition = read_net(net.deploy, net.deploy_variables or None)
    if narrow:
        definition = parse_net(definition.text.replace("num_output: 4096", "num_output: 32"))
    if recipe:
        definition = run(definition, recipes.open_recipe(recipes.find(recipe), settings or {}).steps).definition
    return definition


def random_weights(text: str, seed: int = 0) -> Weights:
    """Weights for every layer of the net in ``text`` (phase TEST), variances and factors positive."""
    rng = np.random.default_rng(seed)
    layers = {}
    for planned in plan_of(parse_net(text).message).layers:
        blobs = []
        for use in planned.params:
            shape = tuple(size or 0 for size in use.shape)
            blob = rng.normal(0, 1 / np.sqrt(max(1, np.prod(shape[1:]))), shape)
            if use.spec.name in ("variance", "factor"):
                blob = np.abs(blob) + 0.5
            blobs.append(blob.astype(np.float32))
        if blobs:
            layers[planned.name] = blobs
    return Weights(layers)


def msra_weights(text: str, seed: int = 0) -> Weights:
    """Weights as of a net in training: kernels by msra (He et al. 2015), small biases, statistics of BatchNorm far from
    0 and 1, a factor to divide them by, and the factors of Normalize around 20.

    Unlike ``random_weights`` they let a deep net's answers depend on its picture.
    """
    rng = np.random.default_rng(seed)
    layers: dict[str, list[np.ndarray]] = {}
    for planned in plan_of(parse_net(text).message).layers:
        for use in planned.params:
            shape = tuple(size or 0 for size in use.shape)
            blob = rng.standard_normal(shape, np.float32)
            kind = planned.layer.type, use.spec.name
            if len(shape) > 1:
                blob *= np.float32(np.sqrt(2 / np.prod(shape[1:])))
            elif kind == ("Normalize", "scale"):
                blob = 20 + 4 * blob
            elif kind == ("Scale", "scale"):
                blob = 1 + blob / 4
            elif kind == ("BatchNorm", "variance"):
                blob = blob**2 + 1
            elif kind == ("BatchNorm", "factor"):
                blob = blob**2 + 2
            else:
                blob /= 4
            layers.setdefault(planned.name, []).append(blob.astype(np.float32))
    return Weights(layers)
