"""`.safetensors`: what the safetensors package reads, written piece by piece. No torch.

Tensors: one a blob under its name (F32), `label` (I64), `files` (U8: UTF-8, one name a line). Metadata: `lungo` (the
lungo.NetExtras in base64, as in files of weights), `classes` (a JSON list).
Source: https://huggingface.co/docs/safetensors (the format: length of the header, header as JSON, values).
"""

from __future__ import annotations

import base64
import json
import struct
from pathlib import Path
from typing import IO, Any

import numpy as np

from caffelungo.features.formats.feature_table import FeatureTable, pieces, written
from caffelungo.files import written_whole

NAMES = 4096
"""Names that are encoded at a time."""


def write(path: Path, table: FeatureTable) -> None:
    """Write ``table`` to ``path`` whole."""
    names = sum(len(written(name).encode()) + 1 for name in table.files)
    parts: list[tuple[str, str, list[int], int]] = [
        (blob, "F32", list(array.shape), 4 * int(np.prod(array.shape, dtype=np.int64)))
        for blob, array in table.arrays.items()
    ]
    if table.labels is not None:
        parts.append(("label", "I64", [len(table.labels)], table.labels.nbytes))
    parts.append(("files", "U8", [names], names))
    with written_whole(path) as temporary, temporary.open("wb") as stream:
        _header(stream, table, parts)
        for array in table.arrays.values():
            for piece in pieces(array):
                stream.write(piece.tobytes())
        if table.labels is not None:
            stream.write(table.labels.astype("<i8").tobytes())
        for start in range(0, len(table.files), NAMES):
            stream.write("".join(f"{written(name)}\n" for name in table.files[start : start + NAMES]).encode())


def _header(stream: IO[bytes], table: FeatureTable, parts: list[tuple[str, str, list[int], int]]) -> None:
    extras = base64.b64encode(table.extras.SerializeToString(deterministic=True)).decode()
    header: dict[str, Any] = {"__metadata__": {"lungo": extras, "classes": json.dumps(table.classes)}}
    place = 0
    for name, kind, shape, size in parts:
        header[name] = {"dtype": kind, "shape": shape, "data_offsets": [place, place + size]}
        place += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    stream.write(struct.pack("<Q", len(text)) + text)
