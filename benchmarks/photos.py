"""Photos of folders of classes: found, linked, and drawn by a seed."""

from __future__ import annotations

import contextlib
import random
from pathlib import Path

PHOTOS = (".jpg", ".jpeg", ".png")
PARTS = ("train", "val", "validation", "test")


def photos(root: Path) -> list[Path]:
    """The photos in the class folders of ``root``, in order."""
    return sorted(path for path in root.glob("*/*") if path.suffix.lower() in PHOTOS)


def link(photo: Path, at: Path) -> None:
    """A link ``at`` to ``photo``, unless it is there."""
    at.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):  # another run may link the same photos
        at.symlink_to(photo.resolve())


def classes_of(source: Path) -> dict[str, list[tuple[str, Path]]]:
    """The photos of each class of ``source``, those of all its parts together, with a name of its own for each."""
    parts = [path for path in sorted(source.iterdir()) if path.is_dir() and path.name in PARTS]
    found: dict[str, list[tuple[str, Path]]] = {}
    for root in parts or [source]:
        for photo in photos(root):
            name = f"{root.name}_{photo.name}" if parts else photo.name
            found.setdefault(photo.parent.name, []).append((name, photo))
    return found


def subset(source: Path, folder: Path, per_class: int, classes: int | None = None, seed: int = 0) -> None:
    """Links in ``folder`` to at most ``per_class`` photos of each class of ``source``, of ``classes`` classes (all)."""
    by = classes_of(source)
    draw = random.Random(seed)
    for name in sorted(draw.sample(sorted(by), classes or len(by))):
        for file, photo in draw.sample(sorted(by[name]), min(per_class, len(by[name]))):
            link(photo, folder / name / file)
