"""Copies of pictures: equal, compressed, resized and mirrored ones are found, others are not."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from caffelungo.data import near_duplicates as module
from caffelungo.data.decode import Pixels, decode
from caffelungo.data.near_duplicates import BITS, near_duplicates
from caffelungo.data.picture_hash import LOW, PictureHash, picture_hash
from caffelungo.data.picture_hashes import picture_hashes
from caffelungo.errors import UserError
from tests.support import REPOSITORY

datasets = pytest.importorskip("sklearn.datasets")
fft = pytest.importorskip("scipy.fft")

PICTURE = sorted((REPOSITORY / "examples" / "animals").glob("t*/*/*.png"))[0]


@pytest.fixture(scope="module")
def photos() -> list[Pixels]:
    """Tiles of scikit-learn's two photos, and clouds whose spectrum falls as that of photos does."""
    found = []
    for name in ("china.jpg", "flower.jpg"):
        photo = datasets.load_sample_image(name)
        tiles = [photo[top : top + 120, left : left + 150] for top in (0, 130, 260) for left in (0, 160, 320, 480)]
        found += [np.ascontiguousarray(tile) for tile in tiles if tile.std() > 20]
    rng = np.random.default_rng(0)
    falling = np.hypot(np.fft.fftfreq(120)[:, None], np.fft.fftfreq(150)[None]) + 1 / 150
    for _ in range(40):
        cloud = np.fft.ifft2(
            np.fft.fft2(rng.normal(size=(120, 150, 3)), axes=(0, 1)) / falling[:, :, None], axes=(0, 1)
        )
        found.append(np.clip(128 + 45 * cloud.real / cloud.real.std(), 0, 255).astype(np.uint8))
    return found


@pytest.fixture(scope="module")
def hashes(photos: list[Pixels]) -> list[PictureHash]:
    return [picture_hash(one) for one in photos]


def compressed(pixels: Pixels, quality: int) -> Pixels:
    file = io.BytesIO()
    Image.fromarray(pixels[:, :, ::-1]).save(file, "JPEG", quality=quality)
    return decode(file.getvalue())


def resized(pixels: Pixels, share: float) -> Pixels:
    size = round(pixels.shape[1] * share), round(pixels.shape[0] * share)
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR))


def test_the_hash_is_that_of_a_cosine_transform(photos: list[Pixels]) -> None:
    for pixels in photos[:10]:
        grey = decode(_png(pixels), color=False)[:, :, 0]
        small = np.asarray(Image.fromarray(grey).resize((32, 32), Image.Resampling.BOX), float)
        low = fft.dctn(small, type=2)[:LOW, :LOW]
        bits = (low > np.median(low)).ravel()
        expected = int("".join("1" if bit else "0" for bit in bits), 2)
        assert (picture_hash(pixels).outlines ^ expected).bit_count() <= 2  # a PNG's grey is rounded otherwise
        mirrored = picture_hash(np.ascontiguousarray(pixels[:, ::-1]))
        assert (mirrored.outlines ^ picture_hash(pixels).mirrored).bit_count() <= 4


def _png(pixels: Pixels) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels[:, :, ::-1]).save(file, "PNG")
    return file.getvalue()


def test_copies_are_found_and_others_are_not(photos: list[Pixels], hashes: list[PictureHash]) -> None:
    assert len(photos) >= 50
    unrelated = len(photos) * (len(photos) - 1) / 2
    assert len(near_duplicates(hashes)) <= 0.001 * unrelated
    copies = [picture_hash(one) for one in photos]
    found = near_duplicates([*hashes, *copies]).across(np.arange(2 * len(photos)) < len(photos))
    exact = {(one, two) for one, two, same in zip(found.first, found.second, found.exact, strict=True) if same}
    assert exact == {(place, place + len(photos)) for place in range(len(photos))}
    ways = [
        *(lambda one, quality=quality: compressed(one, quality) for quality in (40, 65, 90)),
        *(lambda one, share=share: resized(one, share) for share in (0.5, 0.75, 1.5, 2)),
        lambda one: compressed(resized(one, 0.6), 50),
        lambda one: np.ascontiguousarray(one[:, ::-1]),
    ]
    for way in ways:
        copies = [picture_hash(way(one)) for one in photos]
        found = near_duplicates([*hashes, *copies])
        pairs = set(zip(found.first.tolist(), found.second.tolist(), strict=True))
        hit = sum((place, place + len(photos)) in pairs for place in range(len(photos)))
        assert hit >= 0.95 * len(photos)
    assert found.mirrored.sum() >= 0.95 * len(photos)


