"""Pictures of packed files in the cache: folders of classes, a full disk, an interrupted write."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from caffelungo.data import unpack_pictures
from caffelungo.data.image_list import read_list
from caffelungo.data.packed.packed import Packed, PackedPart, Stored
from caffelungo.errors import UserError
from tests.data.packed import make

PIXELS = make.random(4, 5, 6)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "caffelungo" / "pictures"


def packed(folder: Path, classes: tuple[str, ...] = (), broken: int | None = None) -> Packed:
    """Four pictures of two classes; number ``broken`` cannot be read."""
    file = folder / "held.bin"
    if not file.exists():
        file.write_bytes(b"x")

    def picture(index: int) -> Stored:
        if index == broken:
            raise UserError("the picture cannot be read")
        return PIXELS[index]

    return Packed("a test", (PackedPart("train", np.array([0, 1, 0, 1]), picture, file),), (file,), classes)


def test_classes_whose_names_make_one_word_have_separate_folders(tmp_path: Path) -> None:
    folder = unpack_pictures.unpacked(packed(tmp_path, ("a b", "a/b")), "held")
    found = read_list(folder / unpack_pictures.ALL)
    assert found.classes == ("a b", "a/b")
    assert len({Path(name).parent for name in found.names}) == 2
    assert sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.png")) == sorted(found.names)


def test_a_full_disk_is_said_before_anything_is_written(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = unpack_pictures.SPARE + 4 * PIXELS[0].nbytes
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=free))
    with pytest.raises(UserError, match="no room for the pictures") as caught:
        unpack_pictures.unpacked(packed(tmp_path), "held")
    assert str(cache) in str(caught.value)
    assert list(cache.rglob("*.png")) == []


def test_an_interrupted_write_leaves_no_folder(tmp_path: Path, cache: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        unpack_pictures.unpacked(packed(tmp_path, broken=2), "held")
    assert [path for path in cache.iterdir() if path.is_dir()] == []
    folder = unpack_pictures.unpacked(packed(tmp_path), "held")
    assert folder.parent == cache
    assert len(read_list(folder / unpack_pictures.ALL)) == 4
    assert unpack_pictures.unpacked(packed(tmp_path, broken=2), "held") == folder, "found, not made again"
