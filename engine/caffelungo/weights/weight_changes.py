"""What training changed in a file of weights, as numbers: of the file, its layers, blobs and units."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]

COMPARED, GROWN, OTHER, NEW, GONE = "compared", "shared part", "not comparable", "new", "gone"


@dataclass(frozen=True)
class UnitChanges:
    """One number a unit (a row of a weight, a channel of statistics) of the compared part, and of what was added.

    ``change`` is the norm of the difference of each old unit, ``before`` and ``after`` its norms, ``cosine`` that of
    the two (NaN for a unit of zeros). ``added`` are the norms of units that only the later file has.
    """

    change: Doubles
    before: Doubles
    after: Doubles
    cosine: Doubles
    added: Doubles

    @property
    def relative(self) -> Doubles:
        """Change over the norm before; infinite where that was 0, and 0 where nothing changed."""
        return ratios(self.change, self.before)


@dataclass(frozen=True)
class BlobChange:
    """One blob. Numbers are those of the part that both files have; NaN where there is none, or no angle.

    ``relative`` ||W - W0|| / ||W0||; ``signs`` the share of values that passed from one side of zero to the other;
    ``largest`` the largest absolute change, at ``place``. ``added`` is the norm of the inputs (columns) that old units
    gained; ``notes`` say what is special. ``broken`` counts values that are no numbers, before and after.
    """

    index: int
    name: str
    status: str
    before: tuple[int, ...] | None
    after: tuple[int, ...] | None
    relative: float = math.nan
    cosine: float = math.nan
    signs: float = math.nan
    largest: float = math.nan
    place: tuple[int, ...] = ()
    change: float = math.nan
    norm: float = math.nan
    size: int = 0
    added: float | None = None
    broken: tuple[int, int] = (0, 0)
    notes: tuple[str, ...] = ()
    units: UnitChanges | None = None

    @property
    def finite(self) -> Doubles:
        """The relative changes of old units, those from a norm of 0 left out."""
        if self.units is None:
            return np.empty(0)
        relative = self.units.relative
        return relative[np.isfinite(relative)]


@dataclass(frozen=True)
class LayerChange:
    """One layer: ``relative`` and ``cosine`` over its blobs together, from those that can be compared."""

    name: str
    type: str
    status: str
    blobs: tuple[BlobChange, ...]

    @property
    def relative(self) -> float:
        """||W - W0|| / ||W0|| of all compared blobs as one vector; NaN when there is none."""
        found = [blob for blob in self.blobs if blob.status in (COMPARED, GROWN)]
        if not found:
            return math.nan
        return ratio(math.hypot(*(blob.change for blob in found)), math.hypot(*(blob.norm for blob in found)))

    @property
    def broken(self) -> bool:
        """Whether a value of either file is no number."""
        return any(any(blob.broken) for blob in self.blobs)

    @property
    def statistics(self) -> bool:
        """Whether these are BatchNorm's, which follow the data and no gradient."""
        return self.type == "BatchNorm"


@dataclass(frozen=True)
class WeightChanges:
    """``after`` against ``before`` (their paths); ``notices`` are for people."""

    before: str
    after: str
    layers: tuple[LayerChange, ...]
    notices: tuple[str, ...] = field(default=())

    def named(self, *statuses: str) -> list[str]:
        """Names of the layers with one of ``statuses``."""
        return [layer.name for layer in self.layers if layer.status in statuses]


def ratio(change: float, norm: float) -> float:
    return change / norm if norm else (math.inf if change else 0.0)


def ratios(change: Doubles, norm: Doubles) -> Doubles:
    with np.errstate(divide="ignore", invalid="ignore"):
        result: Doubles = np.where(norm > 0, change / norm, np.where(change > 0, np.inf, 0.0))
    return result
