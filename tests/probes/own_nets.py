"""Small trained nets that name their own pictures in train.txt and val.txt, as `lungo finetune` leaves them."""

from __future__ import annotations

from pathlib import Path

from caffelungo.definition.reader import read_net
from caffelungo.weights import formats
from caffelungo.weights.weights import Weights
from tests.passes.numbers import random_blobs
from tests.probes.places import CLASSES, Place, photos

DATA = """layer {
  name: "data" type: "ImageData" top: "data" top: "label"
  include { phase: %s }
  transform_param { crop_size: 20 mean_value: 100 scale: 0.02 }
  image_data_param { source: "%s" root_folder: "%s" batch_size: 4 }
}
"""
LOSS = 'layer { name: "loss" type: "SoftmaxWithLoss" bottom: "%s" bottom: "label" top: "loss" }\n'
SCORES = 'layer { name: "fc" type: "InnerProduct" bottom: "pool" top: "fc" inner_product_param { num_output: 3 %s} }\n'
BODY = """layer {
  name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 8 kernel_size: 5 stride: 3 }
}
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
"""
POOL = 'layer { name: "%s" type: "Pooling" bottom: "%s" top: "%s" pooling_param { pool: AVE global_pooling: true } }\n'
HEADS = {
    "InnerProduct": (POOL % ("pool", "conv", "pool") + SCORES % "", "fc", "fc"),
    "transpose": (POOL % ("pool", "conv", "pool") + SCORES % "transpose: true ", "fc", "fc"),
    "no bias": (POOL % ("pool", "conv", "pool") + SCORES % "bias_term: false ", "fc", "fc"),
    "Convolution": (
        'layer { name: "score" type: "Convolution" bottom: "conv" top: "score"'
        " convolution_param { num_output: 3 kernel_size: 1 } }\n" + POOL % ("mean", "score", "mean"),
        "score", "mean",
    ),
}  # fmt: skip
"""The layers of each kind of classifier, its name, and the blob that is its answers."""


def own_net(folder: Path, kind: str = "InnerProduct", each: int = 6) -> Place:
    """A net with random weights, its lists of ``each`` photos per class (a third set aside), in ``folder``."""
    data = photos(folder / "photos", each)
    folds: dict[str, list[str]] = {"train.txt": [], "val.txt": []}
    for label, name in enumerate(CLASSES):
        for number in range(each):
            folds["val.txt" if number % 3 == 2 else "train.txt"].append(f"{name}/{number}.png {label}\n")
    for name, lines in folds.items():
        (folder / name).write_text("".join(lines))
    (folder / "labels.txt").write_text("".join(f"{name}\n" for name in CLASSES))
    layers, _, answers = HEADS[kind]
    net, weights = folder / "train_val.prototxt", folder / "solver_best.caffemodel"
    lists = (("TRAIN", "train.txt"), ("TEST", "val.txt"))
    net.write_text("".join(DATA % (*one, data) for one in lists) + BODY + layers + LOSS % answers)
    formats.write(weights, Weights(random_blobs(read_net(net))))
    return Place(net, weights, data, photos(folder / "others", 5, seed=1))
