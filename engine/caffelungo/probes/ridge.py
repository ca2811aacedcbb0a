"""Ridge regression: linear predictions of numbers, in closed form, for any number of penalties at once.

    minimise  1 / (2 W) sum of w_n |y_n - V x_n - b|^2  +  penalty / 2 |V|^2        W = sum of the weights w_n

The intercept b is not penalised. scikit-learn's Ridge(alpha) is penalty = alpha / N. Hoerl and Kennard 1970.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from caffelungo.errors import UserError

PENALTIES = tuple(10.0 ** (power / 2) for power in range(6, -15, -1))
"""From 1000 to 1e-7, for features of mean square deviation 1: what is best has been inside on all nets tried."""


@dataclass(frozen=True)
class RidgeFit:
    """``weight`` P x K x D and ``bias`` P x K: of each penalty, for K numbers of D features."""

    weight: Tensor
    bias: Tensor


def fit(x: Tensor, y: Tensor, penalties: Sequence[float], weights: Tensor | None = None) -> RidgeFit:
    """Of features ``x`` N x D and numbers ``y`` N x K, with ``weights`` N (None: all alike).

    Computed in float64 from the eigenvectors of the smaller of the two matrices of products, N x N or D x D. UserError
    where sizes do not fit, or a penalty is not above 0.
    """
    _check(x, y, penalties, weights)
    share = x.new_ones(len(x), dtype=torch.float64) if weights is None else weights.double().to(x.device)
    share = share / share.sum()
    left, right = x.double(), y.double().to(x.device)
    middle_x, middle_y = share @ left, share @ right
    root = share.sqrt()[:, None]
    left, right = (left - middle_x) * root, (right - middle_y) * root
    wide = left.shape[1] > left.shape[0]
    values, vectors = torch.linalg.eigh(left @ left.T if wide else left.T @ left)
    known = vectors.T @ (right if wide else left.T @ right)
    found = []
    for penalty in penalties:
        solved = vectors @ (known / (values.clamp(min=0) + penalty)[:, None])
        found.append(((left.T @ solved) if wide else solved).T)
    weight = torch.stack(found)
    return RidgeFit(weight, middle_y - weight @ middle_x)


def held_out_predictions(x: Tensor, y: Tensor, parts: Tensor, penalties: Sequence[float]) -> tuple[Tensor, Tensor]:
    """What ridge regressions predict for pictures that they have not learned from, P x H x K, and which these are (H).

    ``parts``: the fold of each picture, each of which is held out once; or, of bools, those that are held out.
    UserError where nothing is held out, or nothing left.
    """
    folds = [parts.bool()] if parts.dtype == torch.bool else [parts == fold for fold in parts.unique()]
    predicted = y.new_zeros((len(penalties), *y.shape), dtype=torch.float64)
    seen = torch.zeros(len(y), dtype=torch.bool)
    for held in folds:
        if not held.any() or held.all():
            raise UserError("cross-validation needs pictures to learn from and pictures to hold out",
                            received=f"{int(held.sum())} of {len(held)} held out",
                            remedy="give more pictures, or fewer copies of one")  # fmt: skip
        found = fit(x[~held], y[~held], penalties)
        predicted[:, held] = (x[held].double() @ found.weight.transpose(1, 2) + found.bias[:, None]).to(predicted)
        seen |= held.cpu()
    return predicted[:, seen], seen.nonzero().reshape(-1)


def _check(x: Tensor, y: Tensor, penalties: Sequence[float], weights: Tensor | None) -> None:
    if x.ndim != 2 or y.ndim != 2 or len(x) != len(y) or not len(x) or (weights is not None and len(weights) != len(x)):
        sizes = [tuple(one.shape) for one in (x, y, *([weights] if weights is not None else []))]
        raise UserError("there must be a row of features for each row of numbers", received=", ".join(map(str, sizes)),
                        remedy="give N x D features, N x K numbers, and N weights or none")  # fmt: skip
    if not penalties or any(not penalty > 0 for penalty in penalties):
        raise UserError("penalties must be above 0", received=", ".join(f"{one:g}" for one in penalties) or "none",
                        remedy="give numbers above 0")  # fmt: skip
