"""A small folder of everything that the program reads, made by the program itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

NET = """name: "small"
layer { name: "data" type: "ImageData" top: "data" top: "label" include { phase: TRAIN }
  image_data_param { source: "list.txt" root_folder: "pictures/" batch_size: 4 shuffle: true }
  transform_param { crop_size: 12 mirror: true scale: 0.01 mean_value: 100 } }
layer { name: "data" type: "ImageData" top: "data" top: "label" include { phase: TEST }
  image_data_param { source: "list.txt" root_folder: "pictures/" batch_size: 4 }
  transform_param { crop_size: 12 scale: 0.01 mean_value: 100 } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  param { lr_mult: 1 } param { lr_mult: 2 decay_mult: 0 }
  convolution_param { num_output: 6 kernel_size: 3 weight_filler { type: "xavier" } } }
layer { name: "bn" type: "BatchNorm" bottom: "conv" top: "conv" }
layer { name: "scale" type: "Scale" bottom: "conv" top: "conv" scale_param { bias_term: true } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "pool" type: "Pooling" bottom: "conv" top: "pool" pooling_param { pool: MAX kernel_size: 3 stride: 2 } }
layer { name: "drop" type: "Dropout" bottom: "pool" top: "pool" dropout_param { dropout_ratio: 0.3 } }
layer { name: "fc" type: "InnerProduct" bottom: "pool" top: "fc"
  inner_product_param { num_output: 8 weight_filler { type: "gaussian" std: 0.1 } } }
layer { name: "relu2" type: "ReLU" bottom: "fc" top: "fc" }
layer { name: "top" type: "InnerProduct" bottom: "fc" top: "top"
  inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }
layer { name: "accuracy" type: "Accuracy" bottom: "top" bottom: "label" top: "accuracy" include { phase: TEST } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "top" bottom: "label" top: "loss" }
"""
SOLVER = """net: "net.prototxt"
type: "SGD" base_lr: 0.01 momentum: 0.9 weight_decay: 0.001 random_seed: 5
lr_policy: "multistep" gamma: 0.5 stepvalue: 10 stepvalue: 25 iter_size: 2 average_loss: 4 clip_gradients: 5
test_iter: 4 test_interval: 5 max_iter: 20 display: 5 snapshot: 5 snapshot_prefix: "out/snap"
"""
V1 = """name: "old" input: "data" input_dim: 2 input_dim: 3 input_dim: 12 input_dim: 12
layers { name: "conv" type: CONVOLUTION bottom: "data" top: "conv" blobs_lr: 1 weight_decay: 1
  convolution_param { num_output: 4 kernel_size: 3 pad: 1 } }
layers { name: "relu" type: RELU bottom: "conv" top: "conv" }
layers { name: "fc" type: INNER_PRODUCT bottom: "conv" top: "fc" inner_product_param { num_output: 3 } }
layers { name: "prob" type: SOFTMAX bottom: "fc" top: "prob" }
"""
TEMPLATE = """{# depth and width are parameters #}
{% set width = width | default(4) %}name: "made{{ width }}"
input: "data" input_shape { dim: 1 dim: 3 dim: 8 dim: 8 }
{% for i in range(3) %}layer { name: "fc{{ i }}" type: "InnerProduct"
  bottom: "{{ "data" if i == 0 else "fc%d" % (i - 1) }}" top: "fc{{ i }}"
  inner_product_param { num_output: {{ width * (i + 1) }} } }
{% endfor %}
"""
RECIPE = """step { widen { layer: "fc" units: 4 scale: 20 start: FILLER } }
tune: TOP freeze: "conv" rate { layer: "fc" lr_mult: 2 } solver { name: "base_lr" value: "0.0005" }
"""
CLASSES = ("cat", "dog", "newt")


def database_net(kind: str, source: str) -> str:
    """``NET`` fed by a database or HDF5."""
    feed = {
        "Data": f'data_param {{ source: "{source}" batch_size: 4 backend: LMDB }} transform_param {{ crop_size: 12 }}',
        "HDF5Data": f'hdf5_data_param {{ source: "{source}" batch_size: 4 shuffle: true }}',
    }[kind]
    own = NET[NET.index('layer { name: "conv"') :]
    return f'name: "small" layer {{ name: "data" type: "{kind}" top: "data" top: "label" {feed} }}\n{own}'


def make(folder: Path) -> Path:
    """Pictures, a list and definitions in ``folder``, which is made; the rest comes from running the program."""
    (folder / "pictures").mkdir(parents=True)
    (folder / "out").mkdir()
    rng = np.random.default_rng(3)
    lines = []
    for index in range(18):
        pixels = rng.integers(0, 255, (16, 16, 3), dtype=np.uint8)
        pixels[..., index % 3] //= 3
        Image.fromarray(pixels).save(folder / "pictures" / f"{index}.png")
        lines.append(f"{index}.png {index % 3}\n")
        kind = folder / "photos" / CLASSES[index % 3]
        kind.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(kind / f"{index}.png")
    (folder / "list.txt").write_text("".join(lines))
    texts = {
        "net": NET, "solver": SOLVER, "old": V1, "recipe": RECIPE, "lmdb_net": database_net("Data", "train_lmdb"),
        "hdf5_net": database_net("HDF5Data", "data.txt"),
    }  # fmt: skip
    for name, text in texts.items():
        (folder / f"{name}.prototxt").write_text(text)
    (folder / "template.prototxt.j2").write_text(TEMPLATE)
    import h5py

    with h5py.File(folder / "data.h5", "w") as file:
        file["data"] = rng.normal(0, 1, (18, 3, 12, 12)).astype(np.float32)
        file["label"] = (np.arange(18) % 3).astype(np.float32)
    (folder / "data.txt").write_text("data.h5\n")
    return folder
