"""Small tables with values worked out elsewhere."""

from __future__ import annotations

import numpy as np

X = np.array(
    [[2, 0, 1], [1, 1, 0], [2, 1, 1], [1, 0, 0], [0, 2, 1], [1, 2, 0], [0, 1, 1], [0, 2, 2], [1, 0, 3], [0, 1, 3],
     [1, 1, 2], [2, 0, 3]], float,
)  # fmt: skip
"""Four rows of each of three classes."""
Y = np.repeat([0, 1, 2], 4)
