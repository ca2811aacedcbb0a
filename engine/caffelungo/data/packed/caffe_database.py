"""Caffe's LMDB databases of pictures: bytes of pixels, blue first unless their record says else, or picture files."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from caffelungo.data import datum, lmdb_pages, preprocess
from caffelungo.data.image_list import names_beside
from caffelungo.data.lmdb_reader import LmdbReader
from caffelungo.data.packed.packed import Packed, PackedPart, Stored, check_labels
from caffelungo.data.record_survey import survey
from caffelungo.definition.schema import Preprocessing
from caffelungo.errors import Location, UserError

MAGIC = lmdb_pages.MAGIC.to_bytes(4, "little")
"""Of LMDB, at byte 16 of its file."""


def read(path: Path) -> Packed:
    """The records of the database ``path``; UserError with all that is wrong with them."""
    reader = LmdbReader(path)
    if not reader.size:
        raise UserError("the database is empty", where=Location(str(path)), received="0 records",
                        remedy="make it again with `lungo convert_imageset`")  # fmt: skip
    found = survey(reader, resized=True)
    if found.problems:
        raise UserError(found.problems)
    stated = preprocess.read_beside(path) if path.is_dir() else None
    red_first = stated is not None and stated.channel_order == Preprocessing.RGB

    def picture(index: int) -> Stored:
        message = datum.parse(reader.record(index), str(reader.where(index)))
        if message.encoded:
            return bytes(message.data)
        array = datum.array(message, str(reader.where(index)))
        if array.dtype != np.uint8 or array.shape[0] not in (1, 3):
            raise UserError(
                "the database record is no picture", where=reader.where(index),
                received=f"{array.dtype} of shape {'x'.join(map(str, array.shape))}",
                remedy="use a database of pictures with one channel or three; train on others with a Data layer",
            )  # fmt: skip
        if array.shape[0] == 1:
            return array[0]
        return array.transpose(1, 2, 0) if red_first else array[::-1].transpose(1, 2, 0)

    part = PackedPart("train", found.labels, picture, path)
    check_labels(part)
    file = path / "data.mdb" if path.is_dir() else path
    classes = names_beside(file, int(found.labels.max())) if path.is_dir() else ()
    notices = list(found.notices)
    if stated is None and not found.encoded:
        notices.append("channels of the database are taken as blue, green, red, as Caffe writes them")
    return Packed("an LMDB database", (part,), (file,), classes, tuple(notices))
