"""Error over the number of pictures as a + b n^-c: weighted least squares within bounds, many at once. NumPy only.

The form fits learning curves of classifiers best of those that were tried by D. Hoiem et al., Learning Curves for
Analysis of Deep Networks, ICML 2021. a, b and c are not well determined one by one; what they predict is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from caffelungo.errors import UserError
from caffelungo.evidence.checked_features import Floats

EXPONENTS = (0.1, 1.0)
"""Between which c is sought; 0.5 is what a mean of independent errors has, and 0.45 to 0.85 what fine-tuning shows."""
TRIED = 37
"""Exponents that are tried first, and between the best one's neighbours then."""


@dataclass(frozen=True)
class PowerLaws:
    """B curves: the error is ``limit`` + ``scale`` n^-``exponent``, each B."""

    limit: Floats
    scale: Floats
    exponent: Floats

    def errors(self, sizes: ArrayLike) -> Floats:
        """B x M of M sizes, at most 1."""
        n = np.atleast_1d(np.asarray(sizes, np.float64))
        return np.minimum(1.0, self.limit[:, None] + self.scale[:, None] * n ** -self.exponent[:, None])


def fit_power_laws(sizes: ArrayLike, errors: ArrayLike, weights: ArrayLike) -> PowerLaws:
    """Of ``errors`` B x S at S ``sizes``, with ``weights`` B x S or S: 0 <= a <= 1, 0 <= b, c within ``EXPONENTS``.

    UserError where there are fewer than three sizes, or the arrays do not fit or are not positive.
    """
    n, e = np.asarray(sizes, np.float64), np.atleast_2d(np.asarray(errors, np.float64))
    w = np.broadcast_to(np.asarray(weights, np.float64), e.shape)
    if n.ndim != 1 or e.shape[1:] != n.shape or len(np.unique(n)) < 3 or n.min() <= 0 or not (w > 0).all():
        raise UserError(
            "a curve needs three sizes or more, and an error and a positive weight of each",
            received=f"sizes {n.tolist()}, errors {e.shape}",
            remedy="measure the accuracy at more numbers of pictures",
        )
    low, high = EXPONENTS
    grid = np.broadcast_to(np.linspace(low, high, TRIED), (len(e), TRIED))
    for _ in range(3):
        limit, scale, loss = _linear(n, e, w, grid)
        best = loss.argmin(1)
        rows = np.arange(len(e))
        found = PowerLaws(limit[rows, best], scale[rows, best], grid[rows, best])
        around = [grid[rows, np.clip(best + side, 0, grid.shape[1] - 1)] for side in (-1, 1)]
        grid = np.linspace(around[0], around[1], TRIED, axis=1)
    return found


def _linear(n: Floats, e: Floats, w: Floats, c: Floats) -> tuple[Floats, Floats, Floats]:
    """a, b and the loss of exponents ``c`` B x G, each B x G."""
    x = n ** -c[:, :, None]
    share = (w / w.sum(1, keepdims=True))[:, None]
    y = e[:, None]
    mean_x, mean_y = (share * x).sum(2), (share * y).sum(2)
    apart = x - mean_x[:, :, None]
    free = np.maximum((share * apart * y).sum(2) / (share * apart**2).sum(2), 0.0)
    through = (share * x * y).sum(2) / (share * x**2).sum(2)
    limit = mean_y - free * mean_x
    scale = np.where(limit < 0, through, free)
    limit = np.clip(limit, 0.0, 1.0)
    loss = (share * (y - limit[:, :, None] - scale[:, :, None] * x) ** 2).sum(2)
    return limit, scale, loss
