"""Data: samples of an LMDB database of Datums, in the order of the keys (Caffe: DataLayer)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caffelungo.data import datum, preprocess
from caffelungo.data.lmdb_reader import LmdbReader
from caffelungo.data.order import Order
from caffelungo.data.pictures import PictureSource
from caffelungo.data.source import Batch, Opening, stacked
from caffelungo.errors import Location, UserError
from caffelungo.files import find

IN_MEMORY = 256 << 20
"""Databases of raw samples up to this size, in bytes, are read once and kept."""


class DatabaseSource(PictureSource):
    """Top 0 is the sample, top 1 (if named) its label. Encoded pictures are decoded, in colour unless forced."""

    def __init__(self, param: Any, opening: Opening) -> None:
        super().__init__(param, opening)
        options = param.data_param
        self.path = find_database(options.source, opening.beside, opening.where)
        self.reader = LmdbReader(self.path)
        if not self.reader.size:
            raise UserError(
                "the database is empty",
                where=Location(str(self.path)),
                received="0 records",
                remedy="make it again with `lungo convert_imageset`, and look at what that says of missing pictures",
            )
        if opening.shuffle:
            self.notice("a database is read in its own order; shuffle when you make it (convert_imageset -shuffle)")
        self.size = self.reader.size
        self.order = Order(
            self.size, options.batch_size or 1, seed=opening.seed, skip=options.rand_skip, once=opening.once
        )
        self.color = True if self.transform.force_color else False if self.transform.force_gray else None
        first = datum.parse(self.reader.first(), str(self.path))
        sample = self._decoded(first, str(self.path))
        stated = preprocess.read_beside(self.path) if self.path.is_dir() else None
        self.settle(*sample.shape, source=f"database {self.path}", stated=stated)
        if stated is None:
            self._assume(first, sample)
        self._samples: NDArray[Any] | None = None
        self._labels: NDArray[np.int64] | None = None
        self.small = not first.encoded and sample.nbytes * self.size <= IN_MEMORY
        self.heavy = self.ahead = not self.small
        self.plain = not (self.crop or self.resize[0] or self.augmentations or self.transform.mirror)

    def _assume(self, first: Any, sample: NDArray[Any]) -> None:
        """Say in the record what a database without a record of its own leaves open."""
        if sample.shape[0] == 3 and not self.extras.HasField("channel_order"):
            self.record.assumed.append("channel_order")
        if not first.encoded and not self.resize[0] and sample.dtype == np.uint8:
            self.record.resize_height, self.record.resize_width = sample.shape[1:]
            self.record.assumed.extend(["resize_height", "resize_width"])

    def _decoded(self, message: Any, name: str) -> NDArray[Any]:
        sample = datum.array(message, name, color=self.color)
        if self.resize[0]:
            sample = self.resized(sample.transpose(1, 2, 0)).transpose(2, 0, 1)
        return sample

    def _kept(self) -> bool:
        """Read a small database into memory, once; False where its samples have several shapes."""
        if self._samples is None and self.small:
            name = str(self.path)
            first = datum.array(datum.parse(self.reader.first(), name), name)
            samples = np.empty((self.reader.size, *first.shape), first.dtype)
            labels = np.empty(self.reader.size, np.int64)
            for index, record in enumerate(self.reader.records()):
                message = datum.parse(bytes(record), name)
                sample = datum.array(message, f"{name}, record {index}")
                if sample.shape != first.shape or sample.dtype != first.dtype:
                    self.small = False
                    return False
                samples[index], labels[index] = sample, message.label
            self._samples, self._labels = samples, labels
        return self.small

    def batch(self, k: int) -> Batch:
        assert self.order is not None
        epoch, index = self.order.samples(k)
        if self._kept():
            assert self._samples is not None and self._labels is not None
            labels = self._batch_labels(self._labels[index])
            if self.plain:
                return self._plain(index, labels)
            samples = [self.resized(self._samples[i].transpose(1, 2, 0)).transpose(2, 0, 1) for i in index]
            return self.placed(samples, epoch, index, labels, self.reader.where)
        messages = [datum.parse(bytes(self.reader.record(int(i))), str(self.path)) for i in index]
        decoded = [
            self._decoded(message, str(self.reader.where(int(i)))) for message, i in zip(messages, index, strict=True)
        ]
        return self.placed(
            decoded, epoch, index, self._batch_labels([m.label for m in messages]), self.reader.where
        )

    def _plain(self, index: NDArray[np.int64], labels: NDArray[np.float32] | None) -> Batch:
        """Samples that are used as they are: one slice of what is kept in memory."""
        assert self._samples is not None
        run = len(index) == index[-1] - index[0] + 1
        picked = self._samples[index[0] : index[-1] + 1] if run else self._samples[index]
        if self.reverses:
            picked = np.ascontiguousarray(picked[:, ::-1])
        return Batch((picked,) if labels is None else (picked, labels))

    def _batch_labels(self, labels: Any) -> NDArray[np.float32] | None:
        if len(self.names) < 2:
            return None
        return stacked(np.asarray(labels, np.int64) + self.extras.label_offset)

    def labels(self) -> NDArray[np.int64] | None:
        if len(self.names) < 2:
            return None
        if not self._kept() and self._labels is None:
            self._labels = np.array([datum.label(record) for record in self.reader.records()], np.int64)
        assert self._labels is not None
        return self._labels + int(self.extras.label_offset)


def find_database(source: str, beside: str | None, where: Location | None = None) -> Path:
    """The LMDB database that ``source`` names; UserError when it is missing, a LevelDB, or no database."""
    path = find(source, beside, what="database", where=where)
    if path.is_file() or (path / "data.mdb").is_file():
        return path
    leveldb = (path / "CURRENT").is_file() and any(path.glob("MANIFEST-*"))
    raise UserError(
        "LevelDB databases are not read" if leveldb else "the folder holds no LMDB database",
        where=where,
        received=f"{path.resolve()}{' (a LevelDB)' if leveldb else ', which has no data.mdb'}",
        remedy="make an LMDB from the pictures: `lungo convert_imageset ROOTFOLDER/ LISTFILE DB_NAME`"
        + (", then set `backend: LMDB`" if leveldb else ""),
    )
