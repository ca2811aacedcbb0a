"""Checks the arrays that are passed to the classifiers."""

from __future__ import annotations

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from caffelungo.errors import Problem, UserError
from caffelungo.wording import counted


def rows_and_labels(x: Tensor | ArrayLike, y: Tensor | ArrayLike, classes: int) -> tuple[Tensor, Tensor]:
    """Features as N x D floating numbers and labels as N integers on the device of the features.

    UserError, all problems at once, where the shapes do not fit, a feature is not finite, or a label is not below
    ``classes``.
    """
    features, labels = torch.as_tensor(x), torch.as_tensor(y)
    if features.dtype not in (torch.float32, torch.float64):
        features = features.float()
    problems = []
    if features.ndim != 2 or not features.numel():
        problems.append(
            Problem(
                "features are a table of pictures x features",
                received=_shape(features),
                remedy="give one row per picture",
            )
        )
    elif bad := int((~torch.isfinite(features)).any(1).sum()):
        problems.append(
            Problem(
                "features must be finite",
                received=f"NaN or infinity in {bad} of {counted(len(features), 'row')}",
                remedy="look at the net's weights and at these pictures",
            )
        )
    if labels.is_floating_point() or labels.ndim != 1 or len(labels) != len(features):
        problems.append(
            Problem(
                "each row needs one integer label",
                received=f"{_shape(labels)} of {labels.dtype} for {_shape(features)}",
                remedy="give as many integers as there are rows",
            )
        )
    elif classes < 2 or int(labels.min()) < 0 or int(labels.max()) >= classes:
        problems.append(
            Problem(
                f"labels of {counted(classes, 'class')} are 0 to {classes - 1}"
                if classes > 1
                else "two classes are needed",
                received=f"{counted(classes, 'class')}, labels {int(labels.min())} to {int(labels.max())}",
                remedy="number the classes from 0 without gaps, and give pictures of at least two",
            )
        )
    if problems:
        raise UserError(problems)
    return features, labels.to(features.device, torch.long)


def penalties(penalty: Tensor | ArrayLike | float, like: Tensor) -> Tensor:
    """P penalties, positive and finite (else UserError), of the type and on the device of ``like``."""
    values = torch.as_tensor(penalty, dtype=like.dtype, device=like.device).reshape(-1)
    if not len(values) or not bool((torch.isfinite(values) & (values > 0)).all()):
        raise UserError("penalties must be positive", received=str(penalty), remedy="give 1, for example")
    return values


def row_weights(weights: Tensor | ArrayLike | None, problems: int, like: Tensor) -> Tensor:
    """Weights N x P of the rows of ``like`` N x D, given as P x N, N or None (all 1); ``problems`` may be 1 for any P.

    UserError where the shape does not fit, a weight is negative or not finite, or a problem's weights are all 0.
    """
    count = len(like)
    if weights is None:
        return like.new_ones(count, problems)
    values = torch.as_tensor(weights, dtype=like.dtype, device=like.device)
    if values.ndim == 1:
        values = values.expand(problems, -1)
    if values.ndim != 2 or values.shape[1] != count or (problems > 1 and len(values) != problems):
        raise UserError("weights are problems x rows", received=_shape(values), remedy=f"give {problems} x {count}")
    if not bool((torch.isfinite(values) & (values >= 0)).all()):
        raise UserError(
            "weights of rows must be 0 or larger",
            received="a negative one, NaN or infinity",
            remedy="use 0 for a row to ignore",
        )
    if not bool((values.sum(1) > 0).all()):
        raise UserError("no row has a weight in one of the problems", remedy="keep some training pictures")
    return values.T.contiguous()


def _shape(values: Tensor) -> str:
    return " x ".join(map(str, values.shape)) or "one number"
