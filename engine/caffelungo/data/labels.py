"""Checks labels before the first iteration: range, gaps, order, and whether the net's head has enough outputs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caffelungo.errors import Location, Problem
from caffelungo.wording import counted, listed

PLACES = 3
"""Samples whose places a message lists, each with another wrong label."""
NO_SAMPLE = "without a sample"
WIDE = 1 << 16
"""Labels that are counted in a table."""


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
    firsts: dict[int, int] = field(default_factory=dict)
    """The first sample of each label that some reader may have no class for."""
    single: bool = True
    """Whether each sample has one label, not a map of them."""

    @property
    def classes(self) -> int:
        return len(self.counts)

    def describe(self) -> str:
        """One line for people."""
        least, most = min(self.counts.values()), max(self.counts.values())
        each = f"{least}" if least == most else f"{least} to {most}"
        classes = f"{counted(self.classes, 'class')} ({self.minimum} to {self.maximum})"
        return f"{counted(self.size, 'label')}, {classes}, {counted(each, 'sample')} per class"


def scan(labels: NDArray[np.int64], ignore: int | None = None) -> LabelReport:
    """Look at all ``labels`` (in the order in which they will come); ``ignore`` is the loss's ignore_label."""
    tally = Tally(2**62)
    tally.add(0, labels)
    return tally.report(ignore)


