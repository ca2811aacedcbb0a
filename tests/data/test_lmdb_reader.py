"""LMDB files against the library that writes them; cut, damaged, or changed while they are read, they give an error."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import lmdb
import numpy as np
import pytest

from caffelungo.data.lmdb_reader import LmdbReader
from caffelungo.errors import RunError, UserError
from tests.support import needs_shared, shared


def made(path: Path, count: int, *, most: int = 9000, drop: int = 0) -> dict[bytes, bytes]:
    """A database of ``count`` records of up to ``most`` bytes, the first ``drop`` deleted again, as LMDB reads it."""
    rng = np.random.default_rng(count)
    with lmdb.open(str(path), map_size=1 << 26) as env:
        with env.begin(write=True) as txn:
            for number in rng.permutation(count):
                txn.put(b"%08d_%s" % (number, b"k" * int(rng.integers(0, 300))), rng.bytes(int(rng.integers(0, most))))
        with env.begin(write=True) as txn:
            for key in list(txn.cursor().iternext(values=False))[:drop]:
                txn.delete(key)
        with env.begin() as txn:
            return dict(txn.cursor())


@pytest.mark.parametrize(
    ("count", "most", "drop"), [(0, 9, 0), (1, 9, 0), (7, 9000, 3), (3000, 60, 500), (200, 9000, 90)]
)
def test_records_are_those_that_lmdb_reads(tmp_path: Path, count: int, most: int, drop: int) -> None:
    expected = made(tmp_path / "db", count, most=most, drop=drop)
    reader = LmdbReader(tmp_path / "db")
    assert reader.size == count - drop
    assert reader.keys() == list(expected)
    found: list[bytes] = []
    reader.each(lambda index, record: found.append(record))
    assert found == list(expected.values())
    assert [bytes(reader.glance(i)[0:]) for i in range(reader.size)] == found
    assert LmdbReader(tmp_path / "db" / "data.mdb").keys() == list(expected)


def test_a_long_record_is_read_where_it_is_looked_at(tmp_path: Path) -> None:
    value = np.random.default_rng(0).bytes(50_000)
    with lmdb.open(str(tmp_path / "db"), map_size=1 << 22) as env, env.begin(write=True) as txn:
        txn.put(b"a", value)
    glance = LmdbReader(tmp_path / "db").glance(0)
    places = [0, 4095, 4096, 49_999, 17]
    assert [glance[place] for place in places] == [value[place] for place in places]
    assert len(glance) == len(value)
    with pytest.raises(IndexError):
        glance[50_000]


@pytest.mark.parametrize("share", [0.0, 0.01, 0.2, 0.5, 0.8, 0.9, 0.97])
def test_a_file_cut_anywhere_is_refused(tmp_path: Path, share: float) -> None:
    made(tmp_path / "db", 120)
    file = tmp_path / "db" / "data.mdb"
    os.truncate(file, int(file.stat().st_size * share))
    with pytest.raises(UserError, match=r"truncated|cannot be opened") as error:
        LmdbReader(tmp_path / "db")
    assert error.value.problems[0].remedy


def test_pages_at_the_end_that_nothing_uses_may_be_missing(tmp_path: Path) -> None:
    expected = made(tmp_path / "db", 60, drop=20)
    file = tmp_path / "db" / "data.mdb"
    whole = file.read_bytes()
    refused = 0
    for pages in range(1, len(whole) // 4096):
        file.write_bytes(whole[: len(whole) - pages * 4096])
        try:
            assert LmdbReader(tmp_path / "db").keys() == list(expected)
        except UserError:
            refused += 1
    assert refused


def test_any_damage_is_an_error_or_does_no_harm(tmp_path: Path) -> None:
    made(tmp_path / "db", 60)
    file = tmp_path / "db" / "data.mdb"
    whole = np.frombuffer(file.read_bytes(), np.uint8)
    rng = np.random.default_rng(3)
    refused = 0
    for _ in range(60):
        damaged = whole.copy()
        pages = rng.integers(0, len(whole) // 4096, 8) * 4096
        damaged[pages + rng.integers(0, 64, 8)] = rng.integers(0, 256, 8)
        file.write_bytes(damaged.tobytes())
        try:
            reader = LmdbReader(tmp_path / "db")
            reader.each(lambda index, record: None)
        except UserError as error:
            refused += "LMDB database" in error.problems[0].what
    assert refused > 20


def test_a_file_that_shrinks_or_goes_while_it_is_used(tmp_path: Path) -> None:
    expected = list(made(tmp_path / "db", 200).values())
    shutil.copytree(tmp_path / "db", tmp_path / "other")
    reader, other = LmdbReader(tmp_path / "db"), LmdbReader(tmp_path / "other")
    assert reader.record(150) == expected[150]
    os.truncate(tmp_path / "db" / "data.mdb", 8192)
    with pytest.raises(RunError, match=r"was changed while it was read: .* 8192 now"):
        reader.record(150)
    shutil.rmtree(tmp_path / "other")
    assert other.record(150) == expected[150]


def test_named_databases_and_several_values_are_refused(tmp_path: Path) -> None:
    with lmdb.open(str(tmp_path / "db"), max_dbs=2) as env:
        database = env.open_db(b"inside", dupsort=True)
        with env.begin(write=True, db=database) as txn:
            txn.put(b"a", b"1")
            txn.put(b"a", b"2")
    with pytest.raises(UserError, match="LMDB database cannot be read") as error:
        LmdbReader(tmp_path / "db").keys()
    assert "named databases" in str(error.value)


@needs_shared
def test_the_database_that_ended_the_process() -> None:
    with pytest.raises(UserError, match="truncated") as error:
        LmdbReader(shared("cases", "attack", "lmdb_truncated"))
    assert "1007616 bytes of 1257472" in str(error.value)
