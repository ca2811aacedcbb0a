"""Copies that are planted across the parts of a data set: equal, compressed, resized and mirrored ones."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from caffelungo.data import folder as photos
from caffelungo.data import picture_copies, split_pictures
from caffelungo.data.near_duplicates import near_duplicates
from caffelungo.data.picture_hash import picture_hash
from caffelungo.probes import picture_entries
from caffelungo.study import picture_splits
from tests.data.make import Pixels, photo, picture, save

Way = Callable[[Path, Path], object]


def wider(pixels: Pixels, by: int) -> Pixels:
    return np.asarray(Image.fromarray(pixels).resize((160 + 4 * by, 120), Image.Resampling.BICUBIC))


def compressed(one: Path, other: Path) -> None:
    Image.open(one).save(other.with_suffix(".jpg"), quality=60)


def resized(one: Path, other: Path) -> None:
    with Image.open(one) as image:
        image.resize((image.width * 2 // 3, image.height * 2 // 3), Image.Resampling.BICUBIC).save(other)


WAYS: dict[str, Way] = {"exact": shutil.copy, "compressed": compressed, "resized": resized}
COUNT = 12
COPIES = 6


def planted(root: Path, way: Way, train: Path, test: Path) -> Path:
    """``COUNT`` pictures in ``train``, and a copy of every other one among as many others in ``test``; two classes."""
    for number in range(COUNT):
        name = f"{'ab'[number % 2]}/{number}.png"
        one = save(root / train / name, photo(number))
        (root / test / name).parent.mkdir(parents=True, exist_ok=True)
        save(root / test / f"{'ab'[number % 2]}/other{number}.png", photo(1000 + number))
        if number % 4 < 2:
            way(one, root / test / name)
    return root


@pytest.mark.parametrize("way", WAYS)
def test_copies_in_the_test_part_of_a_data_set_are_named(tmp_path: Path, way: str) -> None:
    found = photos.scan(planted(tmp_path, WAYS[way], Path("train"), Path("val")))
    parts = split_pictures.split(found)
    text = "\n".join(parts.notices)
    if way == "exact":
        assert f"{COPIES} val pictures are also in train, and removed from val" in text
        assert "nearly equal" not in text
        assert len(parts.val) == COUNT
    else:
        assert f"{COPIES} val pictures are in train, too ({COPIES} nearly equal, as after compressing, " in text
        assert " ~ train/" in text
        assert "they stay" in text
        assert len(parts.val) == COUNT + COPIES


@pytest.mark.parametrize("way", WAYS)
def test_copies_stay_on_one_side_of_a_split(tmp_path: Path, way: str) -> None:
    """All exact ones, and all others of these pictures."""
    found = photos.scan(planted(tmp_path, WAYS[way], Path(), Path()) if way == "compressed" else _beside(tmp_path, way))
    assert sum(map(len, found.copies)) == 2 * COPIES
    for seed in range(5):
        parts = split_pictures.split(found, 0.4, seed)
        val = set(parts.val)
        assert val
        assert all(len({index in val for index in group}) == 1 for group in found.copies)
    said = "12 pictures look nearly the same as another" if way != "exact" else "6 pictures are copies of another"
    assert said in "\n".join(found.notices)


def _beside(root: Path, way: str) -> Path:
    for number in range(COUNT):
        one = save(root / "ab"[number % 2] / f"{number}.png", photo(number))
        if number % 4 < 2:
            WAYS[way](one, one.with_name(f"copy{number}.png"))
    return root


@pytest.mark.parametrize("way", WAYS)
def test_probe_and_compare_name_copies_in_the_pictures_to_test_on(tmp_path: Path, way: str) -> None:
    root = planted(tmp_path, WAYS[way], Path("train"), Path("test"))
    gathered = picture_entries.gather(str(root / "train"), str(root / "test"))
    (said,) = [one for one in gathered.notices if "test pictures are" in one]
    assert said.startswith("6 test pictures are in the pictures to learn from, too (6 ")
    (split,) = picture_splits.gather(str(root / "train"), str(root / "test"))
    text = "\n".join(split.notices)
    assert ("6 pictures of" if way == "exact" else "6 test pictures are in --data, too (6 nearly equal") in text


def test_as_every_pair_says(tmp_path: Path) -> None:
    """Against all pairs by their hashes, with several equal ones and chains on both sides."""
    pixels = [photo(seed) for seed in (0, 0, 1, 2, 2, 3, 4)]
    softer = [np.asarray(Image.fromarray(one).resize((80, 60), Image.Resampling.BOX)) for one in pixels[2:6]]
    hashes = [picture_hash(one) for one in (*pixels, *softer, pixels[3], pixels[0])]
    names = [str(place) for place in range(len(hashes))]
    near = near_duplicates(hashes)
    alike = set(zip(near.first.tolist(), near.second.tolist(), strict=True))
    by = [one.content for one in hashes]
    for cut in (3, 5, 7, 9):
        learned, held = range(cut), range(cut, len(hashes))
        expected = {
            theirs: any(by[theirs] == by[ours] for ours in learned)
            for theirs in held
            if any(
                by[theirs] == by[ours]
                or any(by[a] in (by[ours], by[theirs]) and by[b] in (by[ours], by[theirs]) and by[a] != by[b]
                       for a, b in alike)
                for ours in learned
            )
        }  # fmt: skip
        found = picture_copies.across(near, names, learned, held)
        assert {int(name): same for name, _, same in found.pairs} == expected
        assert all(int(name) in held and int(other) in learned for name, other, _ in found.pairs)


def test_a_chain_that_has_most_of_a_class_is_not_held_together() -> None:
    hashes = [picture_hash(wider(photo(0), number)) for number in range(4)]
    hashes += [picture_hash(photo(9 + number)) for number in range(6)]
    near = near_duplicates(hashes)
    assert near.groups() == [[0, 1, 2, 3]]
    labels = np.array([0, 0, 1, 1, 0, 0, 1, 1, 1, 1])
    assert picture_copies.held_together(near, [], labels) == [[0, 1, 2, 3]]
    labels[4] = 1  # two of three
    assert picture_copies.held_together(near, [], labels) == []


def test_of_too_many_only_equal_files_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = str(save(tmp_path / "one.png", picture(0)))
    assert len(picture_copies.across_files([one], [one]).pairs) == 1
    assert picture_copies.across_files([one], []).pairs == []
    assert picture_copies.across_files([one], [one]).notice("test", "train", "x") == [
        f"1 test picture is in train, too (1 equal): {one} = {one}; x"
    ]
    monkeypatch.setattr(picture_copies, "DECODED", 1)
    changed = str(save(tmp_path / "changed.bmp", picture(0)))
    other = str(save(tmp_path / "other.png", picture(1)))
    found = picture_copies.across_files([other, one], [one, changed])
    assert found.pairs == [(one, one, True)]
    assert found.notice("test", "train", "x") == [
        f"1 test picture is in train, too (1 equal): {one} = {one}; x",
        "4 pictures are too many to look for changed copies, as after compressing: only equal files are found",
    ]
    assert len(picture_copies.across_files([one], [changed]).notice("test", "train", "x")) == 1
