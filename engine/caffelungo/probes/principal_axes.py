"""Features turned so that their directions do not overlap: the coordinates in which the classifiers are solved.

An L2 penalty does not change under a rotation, and a bias without penalty takes up any shift. So features may be
centred, divided by one number and turned into the directions of their principal axes without changing the classifier
that is found. There the second moments are a diagonal matrix, which says how far to step along each direction, and
features beyond the number of rows vanish: the solution lies in the span of the rows (the representer theorem).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

LARGEST = 2048
"""Rows or features, the fewer of them, up to which the axes are found: that takes their cube of operations."""
CHUNK = 2**23
"""Numbers turned into float64 at a time: 64 MB."""
LEAST = 1e-13
"""Share of the largest second moment under which a direction is rounding noise in float64."""


@dataclass(frozen=True)
class Basis:
    """N rows of D features in R new coordinates, and the way back.

    ``rows`` is N x (R + 1): the last column is 1, so that the last coefficient is the bias. ``spectrum`` is R + 1: the
    mean square of each column. ``axes`` is D x R, orthonormal, or None where the features kept their directions (R =
    D).
    """

    rows: Tensor
    spectrum: Tensor
    mean: Tensor
    scale: float
    axes: Tensor | None

    @property
    def width(self) -> int:
        """R + 1, the coefficients of one class."""
        return self.rows.shape[1]

    def forth(self, weight: Tensor, bias: Tensor) -> Tensor:
        """Coefficients (R + 1) x P x C of a classifier of the features, ``weight`` P x C x D and ``bias`` P x C."""
        turned = weight.movedim(2, 0) * self.scale
        if self.axes is not None:
            turned = torch.tensordot(self.axes.T, turned, 1)
        return torch.cat([turned, (bias + weight @ self.mean)[None]])

    def back(self, coefficients: Tensor) -> tuple[Tensor, Tensor]:
        """The classifier of the features, ``weight`` P x C x D and ``bias`` P x C, of coefficients (R + 1) x P x C."""
        turned = coefficients[:-1] / self.scale
        if self.axes is not None:
            turned = torch.tensordot(self.axes, turned, 1)
        weight = turned.movedim(0, 2).contiguous()
        return weight, coefficients[-1] - weight @ self.mean


def basis_of(x: Tensor) -> Basis:
    """The basis of features N x D, floating and finite.

    ``scale`` is the root mean square length of the centred rows, so that ``spectrum`` without its last entry sums to 1;
    it is 1 where every feature is constant. Axes are found where N or D is at most ``LARGEST``.
    """
    mean = x.mean(0, dtype=torch.float64).to(x.dtype)
    rows = x - mean
    rows[:, x.amax(0) == x.amin(0)] = 0  # what the rounding of the mean left of a constant is no direction
    scale = float(rows.square().mean(0, dtype=torch.float64).sum().sqrt()) or 1.0
    rows /= scale
    axes = _axes(rows) if min(rows.shape) <= LARGEST else None
    if axes is not None:
        rows = rows @ axes
    rows = torch.cat([rows, rows.new_ones(len(rows), 1)], 1)
    return Basis(rows, rows.square().mean(0), mean, scale, axes)


def _axes(rows: Tensor) -> Tensor:
    """The principal axes of centred rows N x D that hold anything: D x R, R at most min(N, D)."""
    count, width = rows.shape
    short = min(count, width)
    gram = torch.zeros(short, short, dtype=torch.float64, device=rows.device)
    step = max(1, CHUNK // short)
    for part in rows.split(step) if width <= count else rows.T.split(step):
        exact = part.double()
        gram.addmm_(exact.T, exact)
    moments, vectors = torch.linalg.eigh(gram)
    kept = moments > LEAST * moments.max().clamp_min(torch.finfo(torch.float64).tiny)
    vectors = vectors[:, kept]
    if width <= count:
        return vectors.to(rows.dtype)
    vectors = (vectors / moments[kept].sqrt()).contiguous()
    return torch.cat([(part.double() @ vectors).to(rows.dtype) for part in rows.T.split(step)])
