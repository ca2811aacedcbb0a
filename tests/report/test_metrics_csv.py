"""The numbers of a run survive a file that was cut: the cut row goes, and no other."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from caffelungo.report.metrics_csv import MetricsFile, Point, read

NAMES = ("loss", "a,b", 'c"d', "line\nbreak", "=1+1", "ä", "\u2028", " ")


@pytest.fixture
def whole(tmp_path) -> Path:
    metrics = MetricsFile()
    metrics.open(tmp_path / "metrics.csv")
    for iteration, name in enumerate(NAMES):
        metrics.add(iteration, 0.5, "train", {name: iteration / 3})
    return tmp_path / "metrics.csv"


def test_what_is_written_is_read(whole):
    points = [Point(iteration, "train", 0, name, iteration / 3) for iteration, name in enumerate(NAMES)]
    assert [point for point, _ in read(whole)] == points


def test_a_file_cut_anywhere_loses_the_cut_row_alone(whole, tmp_path):
    data = whole.read_bytes()
    rows = read(whole)
    cut = tmp_path / "cut.csv"
    before = 0
    for size in range(len(data) + 1):
        cut.write_bytes(data[:size])
        found = read(cut)
        assert found == rows[: len(found)]
        assert before <= len(found) <= before + 1
        before = len(found)
    assert before == len(rows)


@pytest.mark.parametrize(
    "rest", [b"5,1.2,train,0", b"5,1.2,train,0,loss,abc\r\n", b"\0\0\0\0\r\n", b"\xff\xfe\r\n", b"x" * 200_000]
)
def test_rests_of_a_full_disk_are_left_out(whole, rest):
    rows = read(whole)
    whole.write_bytes(whole.read_bytes() + rest)
    assert read(whole) == rows
    later = MetricsFile()
    later.open(whole.with_name("later.csv"), [whole], before=4)
    assert read(whole.with_name("later.csv")) == rows[:4]


def test_a_resumed_run_takes_the_file_that_has_the_rows(whole, tmp_path):
    """A try that died before it wrote anything left a file with nothing in it."""
    empty = MetricsFile()
    empty.open(tmp_path / "died.csv")
    later = MetricsFile()
    later.open(tmp_path / "later.csv", [tmp_path / "died.csv", tmp_path / "gone.csv", whole], before=3)
    assert read(tmp_path / "later.csv") == read(whole)[:3]


def test_a_disk_that_fills_leaves_whole_rows(whole, monkeypatch):
    rows = read(whole)
    metrics = MetricsFile(path=whole)
    real = Path.open

    def full(path, *arguments, **named):
        with real(path, "ab") as file:
            file.write(b"9,0.500,tr")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "open", full)
    metrics.add(9, 0.5, "train", {"loss": 1.0})
    metrics.add(10, 0.5, "train", {"loss": 1.0})
    monkeypatch.undo()
    assert metrics.failed is not None
    assert len(metrics.points) == 2
    assert whole.read_bytes().endswith(b"\r\n")
    assert read(whole) == rows


def test_rewinding_forgets_what_comes_again(whole):
    metrics = MetricsFile(path=whole, points=[point for point, _ in read(whole)])
    metrics.rewind(3)
    metrics.add(3, 0.5, "train", {"loss": 1.0})
    assert [point.iteration for point, _ in read(whole)] == [0, 1, 2, 3]
    assert [point.iteration for point in metrics.points] == [0, 1, 2, 3]
