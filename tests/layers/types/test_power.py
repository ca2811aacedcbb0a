"""Power."""

from __future__ import annotations

import numpy as np
import pytest

from tests.layers.helper import check_layer

X = np.array([[-1.5, 0.5, 2.0]])


@pytest.mark.parametrize(
    ("power", "scale", "shift"),
    [(1, 1, 0), (1, 2, -1), (2, 1, 0), (2, 3, 1), (3, 1, 1), (0, 2, 1), (2, 0, 3), (-1, 1, 4)],
)
def test_numbers(power: float, scale: float, shift: float) -> None:
    layer = f'type: "Power" power_param {{ power: {power} scale: {scale} shift: {shift} }}'
    check_layer(layer, [X], [(shift + scale * X) ** power], gradient=power * scale != 0)
