"""`torchvision:NAME`: torchvision's published weights under our layer names, for the nets of `nets/`.

Before: RGB pictures in [0, 1], minus mean, over std. After: Caffe's BGR in [0, 255], minus 255 mean; 1 / (255 std) and
the channel order are folded into the first convolution, so that the numbers after it are the same (zero padding too,
which is the mean in both). BatchNorm becomes BatchNorm (mean, variance, factor 1) and Scale (gamma, beta).
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from caffelungo.definition.schema import message_class
from caffelungo.errors import Location, RunError, UserError, did_you_mean
from caffelungo.resources import folder
from caffelungo.visible import below
from caffelungo.weights.weights import Array, Weights

PREFIX = "torchvision:"
CLASSES = 1000


@dataclass(frozen=True)
class Pair:
    """One module of torchvision's net and the layer, or the two layers of a batch normalization, that it becomes."""

    module: str
    layer: str
    scale: str = ""
    optional: bool = False


@dataclass(frozen=True)
class TorchvisionNet:
    """A supported net: its definition in `nets/` with its variables, and the pairs in the order of the graph."""

    definition: str
    variables: Mapping[str, Any]
    pairs: tuple[Pair, ...]
    mean: tuple[float, float, float] | None = None
    std: tuple[float, float, float] | None = None
    """RGB, of values in [0, 1]; None: as the weights' own transforms say."""


def _alexnet() -> Iterator[Pair]:
    for index, module in enumerate((0, 3, 6, 8, 10), 1):
        yield Pair(f"features.{module}", f"conv{index}")
    for index, module in enumerate((1, 4, 6), 6):
        yield Pair(f"classifier.{module}", f"fc{index}")


def _vgg(convolutions: tuple[int, ...]) -> Iterator[Pair]:
    module = 0
    for stage, count in enumerate(convolutions, 1):
        for index in range(1, count + 1):
            yield Pair(f"features.{module}", f"conv{stage}_{index}")
            module += 2
        module += 1
    for index, module in enumerate((0, 3, 6), 6):
        yield Pair(f"classifier.{module}", f"fc{index}")


def _squeezenet(fires: tuple[int, ...]) -> Iterator[Pair]:
    yield Pair("features.0", "conv1")
    for index, module in enumerate(fires, 2):
        for part in ("squeeze", "expand1x1", "expand3x3"):
            yield Pair(f"features.{module}.{part}", f"fire{index}/{'squeeze1x1' if part == 'squeeze' else part}")
    yield Pair("classifier.1", "conv10")


def _normalized(module: str, layer: str, norm: str, scale: str) -> Iterator[Pair]:
    yield Pair(module, layer)
    yield Pair(re.sub(r"conv(\d*)$", r"bn\1", module), norm, scale)


def _resnet(depth: int, blocks: tuple[int, ...]) -> Iterator[Pair]:
    yield from _normalized("conv1", "conv1", "bn_conv1", "scale_conv1")
    bottleneck = depth >= 50
    for stage, count in enumerate(blocks):
        for index in range(count):
            numbered = index and depth > 50 and stage in (1, 2)
            block = f"{stage + 2}{f'b{index}' if numbered else 'abcdef'[index]}"
            module = f"layer{stage + 1}.{index}"
            if index == 0 and (stage or bottleneck):
                yield Pair(f"{module}.downsample.0", f"res{block}_branch1")
                yield Pair(f"{module}.downsample.1", f"bn{block}_branch1", f"scale{block}_branch1")
            for number, letter in enumerate("abc" if bottleneck else "ab", 1):
                name = f"{block}_branch2{letter}"
                yield from _normalized(f"{module}.conv{number}", f"res{name}", f"bn{name}", f"scale{name}")
    yield Pair("fc", f"fc{CLASSES}")


def _googlenet() -> Iterator[Pair]:
    def unit(module: str, layer: str, optional: bool = False) -> Iterator[Pair]:
        yield Pair(f"{module}.conv", layer, optional=optional)
        yield Pair(f"{module}.bn", f"{layer}/bn", f"{layer}/scale", optional)

    yield from unit("conv1", "conv1/7x7_s2")
    yield from unit("conv2", "conv2/3x3_reduce")
    yield from unit("conv3", "conv2/3x3")
    parts = {
        "branch1": "1x1",
        "branch2.0": "3x3_reduce",
        "branch2.1": "3x3",
        "branch3.0": "5x5_reduce",
        "branch3.1": "5x5",
        "branch4.1": "pool_proj",
    }
    for module in ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b"):
        for branch, part in parts.items():
            yield from unit(f"inception{module}.{branch}", f"inception_{module}/{part}")
    for index in (1, 2):
        yield from unit(f"aux{index}.conv", f"loss{index}/conv", optional=True)
        yield Pair(f"aux{index}.fc1", f"loss{index}/fc", optional=True)
        yield Pair(f"aux{index}.fc2", f"loss{index}/classifier", optional=True)
    yield Pair("fc", "loss3/classifier")


