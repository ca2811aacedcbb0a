"""Packed files written by hand, and what comes out of them."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from caffelungo.data import named_pictures

Pixels = NDArray[np.uint8]


def random(count: int, *shape: int, seed: int = 0) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), dtype=np.uint8)


def idx(path: Path, array: Pixels, kind: int = 8, packed: bool = False) -> Path:
    """An IDX file, from its description: two zeros, type, axes, sizes (big-endian), values."""
    data = struct.pack(f">BBBB{array.ndim}I", 0, 0, kind, array.ndim, *array.shape) + array.tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(data) if packed else data)
    return path


def mnist(folder: Path, train: int = 12, test: int = 6, packed: bool = False) -> dict[str, tuple[Pixels, Pixels]]:
    """The four files of MNIST; what they hold by part."""
    end = ".gz" if packed else ""
    found = {}
    for part, name, count in (("train", "train", train), ("test", "t10k", test)):
        pixels, labels = random(count, 9, 7, seed=count), np.arange(count, dtype=np.uint8) % 3
        idx(folder / f"{name}-images-idx3-ubyte{end}", pixels, packed=packed)
        idx(folder / f"{name}-labels-idx1-ubyte{end}", labels, packed=packed)
        found[part] = pixels, labels
    return found


def cifar(path: Path, labels: list[int], coarse: bool = False, seed: int = 0) -> Pixels:
    """A binary file of CIFAR, record by record; its pictures as N x 32 x 32 x 3."""
    pixels = random(len(labels), 32, 32, 3, seed=seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        for label, picture in zip(labels, pixels, strict=True):
            file.write(struct.pack("BB", label // 5, label) if coarse else struct.pack("B", label))
            for plane in range(3):
                file.write(picture[:, :, plane].tobytes())
    return pixels


def read(data: str | Path, part: str) -> list[tuple[Pixels, int]]:
    """Each picture of a part, as Pillow reads its file, with its label; in order."""
    one = named_pictures.resolve(data).lists[part]
    return [(np.asarray(Image.open(one.path(index))), int(one.labels[index])) for index in range(len(one))]


def same(found: list[tuple[Pixels, int]], pixels: Pixels, labels: object) -> bool:
    """Whether ``found`` are these pictures and labels, every one once and in order."""
    wanted = list(zip(pixels, np.asarray(labels).ravel().tolist(), strict=True))
    return len(found) == len(wanted) and all(
        np.array_equal(one, other) and label == number
        for (one, label), (other, number) in zip(found, wanted, strict=True)
    )
