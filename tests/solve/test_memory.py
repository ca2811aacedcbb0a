"""The memory estimate against the peak that the system measured, within a quarter."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import REPOSITORY

SCRIPT = Path(__file__).with_name("measure_memory.py")


def measure(tmp_path: Path, net: str, batch: int, size: int) -> dict:
    result = subprocess.run(
        [sys.executable, SCRIPT, REPOSITORY / "nets" / net, str(batch), str(size), "10", "contiguous", tmp_path],
        capture_output=True, text=True, check=False, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout.splitlines()[-1])


def check(found: dict) -> None:
    assert abs(found["expected"] - found["peak"]) <= 0.25 * found["peak"], found


def test_lenet(tmp_path):
    check(measure(tmp_path, "lenet/train_val.prototxt", 64, 28))


@pytest.mark.slow
def test_squeezenet(tmp_path):
    check(measure(tmp_path, "squeezenet/squeezenet.prototxt.j2", 16, 227))


@pytest.mark.slow
def test_caffenet(tmp_path):
    check(measure(tmp_path, "caffenet/train_val.prototxt", 8, 227))