def test_as_every_pair_one_by_one(hashes: list[PictureHash], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ROWS", 7)
    monkeypatch.setattr(module, "GATHERED", 5)
    found = near_duplicates(hashes, bits=24, alike=0.2)
    expected = set()
    for one, a in enumerate(hashes):
        for two in range(one + 1, len(hashes)):
            own, other = ((bits ^ hashes[two].outlines).bit_count() for bits in (a.outlines, a.mirrored))
            thumbnail = a.thumbnail[:, ::-1] if other < own else a.thumbnail
            alike = np.corrcoef(thumbnail.ravel(), hashes[two].thumbnail.ravel())[0, 1]
            if min(own, other) <= 24 and alike >= 0.2:
                expected.add((one, two, min(own, other), other < own))
    assert len(expected) > 20
    assert set(zip(found.first, found.second, found.bits, found.mirrored, strict=True)) == expected


def test_groups_parts_and_order(photos: list[Pixels], hashes: list[PictureHash]) -> None:
    near = picture_hash(compressed(photos[0], 50))
    given = [hashes[0], hashes[1], None, near, hashes[1], hashes[0], hashes[5], hashes[1]]
    found = near_duplicates(given)
    assert found.groups() == [[0, 3, 5], [1, 4, 7]]
    assert found.exact.tolist() == [True, True, True, False]
    assert found.first.tolist() == [0, 1, 1, 0]
    assert found.second.tolist() == [5, 4, 7, 3]
    assert found.bits[-1] <= BITS
    across = found.across(["train"] * 4 + ["test"] * 4)
    assert (across.first.tolist(), across.second.tolist()) == ([0, 1, 1], [5, 4, 7])
    assert len(found.across([0, 1, 0, 2, 1, 0, 0, 1])) == 1
    with pytest.raises(UserError, match="each picture is of one part"):
        found.across([0, 1])


def test_flat_pictures_are_equal_only_to_the_same_pixels() -> None:
    flat = [np.full((40, 40, 3), value, np.uint8) for value in (200, 200, 201)]
    found = near_duplicates([picture_hash(one) for one in flat])
    assert (found.first.tolist(), found.second.tolist(), found.exact.tolist()) == ([0], [1], [True])
    faint = np.random.default_rng(0).integers(0, 5, (4, 4, 1), np.uint8).repeat(16, 0).repeat(16, 1).repeat(3, 2)
    strong, fainter = picture_hash(faint * 20), [picture_hash(faint + more) for more in (100, 200)]
    assert len(near_duplicates([strong, picture_hash(faint * 40)])) == 1
    assert len(near_duplicates([strong, *fainter])) == 0
    assert len(near_duplicates([*fainter, strong])) == 0
    assert len(near_duplicates([])) == 0
    assert len(near_duplicates([None, None])) == 0


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"not a picture")
    done: list[tuple[int, int]] = []
    found, unreadable = picture_hashes(
        [PICTURE, tmp_path / "broken.jpg", tmp_path / "none.jpg"], lambda *count: done.append(count)
    )
    assert found[1:] == [None, None]
    assert found[0] is not None
    assert found[0].content == picture_hash(decode(PICTURE)).content
    assert list(unreadable) == [1, 2]
    assert "does not recognise" in unreadable[1]
    assert "no such file" in unreadable[2]
    assert done == [(3, 3)]


def test_pictures_that_all_look_alike_are_not_paired(
    photos: list[Pixels], hashes: list[PictureHash], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST", 3)
    series = [picture_hash(compressed(photos[0], quality)) for quality in range(60, 68)]
    found = near_duplicates([*series, series[0]])
    assert not found.complete
    assert (found.first.tolist(), found.second.tolist(), found.exact.tolist()) == ([0], [8], [True])
    assert not found.across([0, 1] * 4 + [1]).complete
    assert near_duplicates(hashes[:3]).complete
