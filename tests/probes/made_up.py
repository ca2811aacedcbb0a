"""Features that the tests of the probes share, made up or real."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]


def clusters(rows: int, features: int, classes: int, apart: float = 1.0, seed: int = 0) -> tuple[Floats, Labels]:
    """Gaussian clusters with features of unequal scales and an offset; every class has a row."""
    rng = np.random.default_rng(seed)
    y = np.r_[np.arange(classes), rng.integers(0, classes, rows - classes)]
    centres = apart * rng.normal(size=(classes, features))
    return (centres[y] + rng.normal(size=(rows, features))) * np.exp(rng.normal(size=features)) + 3, y
