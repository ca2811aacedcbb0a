"""The real definitions that properties are tried on: the project's own, and the reference material's where it is."""

from __future__ import annotations

from pathlib import Path

from tests.support import ASSETS, REPOSITORY, SHARED


def definition_files() -> list[Path]:
    """Every plain prototxt file at hand."""
    folders = [REPOSITORY / "nets", REPOSITORY / "solvers", ASSETS / "valid"]
    if SHARED is not None:
        folders += [SHARED / "corpus", SHARED / "models", SHARED / "reference"]
    return sorted(path for folder in folders if folder.is_dir() for path in folder.rglob("*.prototxt"))


def is_solver(path: Path) -> bool:
    """Whether ``path`` is named as a solver."""
    return "solver" in path.name
