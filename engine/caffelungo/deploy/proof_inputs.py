"""The inputs of the proof: random ones, some of other sizes, and real pictures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from caffelungo import resources
from caffelungo.definition.schema import Preprocessing
from caffelungo.deploy.deploy_net import DeployNet
from caffelungo.deploy.free_sizes import other_sizes
from caffelungo.deploy.options import ExportOptions
from caffelungo.deploy.parity import Feeds
from caffelungo.deploy.picture_operators import Front
from caffelungo.deploy.resize_proof import random_sizes
from caffelungo.inference import picture_input
from caffelungo.inference.inputs import gather

REAL_PICTURES = 8
"""How many of the pictures that came with the project prove a net when none are given."""


def random_inputs(
    net: DeployNet, record: Any | None, front: Front | None, size: tuple[int, int] | None = None, spread: float = 1.0
) -> Callable[[int, np.random.Generator], Feeds]:
    """Random inputs: noise pictures where the net's preprocessing is known, else normal ones of ``spread``.

    Pictures are of ``size`` (None: the net's, or any of a few where the graph resizes).
    """

    def make(batch: int, rng: np.random.Generator) -> Feeds:
        if record is not None:
            blob, (_, colors, height, width) = next(iter(net.inputs.items()))  # type: ignore[misc]
            if front is not None and front.resize:
                sizes = random_sizes(height, width)
                height, width = size or sizes[int(rng.integers(len(sizes)))]
            noise = rng.integers(0, 256, (batch, height, width, colors), dtype=np.uint8)
            if front is not None:
                return {front.image: picture_input.laid(noise, front.layout)}
            return {blob: picture_input.apply(record, noise)}
        return {
            blob: (spread * rng.standard_normal((batch, *shape[1:]))).astype(np.float32)
            for blob, shape in net.inputs.items()
        }

    return make


def other_sized_inputs(net: DeployNet, record: Any | None, front: Front | None, options: ExportOptions) -> list[Feeds]:
    """Random inputs of other sizes, where the file takes such."""
    rng, batch = np.random.default_rng(1), options.batch or 2
    if front is not None and front.resize:
        _, _, height, width = next(iter(net.inputs.values()))
        return [random_inputs(net, record, front, size)(batch, rng) for size in random_sizes(height, width)]
    if not options.free_size:
        return []
    blob, shape = next(iter(net.inputs.items()))
    result: list[Feeds] = []
    for size in other_sizes(net):
        resized = DeployNet(net.message, net.plan, {blob: (*shape[:2], *size)})
        plain = None
        if record is not None:  # numbers without the geometry, which is for one size
            plain = Preprocessing(channel_order=record.channel_order, scale=record.scale, mean_value=record.mean_value)
        result.append(random_inputs(resized, plain, front)(batch, rng))
    return result


def proof_pictures(options: ExportOptions, notes: list[str]) -> list[Path]:
    """The real pictures of the proof."""
    paths = gather(options.pictures).paths if options.pictures else _examples()
    if not paths:
        notes.append("no real pictures were available: the export was verified on random ones")
    return paths


def real_inputs(
    net: DeployNet, record: Any, front: Front | None, options: ExportOptions, paths: list[Path], spread: float
) -> Feeds:
    """Real pictures; where it is not known which numbers the net takes, of mean 0 and of ``spread`` (else 0)."""
    blob, (_, _, height, width) = next(iter(net.inputs.items()))  # type: ignore[misc]
    if options.batch:  # whole batches only
        paths = [paths[i % len(paths)] for i in range(-(-len(paths) // options.batch) * options.batch)]
    images = np.stack([picture_input.fitted(record, path, height, width) for path in paths])
    if front:
        return {front.image: picture_input.laid(images, front.layout)}
    values = picture_input.apply(record, images)
    if spread:
        values = (values - values.mean()) * np.float32(spread / max(float(values.std()), 1.0))
    return {blob: values}


def _examples() -> list[Path]:
    try:
        return picture_input.picture_files([resources.folder("examples")], REAL_PICTURES)
    except FileNotFoundError:
        return []
