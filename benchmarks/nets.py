"""The nets that the tables are about, and what of them only their data would tell. No torch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from caffelungo.definition import catalogue
from caffelungo.layers import registry

SIZES: dict[str, tuple[int, ...]] = {
    "lenet_train_test": (1, 28, 28),
    "cifar10_full_train_test": (3, 32, 32),
    "cifar10_quick_train_test": (3, 32, 32),
    "siamese_train_test": (2, 28, 28),
    "hdf5_classification": (4,),
    "densenet": (3, 32, 32),
}
"""What one picture (or row) of these nets' data is, which the file leaves to the database: by a part of the name."""
LEFT_OPEN = ("Data", "HDF5Data")
"""Data layers whose file alone tells what a sample is."""


def shipped() -> Iterator[tuple[str, str, Path, dict[str, Any]]]:
    """(family, name, file, variables) of both forms of every net of the catalogue."""
    for family, several in catalogue.families().items():
        for net in several:
            yield family, net.name, net.train_val, dict(net.variables)
            yield family, f"{net.name} (deploy)", net.deploy, net.deploy_variables


def corpus_files(corpus: Path | None) -> Iterator[tuple[str, str, Path, dict[str, Any]]]:
    """The same of every net of a folder of repositories."""
    if corpus is not None:
        for path in sorted(corpus.rglob("*.prototxt")):
            if "solver" not in path.name:
                yield path.parent.name, path.stem, path, {}


def left_open(definition: Any) -> list[Any]:
    """The layers of ``definition`` whose data alone tell what a sample is."""
    kinds = ((layer, registry.find(layer.type)) for layer in definition.message.layer)
    return [layer for layer, kind in kinds if kind is not None and kind.source and layer.type in LEFT_OPEN]
