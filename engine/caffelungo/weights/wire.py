"""Protobuf's wire format, as far as blobs need it: numbers go between file and numpy without a Python object each.

``take_blobs`` splits a serialized message into the message without its BlobProtos (small, parsed by protobuf) and the
blobs as arrays. Each BlobProto leaves a BlobProto behind whose ``num`` is the blob's index, so that blobs keep their
place while the message is upgraded. Every length is checked against the bytes there are before memory is taken.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from caffelungo.weights.weights import Array
from caffelungo.wording import counted

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
BLOB = "blob"

LAYER = {7: BLOB}
V0_LAYER = {50: BLOB}
V1_LAYER = {6: BLOB, 1: V0_LAYER}
NET: Mapping[int, Any] = {100: LAYER, 2: V1_LAYER}
STATE: Mapping[int, Any] = {3: BLOB}
"""Field numbers on the way from a message to its BlobProtos (BVLC caffe.proto)."""

MAX_AXES = 32
MAX_BLOBS = 1_000_000
MAX_FIELDS = 5_000_000
"""More than any real file has; what a file of a few bytes a field may make Python do."""

_LEGACY = {1: 0, 2: 1, 3: 2, 4: 3}
_FLOATS: dict[int, np.dtype[Any]] = {5: np.dtype("<f4"), 8: np.dtype("<f8")}
_IGNORED = {6, 9}
_RAW_TYPE, _RAW_DATA = 10, 12
"""NVCaffe's raw_data_type and raw_data: little-endian numbers as they lie in memory, read where no others are."""
_RAW: dict[int, np.dtype[Any]] = {0: np.dtype("<f8"), 1: np.dtype("<f4"), 2: np.dtype("<f2")}
"""NVCaffe's enum Type, of which its INT, UINT and BOOL hold no weights."""


class WireError(ValueError):
    """The bytes are no message, or end too early; ``offset`` is where."""

    foreign = False
    """Whether the file is whole, and another program's."""

    def __init__(self, what: str, offset: int) -> None:
        super().__init__(what)
        self.offset = offset


class ForeignError(WireError):
    """The message is whole, but keeps its numbers where only a fork of Caffe looks."""

    foreign = True


@dataclass(frozen=True)
class WireField:
    """One field as it lies in the buffer: its tag starts at ``start``, its payload is ``[begin, end)``."""

    number: int
    kind: int
    start: int
    begin: int
    end: int
    value: int


def varint(buffer: memoryview, position: int, end: int) -> tuple[int, int]:
    """The varint at ``position`` and the position after it."""
    result = shift = 0
    while True:
        if position >= end:
            raise WireError("the file ends inside a number", position)
        byte = buffer[position]
        position += 1
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            return result & 0xFFFF_FFFF_FFFF_FFFF, position
        shift += 7
        if shift > 63:
            raise WireError("a number has more than ten bytes", position)


def fields(buffer: memoryview, start: int, end: int) -> Iterator[WireField]:
    """The fields of the message in ``buffer[start:end]``, one after the other."""
    position = start
    while position < end:
        tag, begin = varint(buffer, position, end)
        number, kind, value = tag >> 3, tag & 7, 0
        if number == 0:
            raise WireError("a field has number 0", position)
        if kind == VARINT:
            value, stop = varint(buffer, begin, end)
        elif kind == FIXED64:
            stop = begin + 8
        elif kind == FIXED32:
            stop = begin + 4
        elif kind == BYTES:
            length, begin = varint(buffer, begin, end)
            stop = begin + length
        else:
            raise WireError(f"a field has wire type {kind}, which Caffe's files do not have", position)
        if stop > end:
            raise WireError(f"a field of {stop - begin} bytes begins where {max(0, end - begin)} bytes are left", begin)
        yield WireField(number, kind, position, begin, stop, value)
        position = stop


