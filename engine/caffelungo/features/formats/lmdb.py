"""`.lmdb`: float Datums as Caffe's extract_features writes them, with labels; a Data layer reads them. No torch.

One blob makes the database FILE.lmdb itself; of several, FILE.lmdb is a folder with a database for each, called as the
blob with `-` for what no file name takes. Beside the records: `files.txt`, `labels.txt` (classes), `extras.prototxt`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from caffelungo import drafts
from caffelungo.data import lmdb_writer
from caffelungo.data.image_list import LABELS
from caffelungo.data.lmdb_writer import EXTRAS, FILES, new_database
from caffelungo.definition.schema import Datum
from caffelungo.errors import Location, UserError
from caffelungo.features.formats.feature_table import FeatureTable, pieces, written
from caffelungo.files import named, sync_folder

FLOAT_TAG = 0x35
"""Field 6 (float_data), four bytes."""


def key(number: int) -> bytes:
    """The key of record ``number``, as Caffe's extract_features writes it."""
    return b"%010d" % number


def datum(values: NDArray[np.float32], label: int | None = None) -> bytes:
    """A Datum of ``values`` (up to three axes: channels x height x width), serialized."""
    channels, height, width = (*values.shape, 1, 1, 1)[:3]
    message = Datum(channels=channels, height=height, width=width)
    if label is not None:
        message.label = label
    # Packed by hand: protobuf takes the numbers one by one.
    floats = np.empty((values.size, 5), np.uint8)
    floats[:, 0] = FLOAT_TAG
    floats[:, 1:] = np.ascontiguousarray(values, "<f4").reshape(-1, 1).view(np.uint8)
    return bytes(message.SerializeToString()) + floats.tobytes()


def folder_of(blob: str) -> str:
    """The name of the database of ``blob`` beside others."""
    return re.sub(r"[^\w.]", "-", blob)


def check(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """UserError for rows of more axes than a Datum has, and for blobs whose databases would have one name."""
    if wrong := [blob for blob, shape in shapes.items() if len(shape) > 3]:
        received = f"`{wrong[0]}`: {'x'.join(map(str, shapes[wrong[0]]))}"
        raise UserError("a Datum has three axes", where=Location(str(path)), received=received, remedy="write .npz")
    if len({folder_of(blob) for blob in shapes}) < len(shapes):
        raise UserError("two blobs would have databases of the same name", where=Location(str(path)),
                        received=", ".join(shapes), remedy="write .npz, or one blob at a time")  # fmt: skip


def write(path: Path, table: FeatureTable) -> None:
    """Write ``table`` to the database ``path``, or to a folder of databases; replaces what is there."""
    with drafts.folder(path) as draft:
        made = draft / "made"
        if len(table.arrays) == 1:
            _database(made, next(iter(table.arrays.values())), table)
        else:
            made.mkdir()
            for blob, array in table.arrays.items():
                _database(made / folder_of(blob), array, table)
            sync_folder(made)
        drafts.replace(made, path)
        sync_folder(path.parent)


def other_files(path: Path) -> list[str]:
    """What the folder ``path`` holds besides databases that ``write`` left there."""
    if (path / "data.mdb").is_file():
        return lmdb_writer.other_files(path)
    found = []
    for entry in sorted(path.iterdir()):
        own = entry.is_dir() and (entry / "data.mdb").is_file()
        found += [f"{entry.name}/{name}" for name in lmdb_writer.other_files(entry)] if own else [entry.name]
    return found


def _database(path: Path, array: NDArray[np.float32], table: FeatureTable) -> None:
    number = 0
    with new_database(path, overwrite=True) as writer:
        for piece in pieces(array):
            for row in piece:
                label = None if table.labels is None else int(table.labels[number])
                writer.put(key(number), datum(row, label))
                number += 1
        _lines(writer.folder / FILES, table.files)
        if table.classes:
            _lines(writer.folder / LABELS, table.classes)
        (writer.folder / EXTRAS).write_text(table.record)


def _lines(path: Path, texts: Iterable[str]) -> None:
    with named(path), path.open("w", encoding="utf-8") as stream:
        stream.writelines(f"{written(text)}\n" for text in texts)
