"""What `lungo bench` may be asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class BenchOptions:
    """``net`` and ``weights``: the same net for PyTorch (None: the file alone); ``variables`` are its template's.

    ``seconds`` is one side's turn. ``minutes``: no compiling and no batch size is begun, and no more rounds are taken,
    than fit into them. ``threads`` 0: as many as cores, for every side. ``device``, ``provider``, ``graphs``: see
    ``onnx_engine.OnnxEngine``. ``size``: height and width for a file that leaves them open.
    """

    model: str | Path
    net: str | Path | None = None
    weights: str | None = None
    batches: Sequence[int] = (1, 8, 64)
    rounds: int = 11
    seconds: float = 0.3
    threads: int = 0
    device: str = "auto"
    provider: str = ""
    graphs: bool = False
    compiled: bool = True
    minutes: float = 10
    size: tuple[int, int] | None = None
    variables: Mapping[str, Any] = field(default_factory=dict)
