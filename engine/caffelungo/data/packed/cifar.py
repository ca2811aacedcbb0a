"""CIFAR-10 and CIFAR-100 as binary files: a record is one label (CIFAR-100: two) and 3 x 32 x 32 bytes.

https://www.cs.toronto.edu/~kriz/cifar.html. The version for Python is a pickle, which may run code: it is refused.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from caffelungo.data.image_list import read_names
from caffelungo.data.packed.packed import Packed, PackedPart, check_labels, check_room, damaged
from caffelungo.errors import Location, UserError
from caffelungo.wording import counted

PIXELS = 3 * 32 * 32
TEN, HUNDRED = 1 + PIXELS, 2 + PIXELS
_TRAIN = re.compile(r"data_batch_\d+\.bin|train\.bin")
_TEST = re.compile(r"test_batch\.bin|test\.bin")
_PYTHON = re.compile(r"data_batch_\d+|test_batch|train|test")
_NAMES = {TEN: "batches.meta.txt", HUNDRED: "fine_label_names.txt"}
_KNOWN = {TEN: 10, HUNDRED: 100}


def record_size(path: Path) -> int | None:
    """Bytes of a record of ``path``; None where its labels show that it is no binary file of CIFAR."""
    size = path.stat().st_size
    for each, coarse in ((TEN, None), (HUNDRED, 20)):
        if not size or size % each:
            continue
        with path.open("rb") as stream:
            heads = []
            for _ in range(min(64, size // each)):
                record = stream.read(each)
                heads.append(record[: each - PIXELS])
        if all(head[-1] < _KNOWN[each] and (coarse is None or head[0] < coarse) for head in heads):
            return each
    return None


def in_folder(folder: Path) -> list[Path]:
    """The binary files in ``folder`` under the names that CIFAR gives them."""
    known = (path for path in folder.iterdir() if _TRAIN.fullmatch(path.name) or _TEST.fullmatch(path.name))
    return sorted(path for path in known if path.is_file())


def refuse_python(folder: Path) -> None:
    """UserError where ``folder`` (or a file) holds CIFAR's version for Python."""
    paths = [folder] if folder.is_file() else [p for p in folder.iterdir() if _PYTHON.fullmatch(p.name) and p.is_file()]
    for path in paths:
        with path.open("rb") as stream:
            head = stream.read(2)
        if len(head) == 2 and head[0] == 0x80 and head[1] in range(2, 6):
            raise UserError(
                "CIFAR's version for Python is a pickle, which is not opened, because a pickle may run code",
                where=Location(str(path)), received="a Python pickle",
                remedy="download the binary version from https://www.cs.toronto.edu/~kriz/cifar.html "
                "(cifar-10-binary.tar.gz, cifar-100-binary.tar.gz), unpack it, and name that folder",
            )  # fmt: skip


def read(paths: list[Path]) -> Packed:
    """The records of ``paths``: those of test batches are the part test, all others train."""
    parts: list[PackedPart] = []
    classes: tuple[str, ...] = ()
    sizes = {path: _size(path) for path in paths}
    for name in ("train", "test"):
        chosen = [path for path in paths if bool(_TEST.fullmatch(path.name)) == (name == "test")]
        for path in chosen:
            each = sizes[path]
            if not classes:
                classes = _classes(path, each)
            check_room(path.stat().st_size, path)
            rows = np.fromfile(path, np.uint8).reshape(-1, each)
            pictures = rows[:, each - PIXELS :].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
            part = PackedPart(name, rows[:, each - PIXELS - 1].astype(np.int64), pictures.__getitem__, path)
            check_labels(part, _KNOWN[each])
            parts.append(part)
    if len(set(sizes.values())) > 1:
        raise UserError("files of CIFAR-10 and of CIFAR-100 are mixed", where=Location(str(paths[0].parent)),
                        received=", ".join(path.name for path in paths), remedy="name one of them")  # fmt: skip
    return Packed("CIFAR's binary files", tuple(parts), tuple(paths), classes)


def _size(path: Path) -> int:
    size = path.stat().st_size
    for each in (TEN, HUNDRED) if path.name not in ("train.bin", "test.bin") else (HUNDRED, TEN):
        if size and size % each == 0:
            return each
    raise damaged(
        path, f"{counted(size, 'byte')}, which ends in record {size // TEN} of {TEN} bytes ({HUNDRED} in CIFAR-100)"
    )


def _classes(path: Path, each: int) -> tuple[str, ...]:
    names = read_names(path.with_name(_NAMES[each]))
    return names if len(names) == _KNOWN[each] else ()
