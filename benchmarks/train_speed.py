"""Training speed and memory of `lungo train` against the best hand-written loop, in interleaved pairs.

The ratio is opponent's seconds / ours, so 1 is the same speed and above 1 is faster. Each pair runs one chunk of each
side, the order alternating, so that a machine whose speed drifts does not favour one.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, field

import numpy as np

from benchmarks.data import CASES, make

CHUNK_SECONDS = 3.0


@dataclass
class Row:
    """One line of the table. ``pairs`` holds (our seconds, opponent's seconds) of each chunk."""

    case: str
    precision: str
    chunk: int
    pairs: list[tuple[float, float]] = field(default_factory=list)
    peaks: tuple[int, int] = (0, 0)

    @property
    def ratios(self) -> np.ndarray:
        return np.array([theirs / ours for ours, theirs in self.pairs])

    def interval(self) -> tuple[float, float, float]:
        """Median ratio and the 95 % bootstrap interval of the median."""
        rng = np.random.default_rng(0)
        medians = np.median(rng.choice(self.ratios, (5000, len(self.ratios))), axis=1)
        low, high = np.percentile(medians, [2.5, 97.5])
        return float(np.median(self.ratios)), float(low), float(high)

    def __str__(self) -> str:
        ratio, low, high = self.interval()
        ours, theirs = np.median(self.pairs, axis=0) / self.chunk
        memory = self.peaks[0] / self.peaks[1]
        return (
            f"| {self.case} | {CASES[self.case].batch} | {self.precision} | {ours:.4f} | {theirs:.4f} "
            f"| {ratio:.3f} | {low:.3f} to {high:.3f} | {memory:.2f} |"
        )


HEADER = (
    "| net | batch | precision | lungo, s | by hand, s | ratio (median) | 95 % interval | memory |"
    "\n|---|---|---|---|---|---|---|---|"
)


class Side:
    """A child process that trains chunk by chunk."""

    def __init__(self, name: str, case: str, precision: str, device: str, chunk: int, compiled: bool) -> None:
        command = [sys.executable, "-m", "benchmarks.side", name, case, precision, device, str(chunk)]
        self.process = subprocess.Popen(
            command + ["compiled"] * compiled, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def chunk(self) -> float:
        """Seconds of one chunk."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.process.args} ended with {self.process.wait()}")
        return float(line)

    def end(self) -> int:
        """Peak memory in bytes."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        text = self.process.stdout.read().split()
        self.process.wait()
        return int(text[-1])


def measure(case: str, precision: str, device: str, pairs: int, compiled: bool = False) -> Row:
    """The row of one case: ``pairs`` interleaved pairs after a warm-up of each side."""
    make(CASES[case])
    probe = Side("opponent", case, precision, device, 4, compiled)
    probe.chunk()
    seconds = probe.chunk() / 4
    probe.end()
    chunk = int(np.clip(round(CHUNK_SECONDS / seconds), 2, 400))
    row = Row(case, precision + (", compiled" if compiled else ""), chunk)
    ours = Side("lungo", case, precision, device, chunk, compiled)
    theirs = Side("opponent", case, precision, device, chunk, compiled)
    for number in range(pairs + 1):
        first, second = (ours, theirs) if number % 2 else (theirs, ours)
        times = {first: first.chunk(), second: second.chunk()}
        if number:
            row.pairs.append((times[ours], times[theirs]))
    row.peaks = ours.end(), theirs.end()
    return row
