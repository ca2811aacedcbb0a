"""Small nets in the shapes of the public ones, for the tests of passes."""

from __future__ import annotations

from pathlib import Path

from caffelungo.definition.reader import Definition, parse_net
from caffelungo.passes.base import Result, Step, run
from caffelungo.passes.view import View

ALEX = """# A small AlexNet.
name: "Alex"
# The pictures.
layer {
  name: "data"  # TRAIN
  type: "Data"
  top: "data"
  top: "label"
  include { phase: TRAIN }
  transform_param {
    mirror: true
    crop_size: 20  # what the net sees
    mean_value: 104
  }
  data_param { source: "train_lmdb" batch_size: 16 backend: LMDB }
}
layer {
  name: "data"
  type: "Data"
  top: "data"
  top: "label"
  include { phase: TEST }
  transform_param { mirror: false crop_size: 20 mean_value: 104 }
  data_param { source: "val_lmdb" batch_size: 8 backend: LMDB }
}
layer {
  name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
  param { lr_mult: 1 decay_mult: 1 }
  param { lr_mult: 2 decay_mult: 0 }
  convolution_param { num_output: 8 kernel_size: 5 weight_filler { type: "gaussian" std: 0.01 } }
}
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
layer { name: "pool1" type: "Pooling" bottom: "conv1" top: "pool1" pooling_param { kernel_size: 2 stride: 2 } }
layer { name: "fc6" type: "InnerProduct" bottom: "pool1" top: "fc6" inner_product_param { num_output: 12 } }
layer { name: "relu6" type: "ReLU" bottom: "fc6" top: "fc6" }
layer { name: "drop6" type: "Dropout" bottom: "fc6" top: "fc6" }
# The features.
layer {
  name: "fc7" type: "InnerProduct" bottom: "fc6" top: "fc7"
  inner_product_param { num_output: 10 weight_filler { type: "gaussian" std: 0.005 } }
}
layer { name: "relu7" type: "ReLU" bottom: "fc7" top: "fc7" }  # in place
layer { name: "drop7" type: "Dropout" bottom: "fc7" top: "fc7" dropout_param { dropout_ratio: 0.5 } }
layer {
  name: "fc8"  # a thousand classes
  type: "InnerProduct" bottom: "fc7" top: "fc8"
  inner_product_param { num_output: 1000 }
}
layer { name: "accuracy" type: "Accuracy" bottom: "fc8" bottom: "label" top: "accuracy" include { phase: TEST } }
layer {
  name: "accuracy_top5" type: "Accuracy" bottom: "fc8" bottom: "label" top: "accuracy_top5" include { phase: TEST }
  accuracy_param { top_k: 5 }
}
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc8" bottom: "label" top: "loss" }
"""

FIRE = """# A small SqueezeNet that only answers.
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 21 dim: 21 } } }
layer {
  name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
  convolution_param { num_output: 8 kernel_size: 3 stride: 2 }
}
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
layer {
  name: "fire9/squeeze" type: "Convolution" bottom: "conv1" top: "fire9/squeeze"
  convolution_param { num_output: 4 kernel_size: 1 }
}
layer { name: "fire9/relu_squeeze" type: "ReLU" bottom: "fire9/squeeze" top: "fire9/squeeze" }
layer {
  name: "fire9/expand1x1" type: "Convolution" bottom: "fire9/squeeze" top: "fire9/expand1x1"
  convolution_param { num_output: 6 kernel_size: 1 weight_filler { type: "msra" } }
}
layer { name: "fire9/relu1x1" type: "ReLU" bottom: "fire9/expand1x1" top: "fire9/expand1x1" }
layer {
  name: "fire9/expand3x3" type: "Convolution" bottom: "fire9/squeeze" top: "fire9/expand3x3"
  convolution_param { num_output: 6 kernel_size: 3 pad: 1 weight_filler { type: "msra" } }
}
layer { name: "fire9/relu3x3" type: "ReLU" bottom: "fire9/expand3x3" top: "fire9/expand3x3" }
layer {
  name: "fire9/concat" type: "Concat" bottom: "fire9/expand1x1" bottom: "fire9/expand3x3" top: "fire9/concat"
}
layer { name: "drop9" type: "Dropout" bottom: "fire9/concat" top: "fire9/concat" }
layer {
  name: "conv10" type: "Convolution" bottom: "fire9/concat" top: "conv10"
  convolution_param { num_output: 1000 kernel_size: 1 }
}
layer { name: "relu10" type: "ReLU" bottom: "conv10" top: "conv10" }
layer {
  name: "pool10" type: "Pooling" bottom: "conv10" top: "pool10" pooling_param { pool: AVE global_pooling: true }
}
layer { name: "prob" type: "Softmax" bottom: "pool10" top: "prob" }
"""

