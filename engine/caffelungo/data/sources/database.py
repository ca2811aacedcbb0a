"""Data: samples of an LMDB database of Datums, in the order of the keys (Caffe: DataLayer)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caffelungo.data import datum, preprocess
from caffelungo.data.class_balanced_order import class_balanced
from caffelungo.data.data_transformer import PictureDataSource
from caffelungo.data.lmdb_reader import LmdbReader
from caffelungo.data.record_survey import Survey, survey
from caffelungo.data.sample_order import SampleOrder
from caffelungo.data.source import Opening, SampleBatch, stacked
from caffelungo.errors import Location, Problem, UserError
from caffelungo.files import find
from caffelungo.wording import counted

IN_MEMORY = 256 << 20
"""Databases of raw samples up to this size, in bytes, are read once and kept."""


class DatabaseSource(PictureDataSource):
    """Top 0 is the sample, top 1 (if named) its label. Encoded pictures are decoded, in colour unless forced."""

    def __init__(self, param: Any, opening: Opening) -> None:
        super().__init__(param, opening)
        options = param.data_param
        self.path = find_database(options.source, opening.beside, opening.at("source"))
        self.reader = LmdbReader(self.path)
        if not self.reader.size:
            raise UserError(
                "the database is empty",
                where=Location(str(self.path)),
                received="0 records",
                remedy="make it again with `lungo convert_imageset`, and check what it reports about missing pictures",
            )
        if opening.shuffle:
            self.notice("a database is read in its own order; shuffle it when you make it (convert_imageset -shuffle)")
        self.size = self.reader.size
        self.order = SampleOrder(
            self.size, options.batch_size or 1, seed=opening.seed, skip=options.rand_skip, once=opening.once
        )
        self.color = True if self.transform.force_color else False if self.transform.force_gray else None
        first = datum.parse(self.reader.first(), str(self.path))
        sample = self._decoded(first, str(self.path))
        stated = preprocess.read_beside(self.path) if self.path.is_dir() else None
        self.settle(*sample.shape, source=f"database {self.path}", stated=stated)
        if stated is None:
            self._assume(first, sample)
        self._odd(datum.of(first))
        self._kept: tuple[NDArray[Any], NDArray[np.int64]] | None = None
        self._survey: Survey | None = None
        self.order = class_balanced(self, lambda: self._surveyed().labels, options) or self.order
        self.small = not first.encoded and sample.nbytes * self.size <= IN_MEMORY
        self.heavy = self.ahead = not self.small
        self.plain = not (self.crop or self.resize[0] or self.augmentations or self.transform.mirror)

    def _assume(self, first: Any, sample: NDArray[Any]) -> None:
        """Say in the record what a database without a record leaves open."""
        if sample.shape[0] == 3 and not self.extras.HasField("channel_order"):
            self.record.assumed.append("channel_order")
        if not first.encoded and not self.resize[0] and sample.dtype == np.uint8:
            self.record.resize_height, self.record.resize_width = sample.shape[1:]
            self.record.assumed.extend(["resize_height", "resize_width"])

    def _odd(self, first: datum.Header) -> None:
        """Say what Caffe takes without a word, though it is hardly meant."""
        if first.turned:
            self.notice(
                f"samples of channels {first.channels}, height {first.height}, width {first.width} look like pictures "
                f"stored as height x width x channels ({counted(first.width, 'channel')} of "
                f"{first.channels}x{first.height}). "
                "Caffe stores channels x height x width: transpose each with numpy's transpose(2, 0, 1) before "
                "tobytes(), or make the database with `lungo convert_imageset`"
            )
        if first.size and first.floats and not first.encoded:
            self.notice("records contain both `data` and `float_data`: the bytes of `data` are used, as in Caffe")

    def _decoded(self, message: Any, name: str) -> NDArray[Any]:
        return self._resized(datum.array(message, name, color=self.color))

    def _resized(self, sample: NDArray[Any]) -> NDArray[Any]:
        return self.resized(sample.transpose(1, 2, 0)).transpose(2, 0, 1) if self.resize[0] else sample

    def _in_memory(self) -> tuple[NDArray[Any], NDArray[np.int64]] | None:
        """Samples and labels of a small database, read once; None where it is large or has several shapes."""
        if self._kept is None and self.small:
            name = str(self.path)
            first = datum.array(datum.parse(self.reader.first(), name), name)
            samples = np.empty((self.reader.size, *first.shape), first.dtype)
            labels = np.empty(self.reader.size, np.int64)

            def keep(index: int, record: bytes) -> None:
                message = datum.parse(record, name)
                sample = datum.array(message, f"{name}, record {index}")
                if sample.shape != first.shape or sample.dtype != first.dtype:
                    self.small = False
                else:
                    samples[index], labels[index] = sample, message.label

            self.reader.each(keep)
            self._kept = (samples, labels) if self.small else None
        return self._kept

    def batch(self, k: int) -> SampleBatch:
        assert self.order is not None
        epoch, index = self.order.samples(k)
        kept = self._in_memory()
        if kept is not None and self.plain:
            return self._plain(*kept, index)
        if kept is not None:
            samples = [self._resized(kept[0][i]) for i in index]
            labels = kept[1][index]
        else:
            messages = [datum.parse(self.reader.record(int(i)), str(self.path)) for i in index]
            pairs = zip(messages, index, strict=True)
            samples = [self._decoded(message, str(self.reader.where(int(i)))) for message, i in pairs]
            labels = np.array([message.label for message in messages], np.int64)
        return self.placed(samples, epoch, index, self._batch_labels(labels), self.reader.where)

    def _plain(self, samples: NDArray[Any], labels: NDArray[np.int64], index: NDArray[np.int64]) -> SampleBatch:
        """Samples that are used as they are: one slice of what is kept in memory."""
        run = not (self.order and self.order.shuffle) and len(index) == index[-1] - index[0] + 1
        picked = samples[index[0] : index[-1] + 1] if run else samples[index]
        if self.reverses:
            picked = np.ascontiguousarray(picked[:, ::-1])
        values = self._batch_labels(labels[index])
        return SampleBatch((picked,) if values is None else (picked, values))

    def _batch_labels(self, labels: NDArray[np.int64]) -> NDArray[np.float32] | None:
        return stacked(labels + int(self.extras.label_offset)) if len(self.names) > 1 else None

    def sample(self, index: int) -> NDArray[Any]:
        name = str(self.reader.where(index))
        return self._decoded(datum.parse(self.reader.record(index), name), name)

    def survey(self) -> list[Problem]:
        known = self._surveyed()
        for text in known.notices:
            if f"layer `{self.name}`: {text}" not in self.notices:
                self.notice(text)
        return known.problems

    def _surveyed(self) -> Survey:
        if self._survey is None:
            resized = bool(self.resize[0] or self.augmentations.resizes)
            self._survey = survey(self.reader, crop=self.crop, resized=resized, labelled=len(self.names) > 1)
        return self._survey

    def labels(self) -> NDArray[np.int64] | None:
        return self._surveyed().labels + int(self.extras.label_offset) if len(self.names) > 1 else None

    @property
    def encoded(self) -> bool:
        """Whether any record is a picture file."""
        return bool(self._surveyed().encoded)

    def unusable(self, index: int) -> Problem | None:
        """Why the picture file in record ``index`` cannot be used; None where it can, or is none."""
        try:
            message = datum.parse(self.reader.record(index), str(self.path))
            if message.encoded and not datum.of(message).fault():
                where = self.reader.where(index)
                return self.misfit(self._decoded(message, str(where)).shape, where)
        except UserError as error:
            return error.problems[0]
        return None

    def place(self, index: int) -> Location:
        return self.reader.where(index)


def find_database(source: str, beside: str | None, where: Location | None = None) -> Path:
    """The LMDB database that ``source`` names; UserError when it is missing, a LevelDB, or no database."""
    path = find(source, beside, what="database", where=where)
    if path.is_file() or (path / "data.mdb").is_file():
        return path
    leveldb = (path / "CURRENT").is_file() and any(path.glob("MANIFEST-*"))
    raise UserError(
        "LevelDB databases are not read" if leveldb else "the folder contains no LMDB database",
        where=where,
        received=f"{path.resolve()}{' (a LevelDB)' if leveldb else ', which has no data.mdb'}",
        remedy="make an LMDB from the pictures: `lungo convert_imageset ROOTFOLDER/ LISTFILE DB_NAME`"
        + (", then set `backend: LMDB`" if leveldb else ""),
    )
