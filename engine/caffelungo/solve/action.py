"""What a signal or an observer can ask of a running training. No torch."""

from __future__ import annotations

from enum import Enum


class Action(Enum):
    """What to do next, asked between batches."""

    NONE = "none"
    STOP = "stop"
    SNAPSHOT = "snapshot"
    TERMINATE = "terminate"
    """Snapshot whatever ``snapshot_after_train`` says, and end with exit status 143."""
