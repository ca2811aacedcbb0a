"""AdviceFindings that the tests of the room share: made of numbers, without a net."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from caffelungo.advising.choice import Contender, ContenderRow
from caffelungo.probes.candidates import ProbeCandidate

Flags = NDArray[np.bool_]


def read(net: str = "net", size: int = 32, stages: tuple[str, ...] = ("one", "two")) -> Any:
    """What stands for the features of a net."""
    return SimpleNamespace(net=net, size=size, stages=list(stages), lengths=lambda: {"one": 10.0, "two": 2.0})


def contender(net: Any, name: str, x: NDArray[np.floating] | None = None) -> Contender:
    """One that reads ``name``; ``x`` are its features of the pictures, which are also those of the mirrored ones."""
    rows = np.zeros((4, 2), np.float32) if x is None else np.asarray(x, np.float32)
    return Contender(net, ProbeCandidate(name, (name,)), torch.from_numpy(np.concatenate([rows, rows])))


def row(net: Any, name: str, right: Flags, loss: float = 1.0) -> ContenderRow:
    """A cross-validated contender that was right about these pictures."""
    return ContenderRow(contender(net, name), 1.0, loss, right, float(right.mean()))


def shares(right: int, count: int) -> Flags:
    """``right`` of ``count``."""
    return np.arange(count) < right
