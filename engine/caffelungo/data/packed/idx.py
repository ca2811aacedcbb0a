"""IDX files (MNIST and its relatives), gzipped or not: pictures in one file, labels in another.

http://yann.lecun.com/exdb/mnist: two zeros, a code of the type (8: unsigned bytes), the number of axes, each axis as
four bytes (high byte first), then the values.
"""

from __future__ import annotations

import gzip
import math
import re
import zlib
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from caffelungo import files
from caffelungo.data.packed.packed import EXPANSION, Packed, PackedPart, check_labels, check_room, damaged
from caffelungo.errors import Location, UserError
from caffelungo.wording import counted

GZIP = b"\x1f\x8b"
_IMAGES, _LABELS = re.compile("images"), re.compile("labels")
_TEST, _VAL = re.compile(r"t10k|test", re.IGNORECASE), re.compile(r"val", re.IGNORECASE)


def axes(path: Path) -> int | None:
    """How many axes the IDX file ``path`` has; None where it is no IDX file of bytes."""
    try:
        with _opened(path) as stream:
            head = stream.read(4)
    except (OSError, EOFError, zlib.error):
        return None
    return head[3] if len(head) == 4 and head[:3] == b"\0\0\x08" and 1 <= head[3] <= 4 else None


def in_folder(folder: Path) -> list[Path]:
    """The files of pictures in ``folder``; a file that is there packed and unpacked counts once."""
    found: dict[str, Path] = {}
    for path in sorted(path for path in folder.iterdir() if re.search("idx|ubyte", path.name)):
        if path.is_file() and (axes(path) or 0) >= 3:
            found.setdefault(path.name.removesuffix(".gz"), path)
    return list(found.values())


def read(images: list[Path]) -> Packed:
    """The pictures of ``images`` with the labels in the files beside them."""
    parts, used = [], []
    for path in images:
        beside = labels_of(path)
        pictures, labels = _array(path), _array(beside)
        if labels.ndim != 1 or len(labels) != len(pictures):
            raise UserError(
                "the files of pictures and of labels do not belong together", where=Location(str(beside)),
                received=f"labels {labels.shape} for {counted(len(pictures), 'picture')}",
                remedy="use the two files of one set",
            )  # fmt: skip
        if pictures.ndim == 4 and pictures.shape[3] not in (1, 3):
            raise UserError("pictures have one channel or three", where=Location(str(path)),
                            received=f"{pictures.shape[3]} channels", remedy="write H x W x 3 per picture")  # fmt: skip
        name = "test" if _TEST.search(path.name) else "val" if _VAL.search(path.name) else "train"
        squeezed = pictures[..., 0] if pictures.ndim == 4 and pictures.shape[3] == 1 else pictures
        part = PackedPart(name, labels.astype(np.int64), squeezed.__getitem__, path, "picture")
        check_labels(part)
        parts.append(part)
        used += [path, beside]
    return Packed("IDX files", tuple(parts), tuple(used))


def labels_of(images: Path) -> Path:
    """The file of labels beside ``images``: of the same name but for ``labels`` and the number of axes."""
    start = _IMAGES.sub("labels", images.name).removesuffix(".gz")
    wanted = re.sub(r"idx\d", "idx1", start)
    for name in (wanted, f"{wanted}.gz"):
        if wanted != images.name.removesuffix(".gz") and (images.parent / name).is_file():
            return images.parent / name
    raise UserError(
        "the labels of these pictures are not found", where=Location(str(images)), received=f"no {wanted} beside it",
        remedy="put the file of labels there, such as train-labels-idx1-ubyte beside train-images-idx3-ubyte",
    )  # fmt: skip


def _opened(path: Path) -> BinaryIO:
    files.refuse_special(path)
    with path.open("rb") as stream:
        packed = stream.read(2) == GZIP
    return cast(BinaryIO, gzip.open(path, "rb")) if packed else path.open("rb")


def _array(path: Path) -> NDArray[np.uint8]:
    """All values of an IDX file; its size is compared with what it says before memory is taken."""
    count = axes(path)
    if count is None:
        raise damaged(path, "no IDX file of unsigned bytes", "the file is no IDX file")
    held = path.stat().st_size
    with path.open("rb") as raw:
        packed = raw.read(2) == GZIP
    try:
        with _opened(path) as stream:
            head = stream.read(4 + 4 * count)
            if len(head) < 4 + 4 * count:
                raise damaged(path, f"it ends within its head, after {counted(len(head), 'byte')}")
            shape = tuple(int.from_bytes(head[4 + 4 * i : 8 + 4 * i], "big") for i in range(count))
            size = math.prod(shape)
            most = held * EXPANSION if packed else held - len(head)
            if size > most or (not packed and size != most) or not size:
                raise damaged(path, f"{'x'.join(map(str, shape))} values in {held} bytes")
            check_room(size, path)
            data = stream.read(size + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise damaged(path, str(error)) from error
    if len(data) != size:
        each = math.prod(shape[1:])
        raise damaged(path, f"{'more' if len(data) > size else 'fewer'} values than {shape[0]} records; "
                            f"it ends in record {len(data) // each}")  # fmt: skip
    return np.frombuffer(data, np.uint8).reshape(shape)
