"""convert_imageset: flags, missing pictures, and that a database appears whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lmdb
import numpy as np
import pytest

from caffelungo.data import lmdb_writer
from caffelungo.data.compute_image_mean import compute_image_mean
from caffelungo.data.convert_imageset import ConvertImagesetOptions, convert_imageset
from caffelungo.data.decode import decode
from caffelungo.definition.schema import Datum
from caffelungo.errors import RunError, UserError
from tests.data.make import picture, pictures, save


def records(path: Path) -> dict[str, Any]:
    with lmdb.open(str(path), readonly=True, lock=False) as env, env.begin() as txn:
        return {key.decode(): Datum.FromString(value) for key, value in txn.cursor()}


def convert(tmp_path: Path, name: str = "db", **flags: Any) -> Any:
    return convert_imageset(f"{tmp_path}/", tmp_path / "list.txt", tmp_path / name, ConvertImagesetOptions(**flags))


def left_over(tmp_path: Path) -> list[str]:
    return [path.name for path in tmp_path.iterdir() if path.name.startswith(".") or path.name == "db"]


def test_a_shuffle_keeps_the_labels_with_their_pictures(tmp_path: Path) -> None:
    pictures(tmp_path, 9, classes=9)
    convert(tmp_path, shuffle=True, seed=1)
    found = records(tmp_path / "db")
    order = [int(key[11:-4]) for key in found]
    assert [int(key[:8]) for key in found] == list(range(9))
    assert sorted(order) == list(range(9)) != order
    assert [datum.label for datum in found.values()] == order
    for key, datum in found.items():
        image = decode(tmp_path / key[9:]).transpose(2, 0, 1)
        assert datum.data == image.tobytes()


def test_encoding_follows_the_flag_or_the_suffix(tmp_path: Path) -> None:
    save(tmp_path / "a.jpg", picture(0))
    save(tmp_path / "b.PNG", picture(1))
    (tmp_path / "list.txt").write_text("a.jpg 0\nb.PNG 1\n")
    convert(tmp_path, encoded=True)
    for datum, name in zip(records(tmp_path / "db").values(), ("a.jpg", "b.PNG"), strict=True):
        assert datum.encoded
        assert datum.data == (tmp_path / name).read_bytes()
    convert(tmp_path, "resized", encoded=True, resize_width=9, resize_height=8)
    assert [d.data[:3] for d in records(tmp_path / "resized").values()] == [b"\xff\xd8\xff", b"\x89PN"]
    convert(tmp_path, "jpg", encode_type="jpg")
    both = list(records(tmp_path / "jpg").values())
    assert both[0].data == (tmp_path / "a.jpg").read_bytes()
    assert both[1].data[:3] == b"\xff\xd8\xff"
    assert np.abs(decode(both[1].data).astype(int) - picture(1)).mean() < 8
    convert(tmp_path, "grey", encode_type="png", gray=True)
    assert all(decode(d.data, color=None).shape[2] == 1 for d in records(tmp_path / "grey").values())


def test_missing_pictures_are_all_told_and_nothing_is_left(tmp_path: Path) -> None:
    pictures(tmp_path, 5)
    (tmp_path / "im1.png").unlink()
    (tmp_path / "im3.png").unlink()
    with pytest.raises(UserError) as error:
        convert(tmp_path)
    assert [problem.where.line for problem in error.value.problems if problem.where] == [2, 4]
    assert left_over(tmp_path) == []


def test_damaged_pictures_are_all_told_or_skipped(tmp_path: Path) -> None:
    pictures(tmp_path, 5)
    (tmp_path / "im1.png").write_bytes(b"spoilt")
    (tmp_path / "im3.png").write_bytes(b"spoilt too")
    with pytest.raises(UserError) as error:
        convert(tmp_path)
    assert [problem.where.line for problem in error.value.problems if problem.where] == [2, 4]
    assert left_over(tmp_path) == []
    (tmp_path / "im4.png").unlink()
    done = convert(tmp_path, skip_missing=True)
    assert (done.written, len(done.skipped)) == (2, 3)
    assert list(records(tmp_path / "db")) == ["00000000_im0.png", "00000002_im2.png"]


def test_no_picture_at_all_is_a_failure(tmp_path: Path) -> None:
    pictures(tmp_path, 2)
    for number in range(2):
        (tmp_path / f"im{number}.png").write_bytes(b"spoilt")
    with pytest.raises(UserError, match="no picture of the list can be read"):
        convert(tmp_path, skip_missing=True)
    assert left_over(tmp_path) == []


def test_check_size_names_the_first_other_picture(tmp_path: Path) -> None:
    pictures(tmp_path, 3)
    save(tmp_path / "im2.png", picture(0, 9, 9))
    with pytest.raises(UserError, match="differs in size from the first one") as error:
        convert(tmp_path, check_size=True)
    assert "3x9x9 instead of 3x20x24" in str(error.value)
    assert error.value.problems[0].where is not None
    assert error.value.problems[0].where.line == 3
    assert left_over(tmp_path) == []
    convert(tmp_path)
    with pytest.raises(UserError, match="different sizes, so they have no mean picture"):
        compute_image_mean(str(tmp_path / "db"), tmp_path / "mean.binaryproto")
    assert not (tmp_path / "mean.binaryproto").exists()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"backend": "leveldb"}, "LevelDB databases are not written"),
        ({"backend": "sqlite"}, "unknown backend"),
        ({"resize_width": 5}, "resize_width and resize_height go together"),
        ({"resize_width": -5, "resize_height": -5}, "resize_width and resize_height go together"),
        ({"encode_type": "jgp"}, "did you mean jpg"),
        ({"encode_type": "xyz"}, "use one of jpg"),
    ],
)
def test_flags_that_cannot_be(tmp_path: Path, flags: dict[str, Any], message: str) -> None:
    pictures(tmp_path, 2)
    with pytest.raises(UserError, match=message) as error:
        convert(tmp_path, **flags)
    assert error.value.problems[0].remedy
    assert left_over(tmp_path) == []


def test_a_database_is_replaced_only_when_asked(tmp_path: Path) -> None:
    pictures(tmp_path, 2)
    convert(tmp_path)
    with pytest.raises(UserError, match="the database exists") as error:
        convert(tmp_path)
    assert "--overwrite" in str(error.value)
    pictures(tmp_path, 3)
    convert(tmp_path, overwrite=True)
    assert len(records(tmp_path / "db")) == 3
    assert left_over(tmp_path) == ["db"]
    (tmp_path / "home").mkdir()
    with pytest.raises(UserError, match="taken by something other than an LMDB"):
        convert(tmp_path, "home", overwrite=True)
    with pytest.raises(UserError, match="the database's folder does not exist"):
        convert(tmp_path, "no/where")


def test_a_failed_replacement_leaves_the_old_database(tmp_path: Path) -> None:
    pictures(tmp_path, 2)
    convert(tmp_path)
    (tmp_path / "im1.png").write_bytes(b"spoilt")
    with pytest.raises(UserError):
        convert(tmp_path, overwrite=True)
    assert len(records(tmp_path / "db")) == 2
    assert left_over(tmp_path) == ["db"]


def test_a_folder_with_other_files_is_not_replaced(tmp_path: Path) -> None:
    pictures(tmp_path, 2)
    convert(tmp_path)
    (tmp_path / "db" / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match="contains other files") as error:
        convert(tmp_path, overwrite=True)
    assert error.value.problems[0].received == "notes.txt"
    assert (tmp_path / "db" / "notes.txt").read_text() == "mine"
    (tmp_path / "db" / "notes.txt").unlink()
    convert(tmp_path, overwrite=True)
    assert left_over(tmp_path) == ["db"]


def test_the_map_grows_with_the_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lmdb_writer, "COMMIT", 40_000)
    with lmdb_writer.new_database(tmp_path / "db") as writer:
        for number in range(300):
            writer.put(f"{number:05d}".encode(), bytes([number % 256]) * 9_000)
    with lmdb.open(str(tmp_path / "db"), readonly=True, lock=False) as env, env.begin() as txn:
        found = list(txn.cursor())
    assert len(found) == 300
    assert all(value == bytes([number % 256]) * 9_000 for number, (_, value) in enumerate(found))


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures(tmp_path, 2)

    class Full:
        def begin(self, **_: Any) -> Any:
            raise lmdb.DiskError("No space left on device")

        def close(self) -> None:
            pass

    monkeypatch.setattr(lmdb, "open", lambda *_, **__: Full())
    with pytest.raises(RunError, match="could not be written: No space left"):
        convert(tmp_path)
    assert left_over(tmp_path) == []


def test_the_mean_of_an_empty_or_foreign_database(tmp_path: Path) -> None:
    lmdb.open(str(tmp_path / "empty")).close()
    with pytest.raises(UserError, match="the database is empty"):
        compute_image_mean(str(tmp_path / "empty"))
    with pytest.raises(UserError, match="only LMDB databases are read"):
        compute_image_mean(str(tmp_path / "empty"), backend="leveldb")


def test_the_mean_shows_its_progress(tmp_path: Path) -> None:
    pictures(tmp_path, 3)
    convert(tmp_path)
    told: list[tuple[int, int]] = []
    mean = compute_image_mean(str(tmp_path / "db"), progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 3), (2, 3), (3, 3)]
    expected = np.mean([decode(tmp_path / f"im{n}.png").transpose(2, 0, 1) for n in range(3)], axis=0)
    np.testing.assert_allclose(mean.image, expected, rtol=1e-6)
