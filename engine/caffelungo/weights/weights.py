"""What a weights file holds, whatever its format."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


@dataclass
class Weights:
    """Parameter blobs by layer name, in Caffe's order and shapes (float32).

    ``types`` are layer types where the file tells them; ``extras`` is a ``lungo.NetExtras`` (preprocessing record and
    labels) or None; ``path`` is the file or files they came from. A blob of no elements represents one that the file
    leaves out because its owner has it (HDF5, shared params).
    """

    layers: dict[str, list[Array]] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)
    extras: Any = None
    name: str = ""
    path: str = ""
    trained: dict[str, Any] = field(default_factory=dict)
    """Layers (LayerParameter, by name) as they were in training, where a net of the same shapes may differ."""

    @property
    def bytes(self) -> int:
        """Size of all blobs in bytes."""
        return sum(blob.nbytes for blobs in self.layers.values() for blob in blobs)
