"""Small pictures on disk, and nets over them, for tests of what is trained from pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from caffelungo.definition.filter import net_state
from caffelungo.definition.reader import parse_net
from caffelungo.solve import nets
from caffelungo.solve.nets import OpenedNet

STILL = 1e-30
"""A rate so small that no weight of these nets changes by it."""

SIZE = 12


def write(folder: Path, count: int = 10, classes: int = 3, size: int = SIZE, seed: int = 0) -> str:
    """A list of ``count`` noisy pictures whose colour tells the class; its text."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for number in range(count):
        label = number % classes
        image = rng.integers(0, 128, (size, size, 3))
        image[..., label] += 100
        path = folder / f"{seed}_{number}.png"
        Image.fromarray(image.astype(np.uint8)).save(path)
        lines.append(f"{path} {label}\n")
    return "".join(lines)


def data(transform: str = "mirror: true", options: str = f"new_height: {SIZE} new_width: {SIZE}") -> str:
    """The data layers of a net, for TRAIN and TEST."""
    layer = (
        'layer {{ name: "data" type: "ImageData" top: "data" top: "label" include {{ phase: {} }} '
        "transform_param {{ {} mean_value: 100 scale: 0.01 }} "
        'image_data_param {{ source: "list.txt" batch_size: 4 {} }} }}\n'
    )
    return layer.format("TRAIN", transform, options) + layer.format("TEST", "", options)


def convolution(name: str, bottom: str, *, rate: float = 0, units: int = 5, top: str = "", more: str = "") -> str:
    """A 3x3 convolution whose blobs have the lr_mult ``rate``."""
    return (
        f'layer {{ name: "{name}" type: "Convolution" bottom: "{bottom}" top: "{top or name}" '
        f"param {{ lr_mult: {rate} }} param {{ lr_mult: {rate} }} {more} "
        f"convolution_param {{ num_output: {units} kernel_size: 3 pad: 1 weight_filler {{ type: 'xavier' }} "
        "bias_filler { type: 'gaussian' std: 0.1 } } }\n"
    )


def layer(kind: str, name: str, bottoms: str, top: str, more: str = "") -> str:
    """Any layer; ``bottoms`` are separated by spaces."""
    read = " ".join(f'bottom: "{bottom}"' for bottom in bottoms.split())
    return f'layer {{ name: "{name}" type: "{kind}" {read} top: "{top}" {more} }}\n'


def head(bottom: str, *, classes: int = 3, rate: float = 1) -> str:
    """A classifier with loss and accuracy."""
    return (
        f'layer {{ name: "head" type: "InnerProduct" bottom: "{bottom}" top: "head" '
        f"param {{ lr_mult: {rate} }} param {{ lr_mult: {rate} }} "
        f"inner_product_param {{ num_output: {classes} weight_filler {{ type: 'xavier' }} }} }}\n"
        + layer("SoftmaxWithLoss", "loss", "head label", "loss")
        + layer("Accuracy", "accuracy", "head label", "accuracy", "include { phase: TEST }")
    )


def opened(text: str, phase: int, folder: Path, *, once: bool = False, seed: int = 5) -> OpenedNet:
    """The net ``text`` with its data, whose ``list.txt`` is in ``folder``."""
    path = folder / "net.prototxt"
    path.write_text(text)
    definition = parse_net(text, str(path))
    state = net_state(definition.message, phase)
    shuffle = False if once else None
    return nets.open_net_with_data(nets.from_definition(definition), state, seed=seed, once=once, shuffle=shuffle)
