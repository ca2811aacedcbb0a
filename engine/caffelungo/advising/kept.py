"""Results kept in a folder by what they follow from, so that a run that was killed goes on where it stood."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caffelungo import files


class KeptResults:
    """JSON documents in ``folder``, each named by a hash."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def json(self, name: str, parts: list[Any], compute: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """What ``compute`` gave for these ``parts`` (arrays, or what JSON can hold) before, else what it gives now."""
        path = self.folder / f"{name}-{_hash(parts)}.json"
        try:
            return dict(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError):
            pass
        made = compute()
        self.folder.mkdir(parents=True, exist_ok=True)
        files.write_text(path, json.dumps(made))
        return made


def _hash(parts: list[Any]) -> str:
    total = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray):
            array: NDArray[Any] = np.ascontiguousarray(part)
            total.update(repr((array.shape, str(array.dtype))).encode())
            total.update(array.tobytes())
        else:
            total.update(json.dumps(part, sort_keys=True).encode())
    return total.hexdigest()[:32]
