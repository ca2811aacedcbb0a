"""TensorBoard events of a run, where tensorboard is installed."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def open_board(folder: Path) -> Any | None:
    """A SummaryWriter into ``folder``, or None when tensorboard is not installed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder))


def write(board: Any, iteration: int, phase: str, values: Mapping[str, float]) -> None:
    """Add ``values`` as scalars under ``phase``."""
    for name, value in values.items():
        board.add_scalar(f"{phase}/{name}", value, iteration)