ANSWER = """# An AlexNet that answers.
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 dim: 20 dim: 20 } } }
layer {
  name: "conv1" type: "Convolution" bottom: "data" top: "conv1"  # the first
  convolution_param { num_output: 8 kernel_size: 5 }
}
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
layer { name: "pool1" type: "Pooling" bottom: "conv1" top: "pool1" pooling_param { kernel_size: 2 stride: 2 } }
# A vector.
layer {
  name: "fc6" type: "InnerProduct" bottom: "pool1" top: "fc6"  # all of pool1
  # its size
  inner_product_param {
    num_output: 12  # units
    axis: 1  # after the batch
  }  # done
}
layer { name: "relu6" type: "ReLU" bottom: "fc6" top: "fc6" }
layer { name: "drop6" type: "Dropout" bottom: "fc6" top: "fc6" }
layer { name: "fc7" type: "InnerProduct" bottom: "fc6" top: "fc7" inner_product_param { num_output: 10 } }
layer { name: "relu7" type: "ReLU" bottom: "fc7" top: "fc7" }
layer { name: "drop7" type: "Dropout" bottom: "fc7" top: "fc7" }
layer { name: "fc8" type: "InnerProduct" bottom: "fc7" top: "fc8" inner_product_param { num_output: 9 } }
layer { name: "prob" type: "Softmax" bottom: "fc8" top: "prob" }
"""

RESIDUAL = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 16 dim: 16 } } }
layer {
  name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
  convolution_param { num_output: 8 kernel_size: 3 pad: 1 bias_term: false }
}
layer { name: "bn1" type: "BatchNorm" bottom: "conv1" top: "conv1" }
layer { name: "scale1" type: "Scale" bottom: "conv1" top: "conv1" scale_param { bias_term: true } }
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
layer {
  name: "conv2" type: "Convolution" bottom: "conv1" top: "conv2"
  convolution_param { num_output: 8 kernel_size: 3 pad: 1 bias_term: false }
}
layer { name: "bn2" type: "BatchNorm" bottom: "conv2" top: "conv2" }
layer { name: "scale2" type: "Scale" bottom: "conv2" top: "conv2" scale_param { bias_term: true } }
layer { name: "res2" type: "Eltwise" bottom: "conv1" bottom: "conv2" top: "res2" }
layer { name: "relu2" type: "ReLU" bottom: "res2" top: "res2" }
layer { name: "pool" type: "Pooling" bottom: "res2" top: "pool" pooling_param { pool: AVE global_pooling: true } }
layer { name: "fc" type: "InnerProduct" bottom: "pool" top: "fc" inner_product_param { num_output: 5 } }
layer { name: "prob" type: "Softmax" bottom: "fc" top: "prob" }
"""

THREE_HEADS = """
layer {
  name: "data" type: "ImageData" top: "data" top: "label" include { phase: TRAIN }
  transform_param { crop_size: 16 } image_data_param { source: "train.txt" batch_size: 4 }
}
layer {
  name: "data" type: "ImageData" top: "data" top: "label" include { phase: TEST }
  transform_param { crop_size: 16 } image_data_param { source: "val.txt" batch_size: 4 }
}
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
  convolution_param { num_output: 4 kernel_size: 3 } }
layer {
  name: "loss1/classifier" type: "InnerProduct" bottom: "conv1" top: "loss1/classifier"
  param { lr_mult: 1 } param { lr_mult: 2 } inner_product_param { num_output: 50 }
}
layer {
  name: "loss1/loss" type: "SoftmaxWithLoss" bottom: "loss1/classifier" bottom: "label"
  top: "loss1/loss" loss_weight: 0.3
}
layer { name: "conv2" type: "Convolution" bottom: "conv1" top: "conv2"
  convolution_param { num_output: 4 kernel_size: 3 } }
layer {
  name: "loss2/classifier" type: "InnerProduct" bottom: "conv2" top: "loss2/classifier"
  inner_product_param { num_output: 50 }
}
layer {
  name: "loss2/loss" type: "SoftmaxWithLoss" bottom: "loss2/classifier" bottom: "label"
  top: "loss2/loss" loss_weight: 0.3
}
layer { name: "pool" type: "Pooling" bottom: "conv2" top: "pool" pooling_param { pool: AVE global_pooling: true } }
layer {
  name: "loss3/classifier" type: "InnerProduct" bottom: "pool" top: "loss3/classifier"
  inner_product_param { num_output: 50 }
}
layer { name: "loss3/loss" type: "SoftmaxWithLoss" bottom: "loss3/classifier" bottom: "label" top: "loss3/loss" }
"""


def net(text: str) -> Definition:
    """The definition of ``text``."""
    return parse_net(text, "net.prototxt")


def apply(text: str, *steps: Step) -> Result:
    """The result of ``steps`` on ``text``."""
    return run(net(text), steps)


def lines(definition: Definition) -> list[str]:
    """``name type bottoms -> tops`` of each layer."""
    return [
        f"{layer.name} {layer.type} {','.join(layer.bottom)} -> {','.join(layer.top)}"
        for layer in definition.message.layer
    ]


def layer(definition: Definition, name: str, last: bool = False):  # type: ignore[no-untyped-def]
    """The first (or ``last``) layer called ``name``."""
    found = [one for one in definition.message.layer if one.name == name]
    return found[-1 if last else 0]


def comments(text: str) -> list[str]:
    """Every comment of a prototxt."""
    return [line[line.index("#") :].strip() for line in text.splitlines() if "#" in line]


def view(text: str) -> View:
    """The view of ``text``."""
    return View(net(text))


def write(folder: Path, text: str, name: str = "net.prototxt") -> Path:
    """``text`` as a file."""
    path = folder / name
    path.write_text(text)
    return path
