from __future__ import annotations

import errno
import os
import resource
import stat
import threading
from pathlib import Path

import pytest

from caffelungo import files
from caffelungo.errors import RunError, UserError, of_system


def test_a_file_is_whole_or_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    files.write_text(path, "old")
    with pytest.raises(ZeroDivisionError), files.written_whole(path) as temporary:
        temporary.write_bytes(b"half" * (1 // 0))
    assert [one.read_text() for one in tmp_path.iterdir()] == ["old"]
    files.write_text(path, "new")
    assert path.read_text() == "new"
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~mask


def test_a_link_is_followed_and_stays(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    for name, content in (("real", "old"), ("not yet", None)):
        if content:
            (tmp_path / "far" / name).write_text(content)
        (tmp_path / f"link to {name}").symlink_to(Path("far") / name)
        files.write_text(tmp_path / f"link to {name}", "new")
        assert (tmp_path / f"link to {name}").is_symlink()
        assert (tmp_path / "far" / name).read_text() == "new"
        assert not (tmp_path / "far" / name).is_symlink()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
def test_a_pipe_is_written_to_and_stays(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    got: list[str] = []
    reader = threading.Thread(target=lambda: got.append((tmp_path / "pipe").read_text()))
    reader.start()
    files.write_text(tmp_path / "pipe", "through")
    reader.join(10)
    assert got == ["through"]
    assert (tmp_path / "pipe").is_fifo()
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="there is no /dev/full")
def test_a_full_device_is_told_by_its_name() -> None:
    with pytest.raises(OSError, match="/dev/full") as caught:
        files.write_text("/dev/full", "x")
    told = of_system(caught.value)
    assert isinstance(told, RunError)
    assert "/dev/full: No space left on device\n  to do: free some space" in str(told)
    assert Path("/dev/full").is_char_device()


def test_a_full_disk_is_told_by_the_name_the_user_gave(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))
    try:
        with pytest.raises(OSError, match=r"a\.txt") as caught:
            files.write_text(tmp_path / "a.txt", "longer than ten")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.errno == errno.EFBIG
    assert "to do: name a place on a disk" in str(of_system(caught.value))
    assert not list(tmp_path.iterdir())


def test_obstacles(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    told = {
        "absent/deep/a.txt": "does not exist",
        "file/a.txt": "below a file",
        "file/deep/a.txt": "below a file",
        "": "this is a folder",
    }
    for name, what in told.items():
        wrong = files.obstacle(tmp_path / name)
        assert wrong is not None
        assert what in wrong.what
        assert wrong.where
        assert wrong.received
        assert wrong.remedy
        with pytest.raises(UserError, match=what):
            files.refuse_obstacle(tmp_path / name)
    for name in ("file", "new"):
        files.refuse_obstacle(tmp_path / name)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="nothing is forbidden to this user")
def test_a_folder_without_permission(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o555)
    wrong = files.obstacle(tmp_path / "closed" / "a.txt")
    assert wrong is not None
    assert "no permission" in wrong.what