def _resnet_net(depth: int, *blocks: int) -> TorchvisionNet:
    return TorchvisionNet("resnet/resnet.prototxt.j2", {"depth": depth}, tuple(_resnet(depth, blocks)))


def _squeezenet_net(version: str, *fires: int) -> TorchvisionNet:
    return TorchvisionNet("squeezenet/squeezenet.prototxt.j2", {"version": version}, tuple(_squeezenet(fires)))


NETS: dict[str, TorchvisionNet] = {
    "alexnet": TorchvisionNet("alexnet/alexnet.prototxt.j2", {}, tuple(_alexnet())),
    "vgg16": TorchvisionNet("vgg/vgg.prototxt.j2", {"depth": 16}, tuple(_vgg((2, 2, 3, 3, 3)))),
    "vgg19": TorchvisionNet("vgg/vgg.prototxt.j2", {"depth": 19}, tuple(_vgg((2, 2, 4, 4, 4)))),
    # The published weights come from TensorFlow's net, whose pictures lie in [-1, 1]; torchvision's `transform_input`.
    "googlenet": TorchvisionNet(
        "googlenet/googlenet.prototxt.j2", {}, tuple(_googlenet()), (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)
    ),
    "resnet18": _resnet_net(18, 2, 2, 2, 2),
    "resnet34": _resnet_net(34, 3, 4, 6, 3),
    "resnet50": _resnet_net(50, 3, 4, 6, 3),
    "resnet101": _resnet_net(101, 3, 4, 23, 3),
    "resnet152": _resnet_net(152, 3, 8, 36, 3),
    "squeezenet1_0": _squeezenet_net("1.0", 3, 4, 5, 7, 8, 9, 10, 12),
    "squeezenet1_1": _squeezenet_net("1.1", 3, 4, 6, 7, 9, 10, 11, 12),
}
"""Every supported name of torchvision."""

REFUSED = (
    (r"vgg\d+_bn", "the VGG of nets/ has no batch normalization"),
    (r"vgg1[13]", "nets/ has VGG-16 and VGG-19 only"),
    (r"mobilenet", "nets/ has MobileNet v1, torchvision v2 and v3"),
    (r"(wide_)?resnext|wide_resnet", "nets/ has ResNets of the plain width and one group only"),
    (r"densenet", "nets/ has no definition of DenseNet"),
    (r"inception", "nets/ has no definition of Inception v3"),
    (r"vit|swin|maxvit", "it is made of attention layers, which Caffe's schema has not"),
    (r"convnext", "it is made of layer normalization and GELU, which Caffe's schema has not"),
    (r"quantized", "its weights are 8-bit numbers"),
)
"""Patterns of names that are known and not supported, with the reason."""


def load(name: str) -> Weights:
    """Torchvision's published weights for ``name``: ``resnet18``, ``resnet50:IMAGENET1K_V1``, ``torchvision:alexnet``.

    Without a version the weights are torchvision's DEFAULT. They are taken from torch's cache, or downloaded into it;
    the hash in the file's name is checked before it is read. UserError for a name that is not supported (with the
    reason), and when the file is neither in the cache nor to be had.
    """
    model, _, version = name.removeprefix(PREFIX).partition(":")
    net = supported(model)
    entry = _entry(model, version)
    transforms = entry.transforms()
    state = _read(_cached(entry.url))
    mean, std = net.mean or transforms.mean, net.std or transforms.std
    weights = convert(model, state, mean, std)
    weights.path = f"{PREFIX}{model}:{entry.name}"
    record = weights.extras.preprocessing
    record.resize_shorter = transforms.resize_size[0]
    record.crop_height = record.crop_width = transforms.crop_size[0]
    weights.extras.label.extend(entry.meta["categories"])
    return weights


def supported(model: str) -> TorchvisionNet:
    """The table entry of ``model``; UserError with the reason when there is none."""
    if model in NETS:
        return NETS[model]
    reason = next((why for pattern, why in REFUSED if re.match(pattern, model)), None)
    near = did_you_mean(model, NETS) if reason is None else None
    raise UserError(
        "torchvision's weights of this name cannot be used" if reason else "no weights of this name are known",
        received=f"{PREFIX}{model}" + (f" ({reason})" if reason else ""),
        remedy=f"did you mean {PREFIX}{near}?" if near else f"use one of {', '.join(NETS)}",
    )


def definition(model: str, **variables: Any) -> Any:
    """The NetParameter that the weights of ``model`` fit, deployed unless ``variables`` say otherwise."""
    from caffelungo.definition.reader import read_net

    net = supported(model)
    given = {**net.variables, "variant": "torchvision", "deploy": True, **variables}
    return read_net(folder("nets") / net.definition, given).message


