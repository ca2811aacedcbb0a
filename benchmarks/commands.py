"""What a user would type, run as processes, and the processors' seconds that it takes."""

from __future__ import annotations

import os
import subprocess
import sys


def lungo(*words: object) -> None:
    """Run `lungo`. RuntimeError with what it said where it fails."""
    python("-m", "caffelungo", *words)


def python(*words: object) -> None:
    """Run this Python; errors as of ``lungo``."""
    done = subprocess.run([sys.executable, *map(str, words)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, words))}\n{done.stdout[-2000:]}{done.stderr[-4000:]}")


def processors() -> float:
    """Seconds of the processors that ended commands took: on a busy machine they say more than the clock."""
    return sum(os.times()[2:4])
