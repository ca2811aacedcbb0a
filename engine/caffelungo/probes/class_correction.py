"""How a linear classifier makes up for classes of different sizes: weights of pictures, or shares added to its answers.

none         all pictures alike
inverse      each picture by the inverse of the number of its class (sampling: the same in the mean)
effective    by the inverse of the effective number of its class (Cui et al. 2019)
logits       fitted to answers with the logarithms of the classes' shares added (Menon et al. 2021), without weights
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from caffelungo.definition.definition import Definition
from caffelungo.layers import class_balance
from caffelungo.layers.class_balance import BETA, EFFECTIVE, INVERSE, NONE
from caffelungo.passes.balance import LOGITS, SAMPLING, correction_and_loss
from caffelungo.probes.choose_candidate import LinearHead


@dataclass(frozen=True)
class ClassCorrection:
    """``word`` says how, ``beta`` is that of the effective number, ``strength`` the factor of the logarithms."""

    word: str = NONE
    beta: float = BETA
    strength: float = 1.0

    def weights(self, labels: NDArray[np.int64], classes: int) -> NDArray[np.float64] | None:
        """How much each picture counts, in the mean 1; None where all count alike."""
        counts = np.bincount(labels, minlength=classes).tolist()
        if self.word in (INVERSE, SAMPLING):
            each = np.array(class_balance.inverse(counts))[labels]
        elif self.word == EFFECTIVE:
            each = np.array(class_balance.effective(counts, self.beta))[labels]
        else:
            return None
        return np.asarray(each / each.mean())

    def shares(self, labels: NDArray[np.int64], classes: int) -> NDArray[np.float64] | None:
        """What is added to the answers in losses, per class; None for nothing."""
        if self.word != LOGITS:
            return None
        counts = np.bincount(labels, minlength=classes).tolist()
        return np.array(class_balance.log_shares(counts, self.strength))


UNCORRECTED = ClassCorrection()


def without(head: LinearHead, shares: NDArray[np.float64] | None) -> LinearHead:
    """``head``, fitted to answers that contain ``shares``, as a classifier that does not."""
    return head if shares is None else replace(head, bias=(head.bias - shares).astype(np.float32))


def of_net(definition: Definition) -> ClassCorrection:
    """What the train net of ``definition`` does."""
    word, loss = correction_and_loss(definition)
    if loss is None:
        return ClassCorrection(word)
    return ClassCorrection(word, float(loss.beta), float(loss.logit_adjustment) or 1.0)
