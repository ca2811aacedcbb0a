"""What losses do about classes of different sizes: class weights, focal loss, logit adjustment, and their options.

    layer { type: "SoftmaxWithLoss" ... lungo { softmax_with_loss { class_weights: effective beta: 0.999 } } }

Weights that follow from how many samples each class has need ``class_count``. Where the file is silent, the labels of
the training data are counted before the first iteration (``solve.class_counts``), and snapshots keep the counts.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar

from caffelungo.bounds import Bounds
from caffelungo.definition.layer_options import Option
from caffelungo.layers.base import LayerError, Loss
from caffelungo.wording import counted

if TYPE_CHECKING:
    from torch import Tensor

Numbers = tuple[float, ...]

NONE, INVERSE, EFFECTIVE = "none", "inverse", "effective"
WORDS = (NONE, INVERSE, EFFECTIVE)
BETA = 0.999
OPTIONS = (
    Option("class_weights", NONE, "Weights by how many samples each class has: by the inverse of their number, or of "
           "their effective number.", choices=WORDS),
    Option("beta", BETA, "Of the effective number (1 - beta^n) / (1 - beta): 0 weighs all classes alike, near 1 it is "
           "the inverse of n.", Bounds(0, 1, below=True, usual="0.999")),
    Option("class_weight", 1.0, "Weights of the classes, given one by one.", Bounds(0), repeated=True),
    Option("focal_gamma", 0.0, "Exponent of the focal loss: the term of a sample whose true class has the probability "
           "p is multiplied by (1 - p)^gamma.", Bounds(0, usual="2")),
)  # fmt: skip


def inverse(counts: Sequence[int]) -> Numbers:
    """N / (C n) of each class, whose mean over samples is 1; 0 for a class without samples, which C leaves out."""
    present = sum(n > 0 for n in counts)
    return tuple(sum(counts) / (present * n) if n else 0.0 for n in counts)


def effective_number(count: int, beta: float) -> float:
    """(1 - beta^n) / (1 - beta). Cui et al. 2019, equation 4."""
    return -math.expm1(count * math.log(beta)) / (1 - beta) if beta and count else float(min(count, 1))


def effective(counts: Sequence[int], beta: float) -> Numbers:
    """In proportion to one by the effective number, with the sum C (Cui et al. 2019, section 4); 0 without samples."""
    each = [1 / effective_number(n, beta) if n else 0.0 for n in counts]
    return tuple(weight * sum(n > 0 for n in counts) / sum(each) for weight in each) if sum(each) else tuple(each)


def log_shares(counts: Sequence[int], factor: float) -> Numbers:
    """``factor`` log(n / N) of each class; one without samples counts as if it had one, so that it is a number."""
    return tuple(factor * math.log(max(n, 1) / sum(counts)) for n in counts)


def positive(counts: Sequence[int], others: Sequence[int], by: str, beta: float) -> Numbers:
    """What the positive targets of each output weigh so that they count as much as its negative ones; 1 without any."""
    pairs = list(zip(counts, others, strict=True))
    if by == EFFECTIVE:
        return tuple(effective_number(m, beta) / effective_number(n, beta) if n and m else 1.0 for n, m in pairs)
    return tuple(m / n if n and m else 1.0 for n, m in pairs)


class ClassBalanced(Loss):
    """A loss that may weigh classes by how many samples they have.

    ``weights`` holds a number per class, None where all are alike or the counts are not known; ``gamma`` is the focal
    exponent. Subclasses call ``read_balance`` in ``setup`` and ``count_mistakes`` in ``shapes``.
    """

    class_lists: ClassVar[tuple[str, ...]] = ("class_weight", "class_count")
    weights: Numbers | None = None
    gamma = 0.0
    counts: tuple[int, ...] = ()

    def read_balance(self) -> None:
        own = self.own
        self.by = WORDS[own.class_weights]
        self.beta, self.gamma = float(own.beta), float(own.focal_gamma)
        self.given: Numbers = tuple(own.class_weight)
        if self.given and self.by != NONE:
            raise self.fail(
                "class weights are both given and asked for by counts",
                received=f"class_weights: {self.by}, class_weight: {', '.join(f'{one:g}' for one in self.given)}",
                remedy="remove `class_weights` or `class_weight`",
                path="class_weights",
            )
        if self.given and not any(self.given):
            raise self.fail("every class has weight 0", received="class_weight", remedy="give at least one class a "
                            "weight above 0", path="class_weight")  # fmt: skip
        self.weights = self.given or None
        self.learn_counts(tuple(own.class_count))

    @property
    def weighted(self) -> bool:
        """Whether the file asks for class weights, given or by counts, be the counts known or not."""
        return bool(self.given) or self.by != NONE

    @property
    def wants_counts(self) -> bool:
        """Whether what it computes depends on how many samples each class has."""
        return self.by != NONE

    def learn_counts(self, counts: Sequence[int]) -> None:
        """Take ``counts``, samples per class, for those of the training data."""
        raise NotImplementedError

    def count_mistakes(self, classes: int | None) -> Iterator[LayerError]:
        """LayerErrors where numbers are given for other than ``classes`` classes."""
        for name in self.class_lists:
            values = getattr(self.own, name)
            if values and classes is not None and len(values) != classes:
                yield self.fail(
                    f"there must be one `{name}` for each class",
                    received=f"{len(values)} for {counted(classes, 'class')}",
                    remedy=f"write `{name}` {classes} times, in the order of the classes, or remove it",
                    path=name,
                )

    def describe_balance(self) -> str:
        """How classes are weighed, for people."""
        if self.by == EFFECTIVE:
            return f"class weights by effective number, beta {self.beta:g}"
        return "class weights by inverse frequency" if self.by == INVERSE else "class weights as given"


def on_device(values: Numbers, like: Tensor) -> Tensor:
    """``values`` beside ``like``."""
    return _kept(values, like.dtype, str(like.device))


def _kept(values: Numbers, dtype: object, device: str) -> Tensor:
    import torch

    if torch.compiler.is_compiling() or device == "meta":
        return torch.tensor(values, dtype=dtype, device=device)  # type: ignore[arg-type]
    key = (values, dtype, device)
    if key not in _TENSORS:
        if len(_TENSORS) >= 16:
            _TENSORS.clear()
        _TENSORS[key] = torch.tensor(values, dtype=dtype, device=device)  # type: ignore[arg-type]
    return _TENSORS[key]


_TENSORS: dict[tuple[Numbers, object, str], Tensor] = {}
"""What has been copied to a device: a copy in each iteration would wait for it."""
