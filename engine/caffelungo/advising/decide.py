"""The recommendation, in sentences that rest on numbers found.

CS231n, Transfer learning (https://cs231n.github.io/transfer-learning/): few or many pictures, near to or far from what
the net was trained on, and what is done in each of the four cases.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Any

import numpy as np

from caffelungo.advising.choice import ContenderRow
from caffelungo.advising.expected import ExpectedAccuracy, with_training
from caffelungo.advising.findings import AHEAD, AdviceFindings
from caffelungo.advising.trials import Trial
from caffelungo.probes.candidates import JOINED
from caffelungo.wording import counted, listed

FEW = 50
"""Pictures per class below which a set is small. Of near targets fine-tuning gains little at 20 to 100 per class, of
far and fine-grained ones 20 points at 40 to 70 (T. Chen et al., A Simple Framework for Contrastive Learning of Visual
Representations, ICML 2020, table B.5)."""
GROWN = 64
"""New units that growing is suggested with."""
FEATURES, FINETUNE, UNSURE = "features only", "fine-tune", "not sure"


@dataclass(frozen=True)
class Decision:
    """``what`` is one of FEATURES, FINETUNE and UNSURE; ``freeze_to`` is the layer up to which nothing should learn.

    ``expected`` is the accuracy of what is recommended. ``sentences`` say it all.
    """

    what: str
    small: bool
    far: bool
    freeze_to: str
    expected: ExpectedAccuracy
    sentences: list[str] = field(default_factory=list)

    @property
    def quadrant(self) -> str:
        """The case of CS231n."""
        return f"{'small' if self.small else 'large'}, {'far from' if self.far else 'near to'} the source"

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "what": self.what, "quadrant": self.quadrant, "freeze_to": self.freeze_to or None,
            "expected": self.expected.plain(), "sentences": self.sentences,
        }  # fmt: skip


def decide(found: AdviceFindings) -> Decision:
    """What to do, from what was ``found``."""
    small = found.pictures.per_class < FEW
    far, why_far = _far(found)
    trial = max(found.trials, key=lambda one: one.difference[0], default=None)
    what, why = _what(trial, small, far)
    expected = found.expected
    if what == FINETUNE and trial is not None:
        expected = with_training(expected, np.stack([one.gains for one in found.trials]))
    made = Decision(what, small, far, trial.freeze_to if trial is not None and what == FINETUNE else "", expected)
    made.sentences.extend(
        [
            _where(made, found, why_far), _reads(found), why, _accuracy(made, found), *_classes(found), *_more(found),
            *_units(made, trial), *_scores(found), *_labels(found),
        ]
    )  # fmt: skip
    return made


def _far(found: AdviceFindings) -> tuple[bool, str]:
    """Whether an earlier stage beats the last by more than chance; the best of several is so by chance, too."""
    chosen = found.best.contender.read
    rows = {row.contender.candidate.name: row for row in found.rows if row.contender.read is chosen}
    last = rows[chosen.stages[-1]]
    earlier = [rows[stage] for stage in chosen.stages[:-1]]
    if not earlier:
        return False, "the net has one stage only"
    ahead = max(earlier, key=lambda row: row.accuracy)
    gains = ahead.right.astype(np.float64) - last.right.astype(np.float64)
    sure = NormalDist().inv_cdf(1 - 0.025 / len(earlier)) * float(np.sqrt((gains.var() + 1e-3) / len(gains)))
    words = (
        f"its last stage alone reaches {last.accuracy:.1%}, and the best earlier one "
        f"({ahead.contender.candidate.name}) {ahead.accuracy:.1%}"
    )
    if float(gains.mean()) > sure:
        return True, f"{words}: more than chance explains"
    return False, f"{words}: no more than chance explains"


def _what(trial: Trial | None, small: bool, far: bool) -> tuple[str, str]:
    if trial is None:
        if small and not far:
            return FEATURES, (
                "Use the features as they are: of few pictures near to the source fine-tuning gains little. No "
                "fine-tuning was tried for lack of time; `run.sh` tries it, and keeps it where it gains."
            )
        return UNSURE, (
            "No fine-tuning was tried for lack of time (--minutes gives it more). `run.sh` fine-tunes, and keeps the "
            "result only where it gains on pictures that it held out."
        )
    mean, low, high = trial.difference
    tried = (
        f"{100 * mean:+.1f} points ({100 * low:+.1f} to {100 * high:+.1f}) on {counted(len(trial.right), 'picture')} "
        f"that had no part in it, after {trial.passes:.1f} of {trial.full} passes"
    )
    if low > 0:
        return FINETUNE, f"Fine-tune {trial.title}: the trial gained {tried}. Run `run.sh`."
    if high <= 0:
        return FEATURES, f"Use the features as they are: the best trial of fine-tuning changed accuracy by {tried}."
    return UNSURE, (
        f"Not sure between the features as they are and fine-tuning {trial.title}: the trial changed accuracy by "
        f"{tried}. `run.sh` trains longer, and keeps the result only where it gains on pictures that it held out."
    )


def _where(made: Decision, found: AdviceFindings, why_far: str) -> str:
    per = found.pictures.per_class
    return (
        f"The set is {'small' if made.small else 'large'} ({per:.0f} pictures per class, {FEW} is the border) and "
        f"{'far from' if made.far else 'near to'} what {found.best.contender.read.net} was trained on: {why_far}."
    )


def _reads(found: AdviceFindings) -> str:
    row = found.best
    one = row.contender
    what = "all stages joined, each normalized to unit length" if one.candidate.name == JOINED else one.candidate.name
    text = f"Read {what} of {one.read.net} at {one.read.size} px ({row.accuracy:.1%} in cross-validation)."
    if one.candidate.name == JOINED:
        lengths = one.read.lengths()
        text += (
            f" Without normalizing, stages would count up to {max(lengths.values()) / min(lengths.values()):.0f} times "
            "differently."
        )
    others = found.near_best()
    if others:
        text += f" Not distinguishable from it: {listed([_name(other, row) for other in others], 3)}."
    return text


def _name(row: ContenderRow, best: ContenderRow) -> str:
    one, ours = row.contender, best.contender
    where = "" if one.read is ours.read else f" of {one.read.net} at {one.read.size} px"
    return f"{one.candidate.name}{where} ({row.accuracy:.1%})"


def _accuracy(made: Decision, found: AdviceFindings) -> str:
    what = "The fine-tuned net" if made.what == FINETUNE else "The linear classifier"
    text = f"{what} is expected to reach {made.expected} on other pictures of this kind"
    text += f"; the mean recall of the classes was {found.balanced:.1%}." if found.pictures.ratio > 1.5 else "."
    return text


def _classes(found: AdviceFindings) -> list[str]:
    ratio = found.pictures.ratio
    if ratio < 2:
        return []
    return [f"The largest class has {ratio:.1f} times the pictures of the smallest, which the project corrects."]


def _more(found: AdviceFindings) -> list[str]:
    more = found.more()
    if more is None:
        return []
    return [
        f"{AHEAD:g} times the pictures would bring about {100 * more.value:+.1f} points ({100 * more.low:+.1f} to "
        f"{100 * more.high:+.1f}), by the learning curve of the linear classifier."
    ]


def _units(made: Decision, trial: Trial | None) -> list[str]:
    if made.what != FINETUNE or trial is None:
        return []
    return [
        f"As the features gain by learning ({100 * trial.difference[0]:+.1f} points), new units beside the old ones "
        f"may gain more: `lungo grow` on the project's net, with {GROWN} units in the last stage."
    ]


def _scores(found: AdviceFindings) -> list[str]:
    nets = list(dict.fromkeys(one.read.net for one in found.sources))
    if len(nets) < 2:
        return []
    by_score = max(found.sources, key=lambda one: one.logme.score).read.net
    by_probe = found.best.contender.read.net
    if by_score == by_probe:
        return [f"LogME and the linear classifiers prefer the same net, {by_probe}."]
    return [f"LogME prefers {by_score}, the linear classifiers {by_probe}: they are believed, as they are measured."]


def _labels(found: AdviceFindings) -> list[str]:
    torn, doubtful = len(found.pictures.torn), len(found.doubtful)
    sentences = []
    if torn:
        sentences.append(
            f"{counted(torn, 'pair of copies has', 'pairs of copies have')} different labels: one of the two is wrong."
        )
    if doubtful:
        sentences.append(
            f"Look at the {counted(doubtful, 'picture')} whose label is the least believed; the classifier's own "
            "mistakes are among them."
        )
    return sentences