def convert(
    model: str,
    state: Mapping[str, np.ndarray[Any, Any]],
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406),
    std: tuple[float, float, float] = (0.229, 0.224, 0.225),
) -> Weights:
    """``state`` (torchvision's tensors by name) as our layers; ``mean`` and ``std`` in RGB of values in [0, 1].

    RunError when a tensor is missing or left over: then torchvision's net is not the one this table was written for.
    """
    net = supported(model)
    left = {key for key in state if not key.endswith("num_batches_tracked")}
    weights = Weights(name=model, path=f"{PREFIX}{model}")

    def take(key: str) -> Array:
        if key not in left:
            raise RunError(f"torchvision's {model} has no tensor {key}; this version of torchvision is not known")
        left.discard(key)
        return np.ascontiguousarray(state[key], np.float32)

    for pair in net.pairs:
        if pair.optional and f"{pair.module}.weight" not in left:
            continue
        if pair.scale:
            statistics = [take(f"{pair.module}.running_mean"), take(f"{pair.module}.running_var")]
            weights.layers[pair.layer] = [*statistics, np.ones(1, np.float32)]
            weights.layers[pair.scale] = [take(f"{pair.module}.weight"), take(f"{pair.module}.bias")]
            weights.types[pair.layer], weights.types[pair.scale] = "BatchNorm", "Scale"
            continue
        blobs = [take(f"{pair.module}.weight")]
        if f"{pair.module}.bias" in left:
            blobs.append(take(f"{pair.module}.bias"))
        weights.layers[pair.layer] = blobs
        weights.types[pair.layer] = "Convolution" if blobs[0].ndim == 4 else "InnerProduct"
    if left:
        raise RunError(f"torchvision's {model} has tensors of unknown use: {', '.join(sorted(left)[:5])}")
    first = weights.layers[net.pairs[0].layer]
    first[0] = fold(first[0], std)
    weights.extras = _record(mean)
    weights.trained = {layer.name: layer for layer in definition(model, deploy=False).layer}
    return weights


def fold(kernel: Array, std: tuple[float, float, float]) -> Array:
    """A first kernel (out x RGB x height x width) for BGR pictures in [0, 255]: channels turned, over 255 std."""
    divisor = 255.0 * np.asarray(std, np.float64)[None, :, None, None]
    return np.ascontiguousarray((kernel / divisor)[:, ::-1], np.float32)


def _record(mean: tuple[float, float, float]) -> Any:
    extras = message_class("lungo.NetExtras")()
    extras.preprocessing.channel_order = extras.preprocessing.BGR
    extras.preprocessing.mean_value.extend(255.0 * value for value in reversed(mean))
    return extras


def _entry(model: str, version: str) -> Any:
    from torchvision.models import get_model_weights

    versions = get_model_weights(model)
    usable = {entry.name: entry for entry in versions if not entry.name.endswith("FEATURES")}
    if not version:
        return versions.DEFAULT
    if version not in usable:
        reason = " (its fully connected layers are empty)" if version.endswith("FEATURES") else ""
        raise UserError(
            f"torchvision has no such weights of {model}",
            received=f"{PREFIX}{model}:{version}{reason}",
            remedy=f"use one of {', '.join(f'{PREFIX}{model}:{known}' for known in usable)}",
        )
    return usable[version]


def _cached(url: str) -> Path:
    """The file of ``url`` in torch's cache, downloaded if it is not there, its hash checked."""
    import torch

    target = Path(torch.hub.get_dir()) / "checkpoints" / url.rsplit("/", 1)[1]
    if not target.exists():
        _download(url, target, torch.hub.download_url_to_file)
    wanted = target.stem.rsplit("-", 1)[-1]
    with target.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if not found.startswith(wanted):
        raise UserError(
            "the weights in the cache are damaged",
            where=Location(str(target)),
            received=f"sha256 {found[: len(wanted)]}..., wanted {wanted}...",
            remedy="delete the file and run again, or copy it anew",
        )
    return target


def _download(url: str, target: Path, fetch: Callable[[str, str, str | None], None]) -> None:
    wanted = target.stem.rsplit("-", 1)[-1]
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.redirect_stderr(below(sys.stderr)):
            fetch(url, str(target), wanted)
    except (OSError, RuntimeError) as error:
        raise UserError(
            "torchvision's weights could not be downloaded",
            received=f"{url}: {error}",
            remedy=f"fetch {url} on a machine with network access and put it at {target}",
        ) from None


def _read(path: Path) -> dict[str, np.ndarray[Any, Any]]:
    import torch

    state = torch.load(path, map_location="cpu", weights_only=True)
    return {key: tensor.numpy() for key, tensor in state.items()}
