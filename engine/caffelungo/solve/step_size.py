"""The rate for a linear classifier, from the length of the features that it reads. No torch.

A step of gradient descent on a linear classifier changes its answers in proportion to rate x lr_mult x |h|^2, where h
is what it reads, so features of another length want another rate.
"""

from __future__ import annotations

FRESH = 5.0
"""rate x lr_mult x |h|^2 x layers for a classifier that starts from noise. SqueezeNet's pooled features (|h| about 100)
and a classifier at lr_mult 10 get 5e-5, which is near the best rate measured."""
FITTED = 0.5
"""The same for one that starts fitted: it is near its goal, and longer steps leave it. Of ten classes of clothing with
SqueezeNet, whichever layers learned, the least loss on pictures held out was at 1/3 to 3 times this; at ``FRESH`` it
was a tenth above that of the start."""
FASTEST = 0.003
"""The rate is at most this: with short features it is the pre-trained layers that bound it."""


def rate(effect: float, *, fitted: bool) -> float:
    """The rate, to two digits, where ``effect`` is lr_mult x |h|^2, times the layers that learn as fast."""
    return float(f"{min((FITTED if fitted else FRESH) / max(1e-12, effect), FASTEST):.1e}")
