"""A new .npy file that is filled through memory, with its room on the disk taken first."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from numpy.lib.format import open_memmap


def new_rows(path: Path, dtype: Any, shape: tuple[int, ...]) -> Any:
    """A writable array of zeros in the file ``path``. OSError where the disk has no room for it.

    Without its room a file of zeros takes none, and a page that is written once the disk is full ends the process by a
    signal, without a word.
    """
    rows = open_memmap(path, "w+", dtype, shape)
    if rows.size and hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return rows
