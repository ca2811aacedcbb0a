"""`.npz`: what ``numpy.load`` reads, uncompressed. No torch.

Arrays: one per blob under its name, `label` (int64, if there are labels), `files` and `classes` (text), `extras` (the
lungo.NetExtras in protobuf's text format).
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from caffelungo.features.formats.feature_table import FeatureTable, pieces, written
from caffelungo.files import written_whole

NAMES = 4096
"""Names that are put into an array at a time."""


def write(path: Path, table: FeatureTable) -> None:
    """Write ``table`` to ``path`` whole."""
    with written_whole(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
        for blob, array in table.arrays.items():
            _put(archive, blob, array.dtype, array.shape, pieces(array))
        if table.labels is not None:
            _put(archive, "label", table.labels.dtype, table.labels.shape, [table.labels])
        for name, texts in (("files", table.files), ("classes", table.classes)):
            kind = np.dtype(f"<U{max(map(len, texts), default=1) or 1}")
            _put(archive, name, kind, (len(texts),), _texts(texts, kind))
        record = np.array(table.record)
        _put(archive, "extras", record.dtype, (), [record])


def _texts(texts: Sequence[str], kind: np.dtype[Any]) -> Iterator[NDArray[Any]]:
    for start in range(0, len(texts), NAMES):
        yield np.array([written(text) for text in texts[start : start + NAMES]], kind)


def _put(
    archive: zipfile.ZipFile, name: str, kind: np.dtype[Any], shape: tuple[int, ...], parts: Iterable[NDArray[Any]]
) -> None:
    with archive.open(zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0)), "w", force_zip64=True) as stream:
        header = {"descr": npy.dtype_to_descr(kind), "fortran_order": False, "shape": shape}
        npy.write_array_header_1_0(stream, header)
        for part in parts:
            stream.write(part.tobytes())
