"""What is kept of the features of the pictures that a net was trained on, so that others can be compared with them.

The number of pictures, the mean, and of the covariance the ``RANK`` directions of the largest variance; all other
directions have one variance, so that the trace stays what it was. NumPy only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from caffelungo.errors import UserError
from caffelungo.evidence.checked_features import Floats, table
from caffelungo.evidence.feature_axes import axes_of, ledoit_wolf
from caffelungo.wording import counted

RANK = 64
"""Directions that are kept beside a net: 140 KB of 1,000 features."""


@dataclass(frozen=True)
class SourceStatistics:
    """Mean (D) and covariance of features: ``axes`` diag(``variances``) ``axes``', and ``rest`` in other directions.

    ``axes`` is D x R and orthonormal. ``count`` pictures were read; ``shrinkage`` is the share of the identity in the
    covariance (0: none).
    """

    count: int
    mean: Floats
    axes: Floats
    variances: Floats
    rest: float = 0.0
    shrinkage: float = 0.0

    @property
    def width(self) -> int:
        """D."""
        return len(self.mean)

    @property
    def total(self) -> float:
        """The trace of the covariance."""
        return float(self.variances.sum()) + self.rest * (self.width - len(self.variances))

    @classmethod
    def of(cls, features: ArrayLike, *, shrink: bool = False) -> SourceStatistics:
        """Of features N x D, the covariance divided by N - 1; shrunk (``shrink``) as Ledoit and Wolf (2004) do.

        UserError where they are no table of finite numbers, or of one picture.
        """
        axes = axes_of(table(features), centred=True)
        whole = cls(axes.count, axes.mean, axes.vectors, axes.values / (axes.count - 1))
        return whole.shrunk(ledoit_wolf(axes)) if shrink else whole

    def shrunk(self, share: float) -> SourceStatistics:
        """With ``share`` of the covariance replaced by the multiple of the identity that has the same trace."""
        even = share * self.total / self.width
        return replace(
            self,
            variances=(1 - share) * self.variances + even,
            rest=(1 - share) * self.rest + even,
            shrinkage=1 - (1 - self.shrinkage) * (1 - share),
        )

    def kept(self, rank: int = RANK) -> SourceStatistics:
        """With the ``rank`` directions of the largest variance, the others evened out."""
        if rank >= len(self.variances):
            return self
        left = self.total - float(self.variances[:rank].sum())
        return replace(self, axes=self.axes[:, :rank], variances=self.variances[:rank], rest=left / (self.width - rank))

    def root(self, vectors: Floats) -> Floats:
        """The square root of the covariance times ``vectors`` D x M."""
        low = np.sqrt(self.rest)
        along = self.axes.T @ vectors
        return self.axes @ ((np.sqrt(self.variances) - low)[:, None] * along) + low * vectors

    def drawn(self, count: int, rng: np.random.Generator) -> Floats:
        """``count`` features with this mean and covariance, normally distributed: count x D."""
        return self.mean + self.root(rng.normal(size=(self.width, count))).T

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """For a file: mean and variances in float32, axes in float16, whose entries are at most 1."""
        return {
            "count": np.array([self.count], np.int64),
            "mean": self.mean.astype(np.float32),
            "axes": self.axes.astype(np.float16),
            "variances": self.variances.astype(np.float32),
            "rest": np.array([self.rest], np.float32),
            "shrinkage": np.array([self.shrinkage], np.float32),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, ArrayLike]) -> SourceStatistics:
        """Of what ``arrays`` gave; UserError where they do not fit each other."""
        names = ("count", "mean", "axes", "variances", "rest", "shrinkage")
        if missing := [name for name in names if name not in arrays]:
            raise UserError(
                "statistics of features are incomplete",
                received=f"no {', '.join(missing)}",
                remedy="compute them anew",
            )
        count, mean, axes, variances, rest, shrinkage = (np.asarray(arrays[name], np.float64) for name in names)
        fits = mean.ndim == 1 and axes.shape == (len(mean), variances.size) and variances.ndim == 1
        if not fits or (len(variances) and variances.min() < 0) or count.size != 1 or rest.size != 1 or rest[0] < 0:
            raise UserError(
                "statistics of features do not fit each other",
                received=f"mean {mean.shape}, axes {axes.shape}, variances {variances.shape}",
                remedy="compute them anew",
            )
        orthonormal, _ = np.linalg.qr(axes)  # what float16 rounded
        return cls(int(count[0]), mean, orthonormal, variances, float(rest[0]), float(shrinkage[0]))


def same_width(first: int, second: int) -> None:
    """UserError where two sets of features have not the same number."""
    if first != second:
        raise UserError(
            "the two sets have features of different layers",
            received=f"{counted(first, 'feature')} and {counted(second, 'feature')}",
            remedy="compute both with the same net, layer and pooling",
        )
