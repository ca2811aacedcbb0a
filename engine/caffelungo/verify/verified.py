"""What `lungo verify` found: blobs, weights by layer, the scores of classifiers."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from caffelungo.verify.matching_blobs import CHANGED, EQUAL, IDENTICAL, Blob


@dataclass(frozen=True)
class LayerWeights:
    """The weights of one layer of the later net (of the earlier one where it is gone); ``note`` says more."""

    layer: str
    type: str
    status: str
    note: str = ""


@dataclass(frozen=True)
class ClassifierScores:
    """A classifier of the first net: its scores in the second, and for how many samples the best class is the same."""

    layer: str
    status: str
    difference: float = math.nan
    same: tuple[int, int] | None = None
    now: str = ""


@dataclass(frozen=True)
class Verified:
    """What was found. ``blobs`` and ``parameters`` are in the order of the later net; ``inputs`` says what was fed."""

    before: str
    after: str
    inputs: str
    blobs: tuple[Blob, ...]
    parameters: tuple[LayerWeights, ...]
    answers: tuple[ClassifierScores, ...]
    notices: tuple[str, ...]
    verdict: str

    @property
    def kept(self) -> bool:
        """Whether everything old is identical or equal, and there was something to compare."""
        return self.first is None and bool(self.compared)

    @property
    def compared(self) -> list[Blob]:
        """The old blobs that are what they were, the inputs left out."""
        return [blob for blob in self.blobs if blob.status in (IDENTICAL, EQUAL) and blob.type != "Input"]

    @property
    def exit_status(self) -> int:
        return 0 if self.kept else 1

    @property
    def first(self) -> Blob | None:
        """The first blob that differs."""
        return next((blob for blob in self.blobs if blob.status == CHANGED), None)

    def facts(self) -> dict[str, Any]:
        """Everything, for JSON: null where there is no number, "inf" where nothing can be compared."""
        made = asdict(self) | {"kept": self.kept}
        for one in (*made["blobs"], *made["answers"]):
            value = one["difference"]
            one["difference"] = None if math.isnan(value) else "inf" if math.isinf(value) else value
        return made
