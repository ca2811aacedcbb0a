"""What Growing a Brain reports, claim by claim, and what it leaves open: each a difference of two arms. numpy only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from caffelungo.study.arms import BAR
from caffelungo.study.statistics import MeanDifference


@dataclass(frozen=True)
class Claim:
    """``arm`` against ``other``: ``words`` say it, ``paper`` is its difference in points by depth.

    A control has no number: the paper did not measure it. ``other`` may be the bar. ``source`` names the table; AlexNet
    on SUN-397 unless said. ``after`` and ``other_after`` are the arms by which each learned another task before.
    """

    arm: str
    other: str
    words: str
    paper: Mapping[str, float]
    source: str = ""
    after: str = ""
    other_after: str = ""

    @property
    def control(self) -> bool:
        """Whether ``other`` is a control or the bar, which the paper did not have."""
        return not self.paper and not self.after and not self.other_after

    @property
    def label(self) -> str:
        """The two arms, for a terminal."""
        names = ((self.arm, self.after), (self.other, self.other_after))
        return " > ".join(f"{arm} after {after}" if after else arm for arm, after in names)


CLAIMS = (
    Claim("deeper", "finetune", "a new layer on top beats fine-tuning",
          {"NEW": 0.61, "TOP": 1.73, "TOP_TWO": 3.13, "ALL": 2.61}, "table 1"),
    Claim("wider", "finetune", "new units beside the top layer beat fine-tuning",
          {"NEW": 3.18, "TOP": 2.24, "TOP_TWO": 3.55, "ALL": 3.02}, "table 1"),
    Claim("joint", "finetune", "new units and a new layer on both beat fine-tuning",
          {"NEW": 2.44, "TOP": 1.66, "TOP_TWO": 2.68, "ALL": 1.82}, "table 1"),
    Claim("recursive", "finetune", "new units beside the top two layers beat fine-tuning",
          {"NEW": 3.02, "TOP": 2.35, "TOP_TWO": 3.87, "ALL": 3.12}, "table 1"),
    Claim("wider", "deeper", "width beats depth",
          {"NEW": 2.57, "TOP": 0.51, "TOP_TWO": 0.42, "ALL": 0.41}, "table 1"),
    Claim("wider", "wider-raw", "width needs normalization",
          {"NEW": 3.03, "TOP": 2.33, "TOP_TWO": 8.12, "ALL": 7.61}, "table 3"),
    Claim("wider", "wider-copy", "copied units do not make up for normalization",
          {"NEW": 3.19, "TOP": 2.64, "TOP_TWO": 4.14, "ALL": 3.64}, "table 3"),
    Claim("deeper", "deeper-raw", "depth gains by normalization",
          {"NEW": -0.31, "TOP": -0.32, "TOP_TWO": 0.89, "ALL": 0.86}, "table 3"),
    Claim("wider", "wide", "growing beats a net that was wide from the start", {"ALL": 4.0}, "table 7, MIT-67"),
    *(Claim(arm, BAR, f"{words} beats the bar", {}) for arm, words in (
        ("finetune", "fine-tuning"), ("deeper", "a new layer on top"), ("wider", "width"),
        ("joint", "width and depth"), ("recursive", "width twice"))),
    Claim("wider", "normalized", "new units add to normalization", {}),
    Claim("wider", "features", "new units add to the features that they read", {}),
    Claim("wider", "random", "new units that learn beat random ones", {}),
    Claim("wider", "longer", "new units add to as much training", {}),
    Claim("recursive", "normalized", "new units twice add to normalization", {}),
    Claim("recursive", "features-recursive", "new units twice add to the features that they read", {}),
    Claim("recursive", "random-recursive", "new units twice that learn beat random ones", {}),
    Claim("recursive", "longer", "new units twice add to as much training", {}),
    Claim("wider", "wider", "growing on an intermediate task helps growing on this one", {"ALL": 13.0},
          "table 8, SUN to MIT-67", "wider", ""),
    Claim("finetune", "finetune", "fine-tuning on an intermediate task helps, too", {}, "", "finetune", ""),
    Claim("wider", "wider", "growing there is better than fine-tuning there", {}, "", "wider", "finetune"),
)  # fmt: skip
"""In the order in which they are reported."""

REPRODUCED, OPPOSITE, OPEN = "reproduced", "the opposite", "not distinguishable"
YES, NO = "yes", "no, the opposite"
NOT_RUN, FAILED = "not run", "failed"
LEVEL = 0.05
"""A verdict is given where p, corrected for all claims of a page, is below this."""


def verdict(found: MeanDifference, paper: float | None, p: float) -> str:
    """What ``found`` says of a claim: its sign, where ``p`` (corrected) and the interval leave one."""
    sign = found.sign if p < LEVEL else 0
    if sign == 0:
        return OPEN
    if paper is None:
        return YES if sign > 0 else NO
    return REPRODUCED if sign * paper > 0 else OPPOSITE
