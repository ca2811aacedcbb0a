"""Labels looked at before the first iteration: range, gaps, order, and whether the net's head has room for them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from caffelungo.errors import Location, Problem

SHOWN = 10
"""Classes that a message lists one by one."""


@dataclass(frozen=True)
class LabelReport:
    """What ``scan`` found. ``counts`` maps each label to its number of samples, in the order of the labels.

    ``gaps`` are labels between 0 and the largest that no sample has. ``in_runs``: samples of one class follow each
    other, far more often than in a shuffled order.
    """

    size: int
    minimum: int
    maximum: int
    counts: dict[int, int]
    gaps: tuple[int, ...]
    in_runs: bool

    @property
    def classes(self) -> int:
        return len(self.counts)

    def describe(self) -> str:
        """One line for people."""
        least, most = min(self.counts.values()), max(self.counts.values())
        each = f"{least}" if least == most else f"{least} to {most}"
        return f"{self.size} labels, {self.classes} classes ({self.minimum} to {self.maximum}), {each} samples a class"


def scan(labels: NDArray[np.int64], ignore: int | None = None) -> LabelReport:
    """Look at all ``labels`` (in the order in which they will come); ``ignore`` is the loss's ignore_label."""
    used = labels if ignore is None else labels[labels != ignore]
    if not used.size:
        return LabelReport(0, 0, -1, {}, (), False)
    values, numbers = np.unique(used, return_counts=True)
    counts = {int(value): int(number) for value, number in zip(values, numbers, strict=True)}
    present = set(counts)
    top = min(int(values[-1]), 100_000)
    gaps = tuple(label for label in range(top + 1) if label not in present)
    return LabelReport(used.size, int(values[0]), int(values[-1]), counts, gaps, _in_runs(used, numbers))


def _in_runs(labels: NDArray[np.int64], numbers: NDArray[np.int64]) -> bool:
    share = numbers / labels.size
    expected = labels.size * (1 - float((share**2).sum()))
    changes = int((labels[1:] != labels[:-1]).sum())
    return labels.size >= 20 and expected >= 4 and changes < expected / 4


def check(
    report: LabelReport,
    outputs: int,
    *,
    layer: str = "",
    offset: int = 0,
    can_offset: bool = True,
    where: Location | None = None,
) -> list[Problem]:
    """A problem for labels outside 0 .. ``outputs`` - 1, the number of classes the loss sees.

    ``layer`` is the data layer's name, ``offset`` its label_offset, which the labels in ``report`` already contain.
    ``can_offset`` says whether that layer type has a transform_param to put an offset into.
    """
    if not report.size or (report.minimum >= 0 and report.maximum < outputs):
        return []
    low, high = report.minimum, report.maximum
    if offset and low >= offset and high - offset < outputs:
        remedy = f"remove `label_offset: {offset}` from layer `{layer}`; the labels start at 0 without it"
    elif low == 1 and high == outputs:
        start = "the labels start at 1 and must start at 0"
        remedy = f"{start}: subtract 1 from each when the file is written"
        if can_offset:
            block = f"lungo {{ label_offset: {offset - 1} }}"
            remedy = f"{start}: write `{block}` inside `transform_param {{ }}` of layer `{layer}`"
    elif low < 0:
        remedy = "number the classes from 0; leave samples without a class out, or give the loss an ignore_label"
    else:
        remedy = f"set `num_output: {high + 1}` in the classifier, or correct the labels"
    bad = sum(number for label, number in report.counts.items() if not 0 <= label < outputs)
    what = f"labels of layer `{layer}` do not fit the classifier" if layer else "labels do not fit the classifier"
    received = f"labels {low} to {high} for {outputs} outputs (0 to {outputs - 1}); {bad} of {report.size} are outside"
    return [Problem(what, where, received, remedy)]


def notices(report: LabelReport, outputs: int | None = None, *, layer: str = "", shuffled: bool = False) -> list[str]:
    """What is allowed but worth saying about the labels of ``layer``."""
    start = f"layer `{layer}`: " if layer else ""
    found = []
    if report.classes == 1:
        found.append(f"{start}every sample has label {report.minimum}; there is nothing to tell apart")
    gaps = set(report.gaps)
    if outputs is not None and 0 <= report.maximum < outputs:
        gaps.update(range(report.maximum + 1, min(outputs, report.maximum + 100_001)))
    if gaps:
        found.append(f"{start}{len(gaps)} class(es) have no sample: {listed(sorted(gaps))}")
    if report.in_runs and not shuffled:
        found.append(
            f"{start}labels come sorted, and this source keeps the file's order: each batch sees few classes, "
            "and the loss will jump; shuffle them (convert_imageset -shuffle, or `shuffle: true` for HDF5Data)"
        )
    return found


def listed(items: Iterable[object], shown: int = SHOWN) -> str:
    """``a, b, c and 5 more``."""
    texts = [str(item) for item in items]
    more = f" and {len(texts) - shown} more" if len(texts) > shown else ""
    return ", ".join(texts[:shown]) + more
