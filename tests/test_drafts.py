"""Drafts of killed processes go, what they had put aside comes back, and nothing else is touched."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from caffelungo import drafts, files, processes
from tests.support import REPOSITORY


@pytest.fixture
def dead():
    """How drafts of a process that is gone are called."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    since = processes.started(process.pid) or 1
    process.wait()
    return f"lungo-{processes.machine()}-{process.pid}-{since}"


def test_rests_of_the_dead_go_and_nothing_else(tmp_path, dead):
    living = drafts.prefix("a")
    foreign = dead.replace(processes.machine(), "0" * 8)
    kept = [f"{living}abc.tmp", f".a.{foreign}-abc.tmp", ".a.tmp", "a", f"a.{dead}-abc.tmp", f".a.{dead}-abc.tmp2",
            ".a.lungo-abc.tmp"]  # fmt: skip
    for name in kept:
        (tmp_path / name).write_text("mine")
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "mine").touch()
    for name in ("a", "model [1]*?.onnx", "x" * 140):
        (tmp_path / f".{name}.{dead}-0_9.tmp").write_text("rest")
    (tmp_path / f".folder.{dead}-abc.tmp").mkdir()
    (tmp_path / f".folder.{dead}-abc.tmp" / "part").touch()
    (tmp_path / f".link.{dead}-abc.tmp").symlink_to(tmp_path / "far")
    drafts.sweep(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*kept, "far"])
    assert (tmp_path / "far" / "mine").exists()


def test_what_was_put_aside_comes_back_unless_the_new_one_is_there(tmp_path, dead):
    for name in ("gone", "there"):
        aside = tmp_path / f".{name}.{dead}-abc.old"
        (aside / name).mkdir(parents=True)
        (aside / name / "old").touch()
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "new").touch()
    drafts.sweep(tmp_path)
    found = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*"))
    assert found == ["gone", "gone/old", "there", "there/new"]


@pytest.mark.parametrize("at_once", [True, False])
def test_a_folder_takes_the_place_of_another(tmp_path, monkeypatch, at_once):
    if not at_once:
        monkeypatch.setattr(drafts, "_exchanged", lambda one, other: False)
    for turn in ("first", "second"):
        with drafts.folder(tmp_path / "db") as draft:
            made = draft / "made"
            made.mkdir()
            (made / turn).touch()
            drafts.replace(made, tmp_path / "db")
        assert [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")] == ["db", f"db/{turn}"]


def test_the_next_file_written_sweeps_the_folder(tmp_path, dead):
    (tmp_path / f".other.onnx.{dead}-abc.tmp").touch()
    files.write_text(tmp_path / "a.txt", "x")
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_names_have_an_end(tmp_path):
    for name in ("x" * 250, "ä" * 120):
        files.write_text(tmp_path / name, "x")
        assert (tmp_path / name).read_text() == "x"


def test_the_living_are_known_by_number_and_time():
    pid = os.getpid()
    assert processes.alive(pid, processes.started(pid))
    if processes.started(pid):
        assert not processes.alive(pid, processes.started(pid) + 1)


def test_every_draft_of_the_engine_is_one_of_ours():
    """Other temporary files would stay for ever once their process is killed."""
    engine = REPOSITORY / "engine" / "caffelungo"
    own = {"drafts.py"}
    wrong = [
        f"{path.relative_to(engine)}: {line.strip()}"
        for path in engine.rglob("*.py")
        if path.name not in own
        for line in path.read_text().splitlines()
        if any(word in line for word in ("mkdtemp(", "mkstemp(", "TemporaryDirectory(", "NamedTemporaryFile("))
    ]
    assert not wrong
