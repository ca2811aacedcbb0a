"""A set of photos as two folders of classes, train and test: its own split, else 30 % of each class by the seed."""

from __future__ import annotations

import random
from pathlib import Path

from benchmarks.photos import link, photos

SETS = ("caltech101", "grocery", "trashnet", "clothing", "sign_digits", "elpv")
JUDGED = 0.3


def split(source: Path, folder: Path, seed: int) -> None:
    """Links to the photos of ``source`` in ``folder``/train and ``folder``/test; a validation part is for training."""
    done = folder / "split.txt"
    if done.exists():
        return
    own = {path.name for path in source.iterdir() if path.is_dir()}
    parts = [(name, "test" if name == "test" else "train") for name in ("train", "val", "validation", "test")]
    given = [(source / name, part) for name, part in parts if name in own]
    if given:
        for root, part in given:
            for photo in photos(root):
                link(photo, folder / part / photo.parent.name / f"{root.name}_{photo.name}")
    else:
        inside = [path for path in source.iterdir() if path.is_dir()]
        root = inside[0] if len(inside) == 1 else source
        by: dict[str, list[Path]] = {}
        for photo in photos(root):
            by.setdefault(photo.parent.name, []).append(photo)
        draw = random.Random(seed)
        for name in sorted(by):
            own_photos = sorted(by[name])
            judged = set(draw.sample(own_photos, round(JUDGED * len(own_photos))))
            for photo in own_photos:
                link(photo, folder / ("test" if photo in judged else "train") / name / photo.name)
    done.write_text(f"{source.name}, seed {seed}, {'its own split' if given else f'{JUDGED:.0%} of each class'}\n")
