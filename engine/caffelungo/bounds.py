"""What a number may be: a range with open or closed ends, and how a message says it. Fields and flags share it."""

from __future__ import annotations

import math
from dataclasses import dataclass

LARGEST = 2**31 - 1
"""The largest size or count: Caffe keeps them in an int."""


@dataclass(frozen=True)
class Bounds:
    """Numbers from ``low`` to ``high``; ``above`` and ``below`` leave the end itself out. NaN never belongs.

    ``infinite``: an end that is infinite belongs. ``usual``: a value that a remedy may propose;
    ``advice``: a separate remedy.
    """

    low: float = -math.inf
    high: float = math.inf
    above: bool = False
    below: bool = False
    infinite: bool = False
    usual: str = ""
    advice: str = ""

    def admits(self, value: float) -> bool:
        """Whether ``value`` belongs."""
        if not math.isfinite(value):
            return self.infinite and self.low <= value <= self.high
        return (value > self.low if self.above else value >= self.low) and (
            value < self.high if self.below else value <= self.high
        )

    def must(self, value: float) -> str:
        """What ``value``, which does not belong, must be: ``at least 1``, ``above 0 and below 1`` ..."""
        low = "" if self.low == -math.inf else f"{'above' if self.above else 'at least'} {_text(self.low)}"
        high = "" if self.high == math.inf else f"{'below' if self.below else 'at most'} {_text(self.high)}"
        if abs(self.high) >= LARGEST and low:
            low, high = ("", high) if high and value > self.low else (low, "")
        text = " and ".join(filter(None, (low, high)))
        if low and high and not (self.above or self.below):
            text = f"from {_text(self.low)} to {_text(self.high)}"
        if math.isfinite(value):
            return text
        kind = "a number" if self.infinite else "a finite number"
        return f"{kind}, {text}" if text else kind

    def remedy(self, name: str, value: float) -> str:
        """What to do about ``name``, which is ``value``."""
        if self.advice:
            return self.advice
        if self.usual:
            return f"write {name} {self.usual}" if name.startswith("--") else f"write `{name}: {self.usual}`"
        must = self.must(value)
        if " and " in must and must.startswith("at least"):
            return f"write a number of {must}"
        return f"write a number {must}" if must.startswith(("above", "below", "from")) else f"write {must}"


def _text(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else f"{value:g}"


ANY = Bounds()
"""Any finite number."""
FREE = Bounds(infinite=True)
"""Any number, infinite ones too."""
COUNT = Bounds(1, LARGEST)
"""At least one of something: a size, a number of outputs."""
WHOLE = Bounds(0, LARGEST)
"""How many of something, where 0 is none of it."""
POSITIVE = Bounds(0, above=True)
NOT_NEGATIVE = Bounds(0)
SHARE = Bounds(0, 1)
"""A share of a whole."""
