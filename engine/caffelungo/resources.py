"""Where the files beside the code are: inside an installed package, else in the repository."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


def folder(name: str) -> Path:
    """The folder ``proto``, ``nets``, ``solvers`` or ``examples`` of this installation."""
    packaged = PACKAGE / "_assets" / name
    if packaged.is_dir():
        return packaged
    repository = PACKAGE.parent.parent / name
    if repository.is_dir():
        return repository
    raise FileNotFoundError(f"the installation of caffelungo at {PACKAGE} has no folder {name!r}; reinstall it")
