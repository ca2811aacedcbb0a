"""Files that cells read, by content: the same bytes are one file, and a cell's address follows from what it reads."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from caffelungo import files
from caffelungo.errors import Location, RunError, UserError

CHUNK = 2**20
NAME = re.compile(r"[0-9a-f]{64}(\.[A-Za-z0-9_.]+)?")


class Inputs:
    """The input files of the study in ``study``, in its folder ``inputs``."""

    def __init__(self, study: str | Path) -> None:
        self.folder = Path(study) / "inputs"

    def add(self, what: Path | bytes | str, suffix: str | None = None) -> str:
        """Keep the file ``what`` (a Path) or this content (bytes, or str as UTF-8); its id ``<sha256><suffix>``.

        ``suffix`` is that of the file where there is one. The content is a copy: later changes of the file make
        another id. OSError where the file cannot be read.
        """
        if isinstance(what, str):
            what = what.encode("utf-8", "surrogateescape")
        if suffix is None:
            suffix = what.suffix if isinstance(what, Path) else ""
        name = (hashlib.sha256(what).hexdigest() if isinstance(what, bytes) else digest(what)) + suffix
        target = self._place(name)
        if target.exists():
            return name
        self.folder.mkdir(parents=True, exist_ok=True)
        if isinstance(what, bytes):
            files.write_bytes(target, what)
            return name
        with files.written_whole(target) as temporary:
            if _copy(what, temporary) + suffix != name:
                raise RunError(f"{what} changed while it was read")
        return name

    def path(self, name: str) -> Path:
        """The file with the id ``name``; UserError when it is not here."""
        target = self._place(name)
        if not target.is_file():
            raise UserError(
                "an input of the study is missing",
                where=Location(str(target)),
                remedy="run the command that created the study again",
            )
        return target

    def _place(self, name: str) -> Path:
        if not NAME.fullmatch(name):
            raise UserError("not the id of an input", received=repr(name), remedy="pass what Inputs.add returned")
        return self.folder / name


def digest(path: Path) -> str:
    """SHA-256 of the bytes of ``path``, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _copy(path: Path, target: Path) -> str:
    found = hashlib.sha256()
    with files.named(target), path.open("rb") as file, target.open("wb") as out:
        while chunk := file.read(CHUNK):
            found.update(chunk)
            out.write(chunk)
    return found.hexdigest()
