"""Weights files: read by what they contain, written by how they are named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from caffelungo.errors import Location, UserError
from caffelungo.weights import caffemodel, sniff
from caffelungo.weights.weights import Weights

SUFFIXES = (".caffemodel.h5", ".h5", ".hdf5", ".safetensors", ".caffemodel")


def read(path: str | Path) -> Weights:
    """The weights in ``path``: a binary NetParameter of any age, Caffe's HDF5, or safetensors.

    UserError with a remedy when the file is missing, empty, damaged, or another kind of file.
    """
    container = sniff.container(path)
    if container == sniff.HDF5:
        from caffelungo.weights import hdf5_file

        return hdf5_file.read_weights(path)
    if container == sniff.SAFETENSORS:
        from caffelungo.weights import tensors

        return tensors.read(path)
    if container == sniff.NUMPY:
        raise sniff.wrong_kind(path, sniff.MEAN, sniff.WEIGHTS)
    return caffemodel.read(path)


def write(
    path: str | Path, weights: Weights, net: Any = None, shared: frozenset[tuple[str, int]] = frozenset()
) -> None:
    """Write ``weights`` to ``path`` in the format of its suffix, whole or not at all.

    ``net`` (an upgraded NetParameter) goes into a `.caffemodel`; ``shared`` are the (layer, blob index) that another
    layer owns, which HDF5 leaves out.
    """
    name = Path(path).name
    if name.endswith((".h5", ".hdf5")):
        from caffelungo.weights import hdf5_file

        hdf5_file.write_weights(path, weights, shared)
    elif name.endswith(".safetensors"):
        from caffelungo.weights import tensors

        tensors.write(path, weights)
    elif name.endswith(".caffemodel"):
        caffemodel.write(path, weights, net)
    else:
        raise UserError(
            "the file's suffix is not a weights format",
            where=Location(str(path)),
            received=Path(path).suffix or "no suffix",
            remedy=f"use one of {', '.join(SUFFIXES)}",
        )