class Tally:
    """Counts labels block by block: of maps there may be more than memory holds.

    ``classes``: labels from 0 on that are fine for every reader, of which no place is kept.
    """

    def __init__(self, classes: int) -> None:
        self.classes = classes
        self.samples = 0
        self.counts: dict[int, int] = {}
        self.firsts: dict[int, int] = {}
        self._strange: tuple[int, float] | None = None
        self._fraction: tuple[int, float] | None = None
        self._single: list[NDArray[np.int64]] | None = []

    def add(self, first: int, values: NDArray[Any]) -> None:
        """Count ``values`` (samples x any shape), of which the first sample is number ``first``."""
        rows = values.reshape(len(values), -1) if len(values) else values.reshape(0, 1)
        self.samples += len(rows)
        if not rows.size:
            return
        numbers = self._whole(first, rows)
        low, high = int(numbers.min()), int(numbers.max())
        if 0 <= high - low < WIDE:
            counts = np.bincount((numbers - low).ravel())
            present = np.flatnonzero(counts)
            found = zip((present + low).tolist(), counts[present].tolist(), strict=True)
        else:
            present, counts = np.unique(numbers, return_counts=True)
            found = zip(present.tolist(), counts.tolist(), strict=True)
        for label, number in found:
            if not 0 <= label < self.classes and label not in self.firsts and len(self.firsts) < WIDE:
                self.firsts[label] = first + int(np.argmax(numbers == label)) // rows.shape[1]
            self.counts[label] = self.counts.get(label, 0) + number
        if self._single is not None and rows.shape[1] == 1:
            self._single.append(numbers.ravel())
        else:
            self._single = None

    def _whole(self, first: int, rows: NDArray[Any]) -> NDArray[np.int64]:
        """``rows`` cut to whole numbers, as the layers cut them; keeps what is none."""
        if rows.dtype.kind != "f":
            return rows.astype(np.int64)
        finite = np.isfinite(rows)
        if not finite.all():
            at = int(np.argmin(finite.ravel()))
            self._strange = self._strange or (first + at // rows.shape[1], float(rows.ravel()[at]))
            rows = np.where(finite, rows, 0)
        numbers = np.clip(rows, -(2.0**62), 2.0**62).astype(np.int64)
        if self._fraction is None and (apart := numbers != rows).any():
            at = int(np.argmax(apart.ravel()))
            self._fraction = first + at // rows.shape[1], float(rows.ravel()[at])
        return numbers

    def report(self, ignore: int | None = None) -> LabelReport:
        """What was counted, without the label ``ignore``."""
        counts = {label: number for label, number in sorted(self.counts.items()) if label != ignore}
        single = self._single is not None
        if not counts:
            return LabelReport(0, 0, -1, {}, (), False, single=single)
        top = min(max(counts), 100_000)
        gaps = tuple(label for label in range(top + 1) if label not in counts)
        runs = False
        if self._single is not None:
            every = np.concatenate(self._single)
            used = every if ignore is None else every[every != ignore]
            runs = _in_runs(used, np.array(list(counts.values())))
        size = sum(counts.values())
        return LabelReport(size, min(counts), max(counts), counts, gaps, runs, self.firsts, single)

    def no_numbers(
        self, layer: str, where: Location | None, place: Callable[[int], Location] | None = None
    ) -> list[Problem]:
        """A problem for labels that are NaN or infinite."""
        if self._strange is None:
            return []
        sample, value = self._strange
        return [
            Problem(
                f"labels of layer `{layer}` are not numbers", where, f"{value} at {_at(sample, place)}",
                "write the class of each sample, an integer from 0 on",
            )
        ]  # fmt: skip

    def fraction(self, place: Callable[[int], Location] | None = None) -> str | None:
        """A notice of labels that are cut to whole numbers."""
        if self._fraction is None:
            return None
        sample, value = self._fraction
        return f"labels are truncated to integers, as in Caffe: {value:g} at {_at(sample, place)}"


def _at(sample: int, place: Callable[[int], Location] | None) -> str:
    return f"sample {sample}" if place is None else str(place(sample))


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
    place: Callable[[int], Location] | None = None,
    reader: str = "",
) -> list[Problem]:
    """A problem for labels outside 0 .. ``outputs`` - 1, the number of classes the loss sees.

    ``layer`` is the data layer's name, ``offset`` its label_offset, which the labels in ``report`` already contain.
    ``can_offset`` says whether that layer type has a transform_param to put an offset into, ``place`` where a sample
    is found, ``reader`` which layer has those outputs.
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
        remedy = "number the classes from 0; remove samples without a class, or give the loss an ignore_label"
    else:
        remedy = f"set `num_output: {high + 1}` in the classifier, or correct the labels"
        if high > outputs and [label for label in report.counts if label >= outputs] == [high]:
            mark = f"`ignore_label: {high}` (in loss_param and accuracy_param)"
            remedy = f"if {high} marks samples without a class, write {mark}; else {remedy}"
    bad = sum(number for label, number in report.counts.items() if not 0 <= label < outputs)
    what = f"labels of layer `{layer}` do not fit the classifier" if layer else "labels do not fit the classifier"
    received = f"labels {low} to {high} for {outputs} outputs (0 to {outputs - 1}); {bad} of {report.size} are outside"
    if reader:
        received += f" for {reader}"
    wrong = sorted((sample, label) for label, sample in report.firsts.items() if not 0 <= label < outputs)
    wrong = [(sample, label) for sample, label in wrong if label in report.counts]
    if place is not None and wrong:
        received += f": {', '.join(f'{label} at {place(sample)}' for sample, label in wrong[:PLACES])}"
        received += " ..." if len(wrong) > PLACES else ""
    return [Problem(what, where, received, remedy)]


def notices(report: LabelReport, outputs: int | None = None, *, layer: str = "", shuffled: bool = False) -> list[str]:
    """What is allowed but worth saying about the labels of ``layer``."""
    start = f"layer `{layer}`: " if layer else ""
    found = []
    if report.classes == 1:
        found.append(f"{start}every sample has label {report.minimum}; there is only one class")
    gaps = set(report.gaps)
    if outputs is not None and 0 <= report.maximum < outputs:
        gaps.update(range(report.maximum + 1, min(outputs, report.maximum + 100_001)))
    if gaps:
        found.append(f"{start}{counted(len(gaps), 'class')} {NO_SAMPLE}: {listed(sorted(gaps))}")
    if report.in_runs and not shuffled:
        found.append(
            f"{start}labels are sorted, and this source keeps the file's order: each batch has few classes, "
            "and the loss will jump; shuffle them (convert_imageset -shuffle, or `shuffle: true` for HDF5Data)"
        )
    return found
