"""HDF5Data: rows in order over several files, shuffles, and files that do not fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from caffelungo.data.sources import hdf5_data as module
from caffelungo.data.sources import open_source
from caffelungo.errors import LungoError, UserError
from tests.data.make import hdf5, layer


def source_of(path: Path, extra: str = "", tops: str = "data label", **kwargs: Any) -> Any:
    names = " ".join(f'top: "{name}"' for name in tops.split())
    options = f'hdf5_data_param {{ source: "{path}" batch_size: 4 {extra} }}'
    return open_source(layer(f'name: "d" type: "HDF5Data" {names} {options}'), **kwargs)


def rows(source: Any, batches: int) -> list[int]:
    return [int(x) for k in range(batches) for x in source.finish(source.batch(k))[0][:, 0, 0]]


@pytest.mark.parametrize("room", [1 << 30, 0])
def test_rows_run_on_over_files_and_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int) -> None:
    monkeypatch.setattr(module, "IN_MEMORY", room)
    source = source_of(hdf5(tmp_path, [5, 1, 3]))
    assert source.shapes == [(4, 2, 3), (4,)]
    assert source.size == 9
    assert rows(source, 5) == [n % 9 for n in range(20)]
    assert source.labels().tolist() == [0, 1, 2, 3, 0, 1, 2, 3, 0]
    assert not source.heavy


def test_a_shuffle_draws_files_then_rows(tmp_path: Path) -> None:
    source = source_of(hdf5(tmp_path, [8, 4, 8]), "shuffle: true", seed=3)
    first, second = rows(source, 5), rows(source, 10)[20:]
    assert sorted(first) == sorted(second) == list(range(20))
    assert first != second != sorted(second)
    assert rows(source_of(tmp_path / "list.txt", "shuffle: true", seed=3), 5) == first
    assert rows(source_of(tmp_path / "list.txt", "shuffle: true", once=True), 5) == list(range(20))
    assert rows(source_of(tmp_path / "list.txt", shuffle=True, seed=3), 5) == first


def test_once_ends_with_a_short_batch(tmp_path: Path) -> None:
    source = source_of(hdf5(tmp_path, [5, 1, 3]), once=True)
    assert source.batches == 3
    assert rows(source, 3) == list(range(9))
    assert source.batch(2).arrays[0].shape == (1, 2, 3)


def test_labels_that_are_no_classes_are_none(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["data"], file["label"] = np.zeros((3, 2)), np.array([0.5, 1, 2])
    (tmp_path / "list.txt").write_text("a.h5\n")
    assert source_of(tmp_path / "list.txt").labels() is None
    assert source_of(tmp_path / "list.txt", tops="data").labels() is None


def message(path: Path, tops: str = "data label") -> str:
    with pytest.raises(UserError) as error:
        source_of(path, tops=tops)
    assert all(problem.remedy for problem in error.value.problems)
    return str(error.value)


def test_files_that_do_not_fit_are_all_told(tmp_path: Path) -> None:
    file_list = hdf5(tmp_path, [3, 3])
    assert "no numeric dataset named `lable`" in message(file_list, "data lable")
    assert "datasets data, label" in message(file_list, "data lable")
    with h5py.File(tmp_path / "part0.h5", "a") as file:
        del file["label"]
        file["label"] = np.zeros(2)
    with h5py.File(tmp_path / "part1.h5", "a") as file:
        del file["data"]
        file["data"] = np.zeros((3, 5))
    text = message(file_list)
    assert "different numbers of rows" in text
    assert "data 3, label 2" in text
    assert "a different shape than in" in text
    (tmp_path / "part1.h5").write_bytes(b"no hdf5")
    assert "not an HDF5 file" in message(file_list)


def test_lists_that_do_not_fit(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("a.h5\n\nb.h5\n")
    with pytest.raises(UserError) as error:
        source_of(tmp_path / "list.txt")
    assert [problem.where.line for problem in error.value.problems if problem.where] == [1, 3]
    (tmp_path / "list.txt").write_text("\n")
    assert "the list of HDF5 files is empty" in message(tmp_path / "list.txt")
    assert "list of HDF5 files not found" in message(tmp_path / "nowhere.txt")
    with h5py.File(tmp_path / "e.h5", "w") as file:
        file["data"], file["label"] = np.zeros((0, 2)), np.zeros(0)
    (tmp_path / "list.txt").write_text("e.h5\n")
    assert "contain no rows" in message(tmp_path / "list.txt")


def test_a_transform_is_refused(tmp_path: Path) -> None:
    path = hdf5(tmp_path, [3])
    text = (
        f'name: "d" type: "HDF5Data" top: "data" transform_param {{ scale: 2 }} hdf5_data_param {{ source: "{path}" }}'
    )
    with pytest.raises(UserError, match="has no transform_param"):
        open_source(layer(text))


def outside(file: h5py.File) -> None:
    file["label"] = h5py.ExternalLink("other.h5", "label")


def soft_outside(file: h5py.File) -> None:
    file["far"], file["label"] = h5py.ExternalLink("other.h5", "/"), h5py.SoftLink("/far/label")


def soft_loop(file: h5py.File) -> None:
    file["label"], file["again"] = h5py.SoftLink("/again"), h5py.SoftLink("label")


def external(file: h5py.File) -> None:
    file.create_dataset("label", (3,), "f4", external=[("other.h5", 0, 12)])


def virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((3,), "f4")
    layout[:] = h5py.VirtualSource("other.h5", "label", (3,))
    file.create_virtual_dataset("label", layout)


def references(file: h5py.File) -> None:
    file["label"] = np.array([file.ref] * 3, h5py.ref_dtype)


def strings(file: h5py.File) -> None:
    file["label"] = [b"a", b"b", b"c"]


def filled(file: h5py.File) -> None:
    file.create_dataset("label", (2**40,), "f4", fillvalue=7)


def chunked(file: h5py.File) -> None:
    file.create_dataset("label", (2**40,), "f4", chunks=(2**10,), compression="gzip", fillvalue=7)


def scalar(file: h5py.File) -> None:
    file["label"] = 3.0


@pytest.mark.parametrize(
    ("build", "what"),
    [
        (outside, "points outside itself"), (soft_outside, "points outside itself"), (soft_loop, "form a circle"),
        (external, "stores its data in another file"), (virtual, "stores its data in another file"),
        (references, "no numeric dataset named `label`"), (strings, "no numeric dataset named `label`"),
        (filled, "claims more than the file contains"), (chunked, "claims more than the file contains"),
        (scalar, "no numeric dataset named `label`"),
    ],
)  # fmt: skip
def test_a_file_is_believed_no_further_than_it_reaches(tmp_path: Path, build: Any, what: str) -> None:
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["label"] = np.arange(3, dtype=np.float32)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["data"] = np.zeros((3, 2), np.float32)
        build(file)
    (tmp_path / "list.txt").write_text("a.h5\n")
    assert what in message(tmp_path / "list.txt")


def test_compressed_data_needs_memory_and_a_small_hole_is_filled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("data", data=np.zeros((3000, 100), np.float32), compression="gzip")
        file.create_dataset("label", (3000,), "f4", fillvalue=2)
        file.create_group("inside")["label"] = np.arange(3000)
        file["link"] = h5py.SoftLink("inside/label")
    assert (tmp_path / "a.h5").stat().st_size < 100_000
    (tmp_path / "list.txt").write_text("a.h5\n")
    assert set(source_of(tmp_path / "list.txt").labels().tolist()) == {2}
    assert source_of(tmp_path / "list.txt", tops="data link").labels().tolist() == list(range(3000))
    monkeypatch.setattr("caffelungo.plan.memory_limits.available", lambda: 1_000_000)
    text = message(tmp_path / "list.txt")
    assert "does not fit into memory" in text or "claims more than the file contains" in text


def test_a_file_that_changes_while_it_is_used_is_an_error(tmp_path: Path) -> None:
    source = source_of(hdf5(tmp_path, [50, 50]))
    source.batch(0)
    (tmp_path / "other").mkdir()
    whole = (tmp_path / "part1.h5").read_bytes()
    hdf5(tmp_path / "other", [50, 20])
    fewer = (tmp_path / "other" / "part1.h5").read_bytes()
    for content in (whole[: len(whole) // 2], fewer, b"", b"something else", None):
        if content is None:
            (tmp_path / "part1.h5").unlink()
        else:
            (tmp_path / "part1.h5").write_bytes(content)
        with pytest.raises(LungoError, match=r"part1\.h5"):
            source.batch(14)


@pytest.mark.parametrize("block", [1, 64, 1 << 20])
def test_blocks_are_the_rows_and_each_has_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr(module, "BLOCK", block)
    source = source_of(hdf5(tmp_path, [5, 1, 3]))
    blocks = list(source.blocks(0))
    assert [first for first, _ in blocks] == np.cumsum([0, *(len(values) for _, values in blocks[:-1])]).tolist()
    np.testing.assert_array_equal(np.concatenate([values for _, values in blocks])[:, 0, 0], np.arange(9))
    assert [str(source.place(index)).rpartition("/")[2] for index in (0, 4, 5, 8)] == [
        "part0.h5, row 0", "part0.h5, row 4", "part1.h5, row 0", "part2.h5, row 2",
    ]  # fmt: skip
