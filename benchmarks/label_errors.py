"""How many planted wrong labels `lungo inspect --labels` shows first, and how many planted copies are found.

    OMP_NUM_THREADS=1 python -m benchmarks.label_errors --data DIR [--sets trashnet clothing sign_digits] [-o FILE.json]

DIR holds folders of classes. Of each set up to 1,000 pictures are drawn by a seed, classes in their own shares, and
5 % of them get the label of another class, drawn evenly. The verb (`cl.inspect(labels=True)`, squeezenet1.1 at 112
pixels, all stages joined) sees a list with these labels, and lists the first 8 % of them. ``found`` is the share of the
planted labels among these, ``named`` the share of those whose suggested class is the right one, ``precision`` the share
of planted ones among the labels listed that confident learning counts as wrong.
With ``--per-class 5 10 20`` the same is measured with so many pictures of each class.

Copies: of 200 pictures of each set one is planted in each of the ways of ``WAYS`` beside all others; ``copies`` is the
share that ``data.picture_copies`` finds, ``seconds`` those per 1,000 pictures for hashing all, at first and again from
the cache.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import caffelungo as cl
from benchmarks.photos import classes_of
from caffelungo.data import hash_cache, picture_copies
from caffelungo.data.picture_hashes import picture_hashes

NET, SIZE = "squeezenet1.1", 112
PICTURES, PLANTED, COPIED = 1000, 0.05, 200
Photo = tuple[Path, int]


def drawn(source: Path, rng: np.random.Generator, per_class: int | None) -> tuple[list[Photo], list[str]]:
    """Pictures with labels: ``PICTURES`` of all, or ``per_class`` of each class."""
    classes = classes_of(source)
    names = sorted(classes)
    photos = [(photo, label) for label, name in enumerate(names) for _, photo in classes[name]]
    order = rng.permutation(len(photos))
    if per_class is None:
        return [photos[index] for index in order[:PICTURES]], names
    taken: dict[int, int] = {}
    chosen = []
    for index in order:
        label = photos[index][1]
        taken[label] = taken.get(label, 0) + 1
        if taken[label] <= per_class:
            chosen.append(photos[index])
    return chosen, names


def wrong_labels(source: Path, seed: int, per_class: int | None, device: str) -> dict[str, Any]:
    """Plant wrong labels, let the verb look for them, and count."""
    rng = np.random.default_rng(seed)
    photos, names = drawn(source, rng, per_class)
    labels = np.array([label for _, label in photos])
    planted = rng.choice(len(photos), round(PLANTED * len(photos)), replace=False)
    labels[planted] = (labels[planted] + rng.integers(1, len(names), len(planted))) % len(names)
    wrong = {str(photos[index][0]): names[photos[index][1]] for index in planted}
    with tempfile.TemporaryDirectory() as folder:
        lines = [f"{path} {label}\n" for (path, _), label in zip(photos, labels, strict=True)]
        Path(folder, "list.txt").write_text("".join(lines))
        Path(folder, "labels.txt").write_text("".join(f"{name}\n" for name in names))
        begin = time.monotonic()
        top = round(0.08 * len(photos))
        found = cl.inspect(
            NET, data=f"{folder}/list.txt", labels=True, output=f"{folder}/out", size=SIZE, top=top, device=device,
            quiet=True,
        )  # fmt: skip
        seconds = time.monotonic() - begin
    assert found.labels is not None
    hits = [(row, true) for row in found.labels for path, true in wrong.items() if path.endswith("/" + row["path"])]
    counted = [row for row, _ in hits if row["suspect"]]
    shown = sum(row["suspect"] for row in found.labels)
    return {
        "set": source.name, "seed": seed, "pictures": len(photos), "classes": len(names), "planted": len(planted),
        "listed": top, "found": len(hits) / len(planted),
        "named": sum(row["suggested"] == true for row, true in hits) / max(1, len(hits)),
        "accuracy": found.accuracy, "suspects": found.suspects, "precision": len(counted) / max(1, shown),
        "seconds": seconds,
    }  # fmt: skip


def compressed(quality: int) -> Callable[[Image.Image, Path], None]:
    return lambda image, at: image.save(at.with_suffix(".jpg"), "JPEG", quality=quality)


def resized(share: float) -> Callable[[Image.Image, Path], None]:
    def way(image: Image.Image, at: Path) -> None:
        size = max(1, round(image.width * share)), max(1, round(image.height * share))
        image.resize(size, Image.Resampling.BICUBIC).save(at.with_suffix(".png"))

    return way


def smaller_and_compressed(image: Image.Image, at: Path) -> None:
    size = max(1, image.width * 6 // 10), max(1, image.height * 6 // 10)
    image.resize(size, Image.Resampling.BICUBIC).save(at.with_suffix(".jpg"), "JPEG", quality=50)


WAYS: dict[str, Callable[[Image.Image, Path], None]] = {
    "quality 40": compressed(40), "quality 90": compressed(90), "half": resized(0.5), "three quarters": resized(0.75),
    "double": resized(2.0), "0.6, quality 50": smaller_and_compressed,
    "mirrored": lambda image, at: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(at.with_suffix(".png")),
}  # fmt: skip


def copies(source: Path, seed: int) -> dict[str, Any]:
    """Plant copies across two parts of a set, and count those that are found, and other pairs across the parts."""
    rng = np.random.default_rng(seed)
    photos, _ = drawn(source, rng, None)
    found: dict[str, Any] = {"set": source.name, "pictures": len(photos)}
    with tempfile.TemporaryDirectory() as folder:
        hash_cache.cache_folder = lambda: Path(folder, "cache")  # type: ignore[attr-defined]
        paths = [str(path) for path, _ in photos]
        for key in ("seconds", "seconds_again"):
            begin = time.monotonic()
            picture_hashes(paths)
            found[key] = (time.monotonic() - begin) / len(photos) * 1000
        begin = time.monotonic()
        picture_copies.pairs(picture_hashes(paths)[0])
        found["seconds_compare"] = time.monotonic() - begin
        learned, held = paths[len(paths) // 4 :], paths[: len(paths) // 4]
        found["pairs_before"] = len(picture_copies.across_files(learned, held).pairs)
        for name, way in {"exact": None, **WAYS}.items():
            place = Path(folder, name)
            place.mkdir()
            for number, path in enumerate(learned[:COPIED]):
                if way is None:
                    shutil.copy(path, place / f"{number}{Path(path).suffix}")
                else:
                    with Image.open(path) as image:
                        way(image.convert("RGB"), place / f"{number}")
            planted = sorted(map(str, place.iterdir()))
            pairs = picture_copies.across_files(learned, [*held, *planted]).pairs
            found[name] = len({one for one, _, _ in pairs if one in planted}) / len(planted)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.label_errors", description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sets", nargs="+", default=["trashnet", "clothing", "sign_digits"])
    parser.add_argument("--per-class", nargs="*", type=int, default=[])
    parser.add_argument("--copies", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("-o", "--output", type=Path)
    given = parser.parse_args()
    rows = []
    for name in given.sets:
        if given.copies:
            rows.append(copies(given.data / name, given.seed))
            print(json.dumps(rows[-1]), flush=True)
        else:
            for count in given.per_class or [None]:
                rows.append(wrong_labels(given.data / name, given.seed, count, given.device))
                print(json.dumps(rows[-1]), flush=True)
    if given.output:
        given.output.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
