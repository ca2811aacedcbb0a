"""Log lines, numbers, metrics, curves and the console."""

from __future__ import annotations

import csv
import io
import re

import pytest
from rich.console import Console

from caffelungo.report import curves, metrics_csv
from caffelungo.report.console import Reporter, duration
from caffelungo.report.glog import CaffeLog, number, output_line, prefix
from caffelungo.report.metrics_csv import MetricsFile, Point


@pytest.mark.parametrize(
    ("value", "text"),
    [(1.0, "1"), (0.05, "0.05"), (1.27171412, "1.27171"), (1e-5, "1e-05"), (1234567.0, "1.23457e+06"), (0.0, "0"),
     (float("nan"), "nan"), (float("inf"), "inf"), (0.0001, "0.0001"), (123456.0, "123456")],
)  # fmt: skip
def test_numbers_as_c_plus_plus_prints_them(value, text):
    assert number(value) == text


def test_lines_as_glog_writes_them(tmp_path):
    assert re.fullmatch(r"I\d{4} \d\d:\d\d:\d\d\.\d{6} +\d+ solver\.cpp:239\]", prefix("solver.cpp:239"))
    assert output_line("Test", 1, "loss", 1.5702, 1.0) == "    Test net output #1: loss = 1.5702 (* 1 = 1.5702 loss)"
    assert output_line("Train", 0, "acc", 0.5, 0.0) == "    Train net output #0: acc = 0.5"
    heard: list[str] = []
    with CaffeLog(echo=heard.append) as log:
        log.info("a.cpp:1", "early")
        log.open(tmp_path / "log")
        log.info("a.cpp:2", "late")
    assert (tmp_path / "log").read_text().splitlines() == heard
    assert len(heard) == 2


def parse_log(text: str) -> tuple[list[dict[str, float]], list[dict[str, float]]]:
    """Rows of train and test values, found with the regular expressions that Caffe's parse_log.py uses."""
    iteration, rate = -1, float("nan")
    rows: dict[str, list[dict[str, float]]] = {"Train": [], "Test": []}
    for line in text.splitlines():
        if found := re.search(r"Iteration (\d+)", line):
            iteration = int(found[1])
        if found := re.search(r"lr = ([-+]?[0-9]*\.?[0-9]+([eE]?[-+]?[0-9]+)?)", line):
            rate = float(found[1])
        if found := re.search(r"(Train|Test) net output #(\d+): (\S+) = ([\.\deE+-]+)", line):
            of_phase = rows[found[1]]
            if not of_phase or of_phase[-1]["NumIters"] != iteration:
                of_phase.append({"NumIters": iteration})
            of_phase[-1][found[3]] = float(found[4])
            of_phase[-1]["LearningRate"] = rate
    return rows["Train"], rows["Test"]


def test_a_parser_of_caffes_logs_reads_ours(tmp_path, monkeypatch):
    from caffelungo.solve import run_training
    from tests.solve import helpers

    monkeypatch.chdir(tmp_path)
    helpers.make(tmp_path, test_interval="10", lr_policy='"step"', gamma="0.1", stepsize="8")
    run_training.train(helpers.options())
    text = (tmp_path / "out/s_run_001/train.log").read_text()
    assert "] Solving mlp" in text
    train, test = parse_log(text)
    assert [row["NumIters"] for row in train] == [0, 5, 10, 15]
    assert [row["NumIters"] for row in test] == [0, 10, 20]
    assert train[-1]["LearningRate"] == pytest.approx(0.01)  # of the line before, as in Caffe's own tables
    assert set(test[0]) == {"NumIters", "LearningRate", "accuracy", "loss"}


def points() -> list[Point]:
    return [Point(i, "train", 0, "loss", 2.0 / (i + 1)) for i in range(5)] + [
        Point(4, "test", 0, "accuracy", 0.5), Point(4, "test", 1, "accuracy", 0.6), Point(0, "train", 0, "lr", 0.1),
        Point(2, "train", 0, "loss", float("nan")),
    ]  # fmt: skip


def test_metrics_are_kept_and_continued(tmp_path):
    first = MetricsFile()
    first.open(tmp_path / "a.csv")
    first.add(0, 0.5, "train", {"loss": 1 / 3, "lr": 0.1})
    first.add(10, 1.5, "test", {"accuracy": 0.5}, 1)
    with (tmp_path / "a.csv").open() as file:
        assert next(csv.reader(file)) == list(metrics_csv.COLUMNS)
    assert [point for point, _ in metrics_csv.read(tmp_path / "a.csv")] == first.points
    second = MetricsFile()
    second.open(tmp_path / "b.csv", [tmp_path / "a.csv"], before=10)
    assert second.points == first.points[:2]


def test_curves_are_drawn(tmp_path):
    curves.draw(points(), tmp_path / "c.png", "title")
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")
    curves.draw([], tmp_path / "none.png")
    assert not (tmp_path / "none.png").exists()


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.2, "0 s"), (59, "59 s"), (61, "1 min 01 s"), (3661, "1 h 01 min"), (90000, "25 h 00 min")]
)
def test_durations(seconds, text):
    assert duration(seconds) == text


def talk(console: Console, quiet: bool = False) -> None:
    with Reporter(100, 8, quiet=quiet, console=console) as reporter:
        reporter.start(0)
        reporter.advance(10)
        reporter.displayed(10, 1.25, 0.01)
        reporter.tested(10, {"accuracy": 0.5})
        reporter.advance(20, force=True)
        reporter.notice("look [here]")


def test_plain_lines_without_a_terminal():
    console = Console(file=io.StringIO(), width=120)
    talk(console)
    text = console.file.getvalue()
    assert "iteration 10 of 100  loss 1.25  lr 0.01" in text
    assert "images/s" in text
    assert "iteration 10  test: accuracy 50.0%" in text
    assert "notice: look [here]" in text
    assert "\x1b" not in text


def test_quiet_leaves_notices():
    console = Console(file=io.StringIO(), width=120)
    talk(console, quiet=True)
    assert console.file.getvalue() == "notice: look [here]\n"


def test_a_progress_line_on_a_terminal():
    console = Console(file=io.StringIO(), force_terminal=True, width=140)
    talk(console)
    text = console.file.getvalue()
    assert "20/100" in text
    assert "loss 1.25" in text
