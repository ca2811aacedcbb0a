"""How far the pictures are from those that a net was trained on, and what its features say of the new classes."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caffelungo.advising.net_features import NetFeatures
from caffelungo.data.image_list import pictures_below
from caffelungo.errors import Location, UserError
from caffelungo.evidence.domain_classifier import DomainSeparation, domain_separation
from caffelungo.evidence.frechet import SourceDistance, distance_to_pictures
from caffelungo.evidence.h_score import HScore, h_score
from caffelungo.evidence.leep_nce import SourceScores, source_scores
from caffelungo.evidence.logme import LogmeScore, logme
from caffelungo.wording import counted

LEAST = 20
"""Pictures of the source that a distance needs."""


@dataclass(frozen=True)
class SourceFindings:
    """``distance`` and ``separation`` to the source (None where nothing is known of it, as ``why`` says), and scores of
    the net's last stage; ``answers`` are those of its own classifier, None without one."""

    read: NetFeatures
    distance: SourceDistance | None
    separation: DomainSeparation | None
    why: str
    logme: LogmeScore
    h_score: HScore
    answers: SourceScores | None

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "net": self.read.net, "size": self.read.size, "logme": self.logme.score, "h_score": self.h_score.score,
            "h_score_most": self.h_score.most,
            "leep": self.answers.leep if self.answers else None, "nce": self.answers.nce if self.answers else None,
            "leep_floor": self.answers.floor if self.answers else None,
            "frechet": {**asdict(self.distance), "apart": self.distance.apart} if self.distance else None,
            "domain_classifier": asdict(self.separation) if self.separation else None, "source": self.why,
        }  # fmt: skip


def findings(read: NetFeatures, source: NDArray[np.float32] | None, labels: NDArray[np.int64]) -> SourceFindings:
    """Of ``read``; ``source`` (M x D) are the features of pictures of its source, None where none are named."""
    distance, separation = None, None
    target = read.last
    if source is not None:
        distance = distance_to_pictures(source, target)
        separation = domain_separation(source, target)
        why = f"{counted(len(source), 'picture')} that --source names"
    else:
        why = "no sample of what the net was trained on is named: --source folder/"
    answers = source_scores(read.answers, labels) if read.answers is not None else None
    return SourceFindings(read, distance, separation, why, logme(target, labels), h_score(target, labels), answers)


def source_pictures(folder: str) -> list[str]:
    """The pictures anywhere below ``folder``. UserError where it is no folder, or there are too few."""
    root = Path(folder)
    paths = [str((root / name).absolute()) for name in pictures_below(root)] if root.is_dir() else []
    if len(paths) < LEAST:
        raise UserError(
            f"a sample of the source needs at least {LEAST} pictures",
            where=Location(folder),
            received=counted(len(paths), "picture") if root.is_dir() else "no folder",
            remedy="name a folder of pictures of the kind that the net was trained on, or remove --source",
        )
    return paths
