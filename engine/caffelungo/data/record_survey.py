"""Surveys the records of a database before training: kinds, shapes and labels, without reading pixels."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from caffelungo.data import datum
from caffelungo.data.datum import Header
from caffelungo.data.lmdb_reader import LmdbReader
from caffelungo.errors import Problem
from caffelungo.wording import counted

ALIKE = "make the database again with samples of one kind"


@dataclass(frozen=True)
class Survey:
    """The label of every record (0 where it has none, as Caffe reads it), and what is wrong or worth knowing.

    ``encoded``: how many records are picture files.
    """

    labels: NDArray[np.int64]
    problems: list[Problem]
    notices: list[str]
    encoded: int


@dataclass
class _Faults:
    """Faults of one kind: how many, and the first."""

    first: int
    received: str
    remedy: str
    count: int = 1


@dataclass
class _Surveyor:
    """Compares each record with the first one. ``crop`` is 0 where pictures are not cut, ``resized`` where any size
    will do."""

    crop: int
    resized: bool
    first: Header | None = None
    missing: int = 0
    encoded: int = 0
    faults: dict[str, _Faults] = field(default_factory=dict)

    def fault(self, index: int, what: str, received: str, remedy: str) -> None:
        if what in self.faults:
            self.faults[what].count += 1
        else:
            self.faults[what] = _Faults(index, received, remedy)

    def see(self, index: int, found: Header) -> None:
        self.missing += found.label is None
        self.encoded += found.encoded
        if wrong := found.fault():
            self.fault(index, *wrong)
        elif not found.encoded:
            self.first = self.first or found
            self._compare(index, found, self.first)

    def _compare(self, index: int, found: Header, first: Header) -> None:
        if bool(found.size) != bool(first.size):
            kinds = ["bytes" if one.size else "floats" for one in (found, first)]
            self.fault(index, "byte and float samples are mixed", f"{kinds[0]} after {kinds[1]}", ALIKE)
        if found.shape == first.shape:
            return
        received = f"{'x'.join(map(str, found.shape))} after {'x'.join(map(str, first.shape))}"
        if found.channels != first.channels:
            self.fault(index, "samples have different numbers of channels", received, ALIKE)
        elif not self.resized and not self.crop:
            self.fault(
                index, "samples have different sizes", received,
                "resize them to one size: `transform_param { lungo { resize_height: ... resize_width: ... } }`",
            )  # fmt: skip
        elif not self.resized and min(found.height, found.width) < self.crop:
            self.fault(
                index, "a sample is smaller than the crop", f"{received}, crop_size {self.crop}",
                "use a smaller crop_size, or resize the samples in the data layer (lungo { resize_height: ... })",
            )  # fmt: skip


def survey(reader: LmdbReader, *, crop: int = 0, resized: bool = False, labelled: bool = True) -> Survey:
    """Look at every record of ``reader``; a fault of one kind is reported once, with its first record and the number.

    ``labelled``: whether labels are read, so that a missing one is worth a notice.
    """
    labels = np.zeros(reader.size, np.int64)
    seen = _Surveyor(crop, resized)
    for index in range(reader.size):
        try:
            found = datum.header(reader.glance(index))
        except ValueError as error:
            seen.fault(index, "database record is not a Datum", str(error), "make the whole database again")
            continue
        labels[index] = found.label or 0
        seen.see(index, found)
    problems = [
        Problem(
            what, reader.where(one.first),
            one.received + (f"; {one.count} of {counted(reader.size, 'record')}" if one.count > 1 else ""), one.remedy,
        )
        for what, one in seen.faults.items()
    ]  # fmt: skip
    notices = []
    if labelled and seen.missing:
        notices.append(
            f"{seen.missing} of {counted(reader.size, 'record')} without a label count as class 0; set `label` in each "
            "when making the database"
        )
    return Survey(labels, problems, notices, seen.encoded)
