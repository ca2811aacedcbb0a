"""Every numeric field and option at the ends of its range, by the tests' own cases: check and training agree."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

TESTS = ("tests/check/test_extremes.py", "tests/cli/test_ranges.py")
ROOT = Path(__file__).resolve().parents[2]


def run(folder: Path, until: float) -> tuple[str, int]:
    """The counts as a line, and how many cases failed. Their tracebacks go into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    left = max(1.0, until - time.monotonic())
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *TESTS]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=left if left < 1e9 else None)
    except subprocess.TimeoutExpired as error:
        (folder / "pytest.txt").write_bytes(error.stdout or b"")
        return f"the tests of extremes did not end in {left:.0f} s: give more --minutes", 0
    (folder / "pytest.txt").write_text(done.stdout + done.stderr)
    counts = {word: int(number) for number, word in re.findall(r"(\d+) (passed|failed|error)", done.stdout)}
    from tests.check.test_extremes import CASES

    wrong = counts.get("failed", 0) + counts.get("error", 0) + (done.returncode != 0 and not counts)
    return f"{len(CASES)} values of fields; tests: {counts or done.stderr[-500:]}", wrong
