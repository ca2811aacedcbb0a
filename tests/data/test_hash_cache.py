"""Hashes of pictures kept by the content of their files."""

from __future__ import annotations

import shutil
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from caffelungo.data import hash_cache, picture_hashes
from caffelungo.data.hash_cache import HashCache, digest
from caffelungo.data.picture_hash import PictureHash, picture_hash
from tests.data.make import picture, save


def same(one: PictureHash | None, other: PictureHash) -> bool:
    return (
        one is not None
        and (one.content, one.outlines, one.mirrored) == (other.content, other.outlines, other.mirrored)
        and np.array_equal(one.thumbnail, other.thumbnail)
    )


def test_what_is_kept_is_found_by_another_process(tmp_path: Path) -> None:
    path = tmp_path / "below" / "hashes.sqlite"
    made = {digest(bytes([seed])): picture_hash(picture(seed, 60, 50)) for seed in range(20)}
    with HashCache(path) as cache, ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda one: cache.keep(*one), made.items()))
    with HashCache(path) as cache, ThreadPoolExecutor(4) as pool:
        assert all(same(found, one) for found, one in zip(pool.map(cache.find, made), made.values(), strict=True))
        assert cache.find(digest(b"other")) is None


def test_many_are_written_on_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hash_cache, "BATCH", 2)
    one = picture_hash(picture(0))
    with HashCache(tmp_path / "h") as cache:
        cache.keep(b"a", one)
        assert cache.find(b"a") is None
        cache.keep(b"b", one)
        assert same(cache.find(b"a"), one)


@pytest.mark.parametrize("damage", [b"no database at all" * 100, b""])
def test_a_damaged_database_is_done_without_and_replaced(tmp_path: Path, damage: bytes) -> None:
    path, one = tmp_path / "h", picture_hash(picture(0))
    path.write_bytes(damage)
    with HashCache(path) as cache:
        cache.keep(b"a", one)
        assert cache.find(b"a") is None
    with HashCache(path) as cache:
        cache.keep(b"a", one)
    with HashCache(path) as cache:
        assert same(cache.find(b"a"), one)


def test_records_of_another_size_are_none(tmp_path: Path) -> None:
    with HashCache(tmp_path / "h") as cache:
        cache.keep(b"a", picture_hash(picture(0)))
    database = sqlite3.connect(tmp_path / "h")
    with database:
        database.execute("UPDATE hashes SET hash = ?", (b"short",))
    database.close()
    with HashCache(tmp_path / "h") as cache:
        assert cache.find(b"a") is None


def test_without_a_place_to_write_and_when_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(b"")
    one = picture_hash(picture(0))
    with HashCache(tmp_path / "file" / "h") as cache:
        cache.keep(b"a", one)
        assert cache.find(b"a") is None
    with HashCache(tmp_path / "h") as cache:
        cache.keep(b"a", one)
    monkeypatch.setattr(hash_cache, "MOST", 10)
    with HashCache(tmp_path / "h") as cache:
        assert cache.find(b"a") is None


def test_a_picture_is_decoded_once_wherever_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hash_cache, "cache_folder", lambda: tmp_path)
    decoded: list[str] = []
    decode = picture_hashes.decode

    def counted(source: bytes | Path, **options: str) -> object:
        decoded.append(options.get("name", str(source)))
        return decode(source, **options)

    monkeypatch.setattr(picture_hashes, "decode", counted)
    first = save(tmp_path / "a.png", picture(1, 40, 50))
    (hashed,), _ = picture_hashes.picture_hashes([first])
    moved = Path(shutil.copy(first, tmp_path / "moved.png"))
    assert hashed is not None
    assert same(picture_hashes.picture_hashes([moved])[0][0], hashed)
    assert decoded == [str(first)]
    save(moved, picture(2, 40, 50))
    assert not same(picture_hashes.picture_hashes([moved])[0][0], hashed)
    monkeypatch.setattr(picture_hashes, "WHOLE", 10)  # a large file is decoded from the disk, and not kept
    assert same(picture_hashes.picture_hashes([first, first])[0][1], hashed)
    assert decoded[2:] == [str(first)] * 2
