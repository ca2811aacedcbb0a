from __future__ import annotations

import contextlib
import errno
import os
import resource
import stat
import threading
from pathlib import Path

import pytest

from caffelungo import files
from caffelungo.cli.main import run
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


@pytest.mark.parametrize("name", ["weights\0.caffemodel", "circle", "circle/below", "a" * 300])
@pytest.mark.parametrize("folder", ["", "nets"])
def test_a_name_that_no_file_can_have_is_not_found(tmp_path: Path, name: str, folder: str) -> None:
    (tmp_path / folder).mkdir(exist_ok=True)
    for one, other in (("circle", "back"), ("back", "circle")):
        (tmp_path / folder / one).symlink_to(other)
    with pytest.raises(UserError, match="weights not found"):
        files.find(name, tmp_path / folder / "net.prototxt", what="weights")
    with pytest.raises(UserError, match="weights not found"):
        files.find(tmp_path / folder / name, what="weights")


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
    assert "/dev/full: No space left on device\n  to do: free space" in str(told)
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
    assert "to do: choose a disk" in str(of_system(caught.value))
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


def broken(code: int):
    """A call that the system refuses, with the name it was given."""

    def fail(*arguments: object, **named: object) -> None:
        raise OSError(code, os.strerror(code), *[name for name in arguments[:1] if isinstance(name, str)])

    return fail


@pytest.mark.parametrize("code", [errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EIO])
@pytest.mark.parametrize("where", ["os.fsync", "os.replace", "tempfile.mkstemp"])
def test_a_disk_that_fails_is_told_by_the_name_the_user_gave(tmp_path, monkeypatch, code: int, where: str) -> None:
    path = tmp_path / "a.txt"
    files.write_text(path, "old")
    with monkeypatch.context() as patch:
        patch.setattr(where, broken(code))
        with pytest.raises(OSError, match=r"a\.txt") as caught:
            files.write_text(path, "new")
    assert (caught.value.errno, caught.value.filename) == (code, str(path))
    assert [one.read_text() for one in tmp_path.iterdir()] == ["old"]


def test_a_disk_that_turns_read_only_keeps_its_own_words(tmp_path, monkeypatch) -> None:
    """Nothing can be removed then either, and that must not hide what is wrong."""
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", broken(errno.EROFS))
        patch.setattr(os, "unlink", broken(errno.EROFS))
        with pytest.raises(OSError, match="Read-only file system") as caught:
            files.write_text(tmp_path / "a.txt", "x")
    assert caught.value.filename == str(tmp_path / "a.txt")


def test_permissions_of_an_older_file_stay(tmp_path) -> None:
    path = tmp_path / "secret"
    path.touch(0o600)
    files.write_text(path, "x")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with files.written_whole(tmp_path / "new") as temporary:
        assert stat.S_IMODE(temporary.stat().st_mode) == 0o600  # nobody else reads it while it is written


def test_a_temporary_file_has_no_name_that_can_be_guessed(tmp_path) -> None:
    names = set()
    for _ in range(20):
        with files.written_whole(tmp_path / "a") as temporary:
            names.add(temporary.name)
    assert len(names) == 20


def test_what_takes_the_place_of_files_and_folders_meanwhile_is_not_written_to(tmp_path) -> None:
    far = tmp_path / "far"
    far.write_text("mine")

    def linked() -> None:
        with files.written_whole(tmp_path / "a") as temporary:
            temporary.unlink()
            temporary.symlink_to(far)

    with pytest.raises(RunError, match="replaced by a link"):
        linked()
    assert far.read_text() == "mine"
    with files.written_whole(tmp_path / "a") as temporary:  # a link that comes meanwhile is replaced, not followed
        temporary.write_text("new")
        (tmp_path / "a").symlink_to(far)
    assert (far.read_text(), (tmp_path / "a").read_text()) == ("mine", "new")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "far"]


@pytest.mark.skipif(os.name != "posix", reason="folders in use cannot be moved")
def test_a_folder_that_is_replaced_meanwhile_gets_nothing(tmp_path) -> None:
    (tmp_path / "out").mkdir()

    def moved() -> None:
        with files.written_whole(tmp_path / "out" / "a") as made:
            made.write_text("x")
            (tmp_path / "out").rename(tmp_path / "moved")
            (tmp_path / "out").mkdir()
            made.write_text("x")

    with pytest.raises(RunError, match="its folder was replaced"):
        moved()
    assert not list((tmp_path / "moved").iterdir())
    assert not (tmp_path / "out" / "a").exists()


@pytest.mark.skipif(not hasattr(os, "seteuid") or os.geteuid() != 0, reason="only root can become another user")
def test_another_user_is_told_what_is_not_permitted(tmp_path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o755)
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == 0 and folder.stat().st_mode & 0o055 != 0o055:
            folder.chmod(0o755)
    os.seteuid(65534)
    try:
        wrong = files.obstacle(closed / "a.txt")
        with pytest.raises(PermissionError, match=r"closed/a\.txt") as caught:
            files.write_text(closed / "a.txt", "x")
    finally:
        os.seteuid(0)
    assert wrong is not None
    assert "no permission" in wrong.what
    assert of_system(caught.value).exit_status == 2


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG])
def test_an_error_of_writing_names_the_file(code: int) -> None:
    def fail(*name: str) -> None:
        with files.named("features/rows_0"):
            raise OSError(code, "strange", *name)

    with pytest.raises(OSError, match="strange") as caught:
        fail()
    assert caught.value.filename == "features/rows_0"
    assert "features/rows_0" in str(of_system(caught.value))
    with pytest.raises(OSError, match="strange") as caught:
        fail("its own")
    assert caught.value.filename == "its own"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_a_full_disk_behind_standard_output_or_an_option_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    net = tmp_path / "net.prototxt"
    net.write_text('layers { name: "r" type: RELU bottom: "a" top: "b" }\n')
    with pytest.raises(SystemExit, match="1"):
        run(["upgrade_net_proto_text", str(net), "/dev/full"])
    assert "/dev/full: No space left on device" in capsys.readouterr().err
    full = open("/dev/full", "w", buffering=1)  # noqa: PTH123, SIM115 - closing it fails, too
    monkeypatch.setattr("sys.stdout", full)
    with pytest.raises(SystemExit, match="1"):
        run(["nets"])
    assert "standard output: No space left on device" in capsys.readouterr().err
    with contextlib.suppress(OSError):
        full.close()


def test_a_name_that_is_too_long_is_not_found() -> None:
    with pytest.raises(UserError, match="net file not found"):
        files.find("a/" + "x" * 5000 + ".prototxt", "solver.prototxt", what="net file")
