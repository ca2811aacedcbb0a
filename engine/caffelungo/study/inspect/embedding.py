"""Features on a plane: t-SNE where scikit-learn is installed, else the two main directions (PCA)."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caffelungo.study.inspect.similarity import Floats

MISSING = "t-SNE needs scikit-learn (pip install 'caffelungo[inspect]'); shown are two principal components (PCA)"
FEWEST = 10
"""Samples below which t-SNE says nothing."""
COMPONENTS = 50
"""Main directions that t-SNE starts from, as its authors advise."""


def method(samples: int) -> str:
    """``t-SNE`` or ``PCA``: what ``plane`` does with so many samples."""
    return "t-SNE" if samples >= FEWEST and _tsne() is not None else "PCA"


def plane(features: Floats, seed: int = 0) -> NDArray[np.float64]:
    """Samples x 2. t-SNE (van der Maaten and Hinton 2008) of the first ``COMPONENTS`` main directions, or PCA."""
    flat = np.asarray(features, np.float64).reshape(len(features), -1)
    if method(len(flat)) == "PCA":
        return pca(flat, 2)
    given: Any = pca(flat, min(COMPONENTS, *flat.shape))
    near = min(30.0, (len(flat) - 1) / 3)
    return np.asarray(_tsne()(2, perplexity=near, init="pca", random_state=seed).fit_transform(given), np.float64)


@cache
def _tsne() -> Any:
    """scikit-learn's class; None where it is not installed, or not whole."""
    try:
        from sklearn.manifold import TSNE
    except ImportError:
        return None
    return TSNE


def pca(features: Floats, count: int) -> NDArray[np.float64]:
    """The ``count`` main components of samples x features, largest first; columns of zeros where there are fewer."""
    centred = np.asarray(features, np.float64) - np.mean(features, 0, dtype=np.float64)
    left, sizes, right = np.linalg.svd(centred, full_matrices=False)
    del right
    found = left[:, :count] * sizes[:count]
    # The sign of a component is arbitrary: the sample farthest out is at the positive end.
    farthest = np.abs(found).argmax(0)
    signs = np.sign(found[farthest, np.arange(found.shape[1])])
    found = found * np.where(signs == 0, 1, signs)
    return np.pad(found, ((0, 0), (0, count - found.shape[1])))