class Blobs:
    """Takes the blobs out of a message."""

    def __init__(self, buffer: memoryview) -> None:
        self.buffer = buffer
        self.arrays: list[Array] = []
        self.seen = 0

    def strip(self, start: int, end: int, inner: Mapping[int, Any]) -> bytes:
        """The message in ``[start, end)`` with each BlobProto below ``inner`` replaced by its index."""
        parts: list[bytes] = []
        for field in fields(self.buffer, start, end):
            self.count(field.start)
            below = inner.get(field.number) if field.kind == BYTES else None
            if below is None:
                parts.append(bytes(self.buffer[field.start : field.end]))
                continue
            if below == BLOB:
                self.arrays.append(self.blob(field.begin, field.end))
                if len(self.arrays) > MAX_BLOBS:
                    raise WireError(f"the file has more than {MAX_BLOBS} blobs", field.start)
                content = b"\x08" + encode_varint(len(self.arrays) - 1)
            else:
                content = self.strip(field.begin, field.end, below)
            parts.append(encode_varint(field.number << 3 | BYTES) + encode_varint(len(content)) + content)
        return b"".join(parts)

    def count(self, offset: int) -> None:
        self.seen += 1
        if self.seen > MAX_FIELDS:
            raise WireError(f"the file has more than {MAX_FIELDS} fields", offset)

    def blob(self, start: int, end: int) -> Array:
        """The BlobProto in ``[start, end)`` as an array with separate memory.

        Caffe: Blob::FromProto. The old fields num, channels, height and width win over ``shape``; NVCaffe's: its
        ``raw_data`` counts where neither ``data`` nor ``double_data`` is there.
        """
        legacy = [0, 0, 0, 0]
        old = False
        shape: list[int] = []
        chunks: list[np.ndarray[Any, Any]] = []
        raw: WireField | None = None
        raw_type = 0
        position = start
        while position < end:
            field = next(fields(self.buffer, position, end))
            self.count(field.start)
            position = field.end
            if field.number in _LEGACY and field.kind == VARINT:
                legacy[_LEGACY[field.number]] = _signed(field.value)
                old = True
            elif field.number == 7 and field.kind == BYTES:
                shape += self.dims(field)
            elif field.number in _FLOATS or field.number in _IGNORED:
                chunk, position = self.numbers(field, end)
                if chunk is not None:
                    chunks.append(chunk)
            elif field.number == _RAW_TYPE and field.kind == VARINT:
                raw_type = field.value
            elif field.number == _RAW_DATA and field.kind == BYTES:
                raw = field
        if raw is not None and not chunks:
            chunks.append(self.raw(raw, raw_type))
        sizes = legacy if old else shape
        return self.fit(sizes, chunks, start)

    def raw(self, field: WireField, kind: int) -> np.ndarray[Any, Any]:
        """The numbers in NVCaffe's ``raw_data``, as a view; ForeignError for a type that holds no weights."""
        dtype = _RAW.get(kind)
        if dtype is None:
            raise ForeignError(f"a blob's raw_data (NVCaffe's) is of type {kind}, not of floating point", field.start)
        length = field.end - field.begin
        if length % dtype.itemsize:
            raise WireError(f"{counted(length, 'byte')} are no whole number of {dtype.name} values", field.begin)
        return np.frombuffer(self.buffer[field.begin : field.end], dtype)

    def dims(self, shape: WireField) -> list[int]:
        """The sizes in a BlobShape, packed or not."""
        sizes: list[int] = []
        for field in fields(self.buffer, shape.begin, shape.end):
            if field.number != 1:
                continue
            if field.kind == VARINT:
                sizes.append(_signed(field.value))
            position = field.begin
            while field.kind == BYTES and position < field.end:
                value, position = varint(self.buffer, position, field.end)
                sizes.append(_signed(value))
                if len(sizes) > MAX_AXES:
                    break
            if len(sizes) > MAX_AXES:
                raise WireError(f"a blob has more than {MAX_AXES} axes", field.start)
        return sizes

    def numbers(self, field: WireField, end: int) -> tuple[np.ndarray[Any, Any] | None, int]:
        """The floats of ``field`` (and of the fields of the same tag right after it, when not packed), as a view."""
        double = field.number in (8, 9)
        dtype = _FLOATS[8 if double else 5]
        if field.kind == BYTES:
            length = field.end - field.begin
            if length % dtype.itemsize:
                raise WireError(f"{counted(length, 'byte')} are no whole number of {dtype.name} values", field.begin)
            chunk = np.frombuffer(self.buffer[field.begin : field.end], dtype)
            return (None if field.number in _IGNORED else chunk), field.end
        if field.kind != (FIXED64 if double else FIXED32):
            return None, field.end
        tag = self.buffer[field.start]
        width = dtype.itemsize + 1
        if field.begin != field.start + 1:
            return None, field.end
        run, window = 1, 64
        while field.start + (run + 1) * width <= end:
            most = min(window, (end - field.start) // width - run)
            first = field.start + run * width
            rows = np.frombuffer(self.buffer[first : first + most * width], np.uint8).reshape(most, width)
            others = np.flatnonzero(rows[:, 0] != tag)
            run += int(others[0]) if len(others) else most
            if len(others):
                break
            window *= 2
        stop = field.start + run * width
        rows = np.frombuffer(self.buffer[field.start : stop], np.uint8).reshape(run, width)
        chunk = np.ascontiguousarray(rows[:, 1:]).view(dtype).reshape(-1)
        return (None if field.number in _IGNORED else chunk), stop

    def fit(self, sizes: list[int], chunks: list[np.ndarray[Any, Any]], offset: int) -> Array:
        """``chunks`` joined in the shape ``sizes``; their counts must agree before anything is copied."""
        total = sum(len(chunk) for chunk in chunks)
        if len(sizes) > MAX_AXES or any(size < 0 for size in sizes) or math.prod(sizes) != total:
            text = " x ".join(map(str, sizes)) or "scalar"
            raise WireError(
                f"a blob of shape {text} ({counted(math.prod(sizes), 'value')}) has {counted(total, 'value')}", offset
            )
        if len(chunks) == 1:
            return chunks[0].astype(np.float32).reshape(sizes)
        joined = np.concatenate(chunks) if chunks else np.empty(0, np.float32)
        return joined.astype(np.float32, copy=False).reshape(sizes)


def take_blobs(buffer: memoryview, inner: Mapping[int, Any]) -> tuple[bytes, list[Array]]:
    """Split the message in ``buffer`` into itself without blobs, and its blobs; WireError."""
    taker = Blobs(buffer)
    return taker.strip(0, len(buffer), inner), taker.arrays


def one_blob(buffer: memoryview) -> Array:
    """The array of ``buffer``, a BlobProto; WireError."""
    return Blobs(buffer).blob(0, len(buffer))


def _signed(value: int) -> int:
    """A varint as the int64 it encodes."""
    return value - (1 << 64) if value >= 1 << 63 else value


def encode_varint(value: int) -> bytes:
    """``value`` (not negative) as a varint."""
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)


def encode_bytes(number: int, *parts: bytes | memoryview) -> list[bytes | memoryview]:
    """Field ``number`` holding ``parts``, as pieces to be written one after the other."""
    length = sum(len(part) for part in parts)
    return [encode_varint(number << 3 | BYTES) + encode_varint(length), *parts]


def encode_blob(array: Array, legacy: bool = False) -> list[bytes | memoryview]:
    """A BlobProto of ``array``; ``legacy`` gives four old size fields instead of a shape. The floats are not copied."""
    values, shape = np.ascontiguousarray(array, "<f4"), np.shape(array)
    if legacy:
        sizes = (1,) * (4 - len(shape)) + shape
        numbered = zip((1, 2, 3, 4), sizes, strict=True)
        head = b"".join(encode_varint(number << 3) + encode_varint(size) for number, size in numbered)
    else:
        packed = b"".join(encode_varint(size) for size in shape)
        head = b"".join(bytes(part) for part in encode_bytes(7, *encode_bytes(1, packed) if packed else ()))
    data = memoryview(values.reshape(-1).view(np.uint8).data) if values.size else memoryview(b"")
    return [head, *encode_bytes(5, data)]
