"""How far the finding of wrong labels is to be trusted, in sentences."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from caffelungo.probes.results import JudgedHead
from caffelungo.wording import counted, listed

FEW = 10
"""Pictures of a class, below which a classifier that has not seen one of them knows little of its class."""
HARD = 0.8
"""Accuracy below which more disagreements are the classifiers' own mistakes than wrong labels.

Of 1,000 pictures with 50 wrong labels, 54 and 51 of 100 of the labels that were in doubt among the first 80 were wrong
at accuracies of 0.72 and 0.74; 83 of 100 were at 0.89, and 24 of 100 at 0.60 (benchmarks/label_errors.py)."""


def sentences(judged: JudgedHead, sizes: Mapping[str, int], known: NDArray[np.bool_]) -> list[str]:
    """Of classifiers ``judged`` against the labels, classes of these ``sizes``, and N marks of pictures judged."""
    found = [
        f"Classifiers that have not seen a picture agree with its label in {judged.accuracy:.1%} of "
        f"{counted(judged.samples, 'case')} ({judged.low:.1%} to {judged.high:.1%})."
    ]
    if judged.accuracy < HARD:
        found.append(
            "They are wrong so often that many labels are in doubt without being wrong: where 5 % of the labels were "
            "wrong, about half of the labels in doubt among the first ones were, at 60 % agreement a quarter."
        )
    few = [f"{name} ({size})" for name, size in sizes.items() if size < FEW]
    if few:
        found.append(
            f"{counted(len(few), 'class has', 'classes have')} fewer than {FEW} pictures: {listed(few, 5)}. Of these "
            "classes a classifier knows too little for more than a hint, and it takes what is rare for wrong."
        )
    if alone := int((~known).sum()):
        found.append(
            f"{counted(alone, 'picture')} could not be judged: nothing of its class is left to learn from."
            if alone == 1
            else f"{alone} pictures could not be judged: nothing of their classes is left to learn from."
        )
    return found
