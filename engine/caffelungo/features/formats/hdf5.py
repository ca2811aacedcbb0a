"""`.h5`: what h5py reads, and Caffe's HDF5Data trains from (name the layer's tops like the datasets). No torch.

Datasets: one per blob under its name, `label` (float32, as HDF5Data wants it), `files` and `classes` (text), `extras`
(the lungo.NetExtras in protobuf's text format).
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from caffelungo.errors import Location, UserError
from caffelungo.features.formats.feature_table import FeatureTable, pieces, written
from caffelungo.files import written_whole


def write(path: Path, table: FeatureTable) -> None:
    """Write ``table`` to ``path`` whole. UserError where one blob's name is a folder of another's."""
    import h5py

    check(path, table.arrays)
    with written_whole(path) as temporary, h5py.File(temporary, "w") as file:
        for blob, array in table.arrays.items():
            rows = file.create_dataset(blob, array.shape, np.float32)
            start = 0
            for piece in pieces(array):
                rows[start : start + len(piece)] = piece
                start += len(piece)
        if table.labels is not None:
            file.create_dataset("label", data=table.labels.astype(np.float32))
        text = h5py.string_dtype()
        for name, texts in (("files", table.files), ("classes", table.classes)):
            file.create_dataset(name, data=[written(one) for one in texts], dtype=text)
        file.create_dataset("extras", data=table.record, dtype=text)


def check(path: Path, blobs: Iterable[str]) -> None:
    """UserError where one blob's name is a folder of another's."""
    blobs = list(blobs)
    for blob in blobs:
        if inside := [other for other in blobs if other.startswith(f"{blob}/")]:
            raise UserError(
                "in an HDF5 file the name of one dataset cannot be a folder in that of another",
                where=Location(str(path)),
                received=f"`{blob}` and `{inside[0]}`",
                remedy=f"write {path.with_suffix('.npz').name}, or only one of them",
            )
