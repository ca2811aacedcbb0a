"""Files of features: what is in each of them, and which suffix asks for which. No torch.

| suffix         | features                               | labels, names, classes, preprocessing                   |
| -------------- | -------------------------------------- | ------------------------------------------------------- |
| `.npz`         | array `<blob>`                         | arrays `label`, `files`, `classes`, `extras`            |
| `.h5`          | dataset `<blob>`                       | datasets `label` (float32), `files`, `classes`, `extras` |
| `.safetensors` | tensor `<blob>`                        | tensors `label`, `files` (bytes); metadata              |
| `.lmdb`        | Datums; of several blobs a folder each | Datum.label; `files.txt`, `labels.txt`, `extras.prototxt` |
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from caffelungo.errors import Location, Problem, UserError, did_you_mean
from caffelungo.features.formats import hdf5, lmdb, npz, safetensors
from caffelungo.features.formats.feature_table import RESERVED, FeatureTable

WRITERS: dict[str, Callable[[Path, FeatureTable], None]] = {
    ".npz": npz.write, ".h5": hdf5.write, ".hdf5": hdf5.write, ".safetensors": safetensors.write, ".lmdb": lmdb.write,
}  # fmt: skip


def suffix_problem(path: Path) -> Problem | None:
    """What is wrong with the suffix of ``path``; None for one that is written."""
    if path.suffix in WRITERS:
        return None
    near = did_you_mean(path.suffix, WRITERS)
    known = ", ".join(WRITERS)
    return Problem(
        "the suffix of the output is not a known format", Location(str(path)), path.suffix or "no suffix",
        f"did you mean {path.with_suffix(near).name}? Available: {known}" if near else f"use one of {known}",
    )  # fmt: skip


def check(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """UserError where the format of ``path`` cannot hold blobs of these names and ``shapes`` (of one row)."""
    if taken := [blob for blob in shapes if blob in RESERVED]:
        raise UserError("the name of a blob is reserved in this file format", where=Location(str(path)),
                        received=", ".join(taken), remedy="rename the blob in the net")  # fmt: skip
    if path.suffix == ".lmdb":
        lmdb.check(path, shapes)
    if path.suffix in (".h5", ".hdf5"):
        hdf5.check(path, shapes)


def write(path: Path, table: FeatureTable) -> None:
    """Write ``table`` to ``path`` whole, in the format of its suffix, holding no more of it than a piece."""
    WRITERS[path.suffix](path, table)
