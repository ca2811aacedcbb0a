"""Who writes is alone, is named to whoever comes second, and stands in nobody's way once it is dead."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading

import pytest

from caffelungo import locks
from caffelungo.errors import UserError
from caffelungo.processes import machine

HOLD = (
    "import sys; from pathlib import Path; from caffelungo import locks\n"
    "with locks.alone(Path(sys.argv[1])):\n    print('held', flush=True); input()"
)


@pytest.fixture
def holder(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path / "out")], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True)  # fmt: skip
    with process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_the_second_is_refused_and_told_of_the_first(tmp_path, holder):
    with pytest.raises(UserError) as caught, locks.alone(tmp_path / "out", "this folder"):
        pass
    problem = caught.value.problems[0]
    assert "another process is writing this folder" in problem.what
    assert f"process {holder.pid} on {os.uname().nodename}, since 20" in problem.received
    assert caught.value.exit_status == 2
    holder.communicate("\n")
    with locks.alone(tmp_path / "out"):
        pass
    assert not list(tmp_path.iterdir())


def test_a_killed_one_is_in_nobodys_way(tmp_path, holder):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert locks.beside(tmp_path / "out").exists()
    with locks.alone(tmp_path / "out"):
        assert str(os.getpid()) in locks.beside(tmp_path / "out").read_text()
    assert not list(tmp_path.iterdir())


def test_a_thread_may_enter_again_and_another_may_not(tmp_path):
    refused = []

    def other():
        try:
            with locks.alone(tmp_path / "out"):
                pass
        except UserError as error:
            refused.append(error)

    with locks.alone(tmp_path / "out"):
        with locks.alone(tmp_path / "out"):
            thread = threading.Thread(target=other)
            thread.start()
            thread.join()
        assert locks.beside(tmp_path / "out").exists()
    assert len(refused) == 1
    other()
    assert len(refused) == 1


def test_folders_made_for_the_lock_go_when_nothing_is_in_them(tmp_path):
    with locks.alone(tmp_path / "a" / "b" / "out"):
        pass
    assert not list(tmp_path.iterdir())
    with locks.alone(tmp_path / "a" / "b" / "out"):
        (tmp_path / "a" / "mine").touch()
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["mine"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_a_forked_child_does_not_keep_the_lock(tmp_path):
    handle = locks.take(tmp_path / "lock")
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.write(writer, b"x")
        signal.pause()
    try:
        os.read(reader, 1)
        locks.release(handle)
        again = locks.take(tmp_path / "lock")
        assert again is not None
        locks.release(again)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(reader)
        os.close(writer)


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_on_a_disk_without_locks_the_file_counts(tmp_path, monkeypatch, code):
    def fail(handle):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(locks, "_lock", fail)
    place = tmp_path / ".out.locked"
    with locks.alone(tmp_path / "out"):
        monkeypatch.setattr(locks, "_mine", {})
        with pytest.raises(UserError, match=f"process {os.getpid()} on"), locks.alone(tmp_path / "out"):
            pass
    assert not place.exists()
    for record, free in (
        (f'{{"machine": "{machine()}", "pid": {os.getpid()}, "start": 1}}', True),  # the number is another's by now
        ('{"machine": "elsewhere", "pid": 1, "start": 1}', False),
    ):
        place.write_text(record)
        if free:
            with locks.alone(tmp_path / "out"):
                pass
        else:
            with pytest.raises(UserError, match="another process"), locks.alone(tmp_path / "out"):
                pass


def test_nothing_to_write_to_is_left_to_who_writes(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    entered = []
    for target in (tmp_path / "file" / "out", tmp_path / "file" / "deep" / "out"):
        with locks.alone(target):
            entered.append(target)

    def read_only(path):
        raise OSError(errno.EROFS, "Read-only file system", str(path))

    monkeypatch.setattr(locks, "take", read_only)
    with locks.alone(tmp_path / "out"):
        entered.append(tmp_path)
    assert len(entered) == 3
