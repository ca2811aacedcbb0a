"""Signals: what each does to a run in a process of its own, and the handler by itself."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from caffelungo.errors import UserError
from caffelungo.solve.action import Action
from caffelungo.solve.signals import Signals, effect
from tests.solve import helpers

CHILD = """
import sys
from caffelungo.errors import LungoError
from caffelungo.solve.options import TrainOptions
from caffelungo.solve import run_training
options = TrainOptions(solver="solver.prototxt", device="cpu", threads=1, quiet=True, **eval(sys.argv[1]))
sys.exit(run_training.train(options))
"""


def start(folder: Path, **options: str) -> subprocess.Popen[str]:
    helpers.make(folder, max_iter="100000000", display="100000000")
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD, repr(options)], cwd=folder, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    log = None
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        log = next(iter((folder / "out").glob("s_run_001/train.log")), None)
        if log and "Iteration 0" in log.read_text():
            return process
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.05)
    raise AssertionError("the run did not begin")


def end(process: subprocess.Popen[str]) -> int:
    _, errors = process.communicate(timeout=120)
    assert "Traceback" not in errors, errors
    return process.returncode


def snapshots(folder: Path) -> int:
    return len(list((folder / "out").glob("*.solverstate")))


def wait_for_snapshots(folder: Path, count: int) -> None:
    deadline = time.monotonic() + 60
    while snapshots(folder) < count and time.monotonic() < deadline:
        time.sleep(0.02)
    assert snapshots(folder) == count


@pytest.mark.skipif(os.name != "posix", reason="POSIX signals")
class TestProcess:
    def test_sighup_snapshots_and_sigint_stops(self, tmp_path):
        process = start(tmp_path)
        process.send_signal(signal.SIGHUP)
        wait_for_snapshots(tmp_path, 1)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert end(process) == 0
        assert snapshots(tmp_path) == 2
        log = (tmp_path / "out/s_run_001/train.log").read_text()
        assert log.count("Snapshotting solver state to binary proto file") == 2
        assert "Optimization stopped early." in log
        assert "Optimization Done." in log

    def test_sigterm_snapshots_and_exits_143_with_effects_changed(self, tmp_path):
        process = start(tmp_path, sigint_effect="snapshot", sighup_effect="none")
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGINT)
        wait_for_snapshots(tmp_path, 1)
        process.send_signal(signal.SIGTERM)
        assert end(process) == 143
        assert snapshots(tmp_path) == 2


def test_effects_by_name():
    assert effect("stop", "--sigint_effect") is Action.STOP
    with pytest.raises(UserError) as caught:
        effect("stpo", "--sigint_effect")
    assert caught.value.problems[0].received == "--sigint_effect stpo"
    assert "stop" in caught.value.problems[0].remedy


def test_sighup_goes_first_and_a_second_sigint_interrupts():
    heard: list[str] = []
    with Signals(say=heard.append) as signals:
        assert signals.poll() is Action.NONE
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGHUP)
        assert [signals.poll() for _ in range(3)] == [Action.SNAPSHOT, Action.STOP, Action.NONE]
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert heard
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_handlers_are_put_back():
    before = signal.getsignal(signal.SIGTERM)
    with Signals():
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before
