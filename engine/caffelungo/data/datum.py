"""Caffe's Datum: one sample of a database, as bytes, as floats, or as an encoded picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, overload

import numpy as np
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from caffelungo.data.decode import decode
from caffelungo.definition.schema import Datum
from caffelungo.errors import Location, UserError
from caffelungo.wording import counted

CHANNELS, HEIGHT, WIDTH, DATA, LABEL, FLOAT, FLOATS, ENCODED = 0x08, 0x10, 0x18, 0x22, 0x28, 0x35, 0x32, 0x38
"""Tags of the fields; a float comes alone (FLOAT), or all in one field (FLOATS)."""
NUMBERS = {CHANNELS: "channels", HEIGHT: "height", WIDTH: "width", LABEL: "label"}
VARINT, LENGTH, FIXED = 0, 2, {1: 8, 5: 4}
"""Wire types of protobuf: a number, a length and so many bytes, and so many bytes."""
MAGIC = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"RIFF")
"""What picture files begin with. (BMP's and TIFF's two letters may be pixels.)"""


class Bytes(Protocol):
    """The bytes of a serialized Datum, or what reads them one by one."""

    def __len__(self) -> int: ...

    @overload
    def __getitem__(self, place: int) -> int: ...
    @overload
    def __getitem__(self, place: slice) -> bytes: ...
    def __getitem__(self, place: int | slice) -> int | bytes: ...


@dataclass(frozen=True)
class Header:
    """What a Datum says of itself, without its pixels. ``label`` is None where it has none; ``start`` begins `data`."""

    channels: int = 0
    height: int = 0
    width: int = 0
    label: int | None = None
    encoded: bool = False
    size: int = 0
    floats: int = 0
    start: bytes = b""

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.channels, self.height, self.width

    @property
    def values(self) -> int:
        return self.channels * self.height * self.width

    @property
    def picture(self) -> bool:
        """Whether `data` begins as a picture file does."""
        return self.start.startswith(MAGIC)

    @property
    def turned(self) -> bool:
        """Whether a picture seems to be stored as height x width x channels.

        No picture has more than four channels and a width of 3 or 4 pixels. A list of features has a width of 1, too,
        but not two other sides of about one length.
        """
        if self.encoded or self.size != self.values or min(self.channels, self.height) <= 4:
            return False
        alike = self.channels <= 3 * self.height and self.height <= 3 * self.channels
        return self.width in (3, 4) or (self.width == 1 and alike and min(self.channels, self.height) >= 16)

    def fault(self) -> tuple[str, str, str] | None:
        """What is wrong with the record by itself (what, received, remedy); None where nothing is."""
        sizes = f"channels {self.channels}, height {self.height}, width {self.width}"
        held = counted(self.size, "byte") if self.size or not self.floats else f"{self.floats} floats"
        if self.encoded:
            if self.size and self.size == self.values and not self.picture:
                return ("database record is marked as encoded, but contains raw pixels",
                        f"encoded: true with {held} for {sizes}", "write `encoded: false`")  # fmt: skip
            if not self.size:
                return ("database record is marked as encoded, but contains no picture", f"encoded: true with {held}",
                        "write the content of the picture file to `data`")  # fmt: skip
            return None
        count = self.size or self.floats
        if min(self.shape) > 0 and count == self.values:
            return None
        if self.picture:
            return ("database record contains a picture file, but is not marked as encoded",
                    f"{held} that start like a picture file, encoded: false", "write `encoded: true`")  # fmt: skip
        turned = "; it looks like height x width x channels" if self.width in (1, 3) and self.channels > 4 else ""
        return ("database record has a different number of values than its shape says", f"{held} for {sizes}{turned}",
                "write channels x height x width bytes to `data`, or set `encoded: true` for a picture file",
                )  # fmt: skip


def parse(data: bytes, name: str) -> Any:
    """The Datum in ``data``; ``name`` is what a message calls it. UserError when the bytes are none."""
    try:
        return Datum.FromString(data)
    except DecodeError as error:
        raise UserError(
            "database record is not a Datum",
            where=Location(name),
            received=f"{counted(len(data), 'byte')} that do not parse",
            remedy="make the database again with `lungo convert_imageset`",
        ) from error


def array(datum: Any, name: str, *, color: bool | None = None) -> NDArray[Any]:
    """The sample as C x H x W (uint8, or float32 from ``float_data``); encoded pictures are decoded.

    ``color`` says how an encoded picture is decoded: True three channels, False one, None as stored.
    """
    if fault := of(datum).fault():
        what, received, remedy = fault
        raise UserError(what, where=Location(name), received=received, remedy=remedy)
    if datum.encoded:
        return decode(datum.data, color=color, name=name).transpose(2, 0, 1)
    shape = (datum.channels, datum.height, datum.width)
    if datum.data:
        return np.frombuffer(datum.data, np.uint8).reshape(shape)
    return np.asarray(datum.float_data, np.float32).reshape(shape)


def of(datum: Any) -> Header:
    """The Header of a parsed Datum."""
    label = int(datum.label) if datum.HasField("label") else None
    return Header(
        datum.channels, datum.height, datum.width, label, datum.encoded, len(datum.data), len(datum.float_data),
        datum.data[:4],
    )  # fmt: skip


def header(data: Bytes) -> Header:
    """The Header of a serialized Datum; ValueError where it is none. What is no ``bytes`` is read field by field, and
    its pixels are passed over."""
    if isinstance(data, bytes):
        try:
            return of(Datum.FromString(data))
        except DecodeError as error:
            raise ValueError(f"{counted(len(data), 'byte')} that do not parse") from error
    return _read_by_fields(data)


def _read_by_fields(data: Bytes) -> Header:
    place, size = 0, len(data)
    found: dict[str, Any] = {}
    floats = 0
    try:
        while place < size:
            tag, begin = _varint(data, place)
            kind = tag & 7
            if kind == VARINT:
                value, place = _varint(data, begin)
                if tag in NUMBERS:
                    found[NUMBERS[tag]] = value - (1 << 64) if value >> 63 else value
                elif tag == ENCODED:
                    found["encoded"] = bool(value)
            elif kind == LENGTH:
                length, begin = _varint(data, begin)
                place = begin + length
                if tag == DATA:
                    found["size"] = length
                    found["start"] = bytes(data[begin + i] for i in range(min(4, length, size - begin)))
                floats += length // 4 if tag == FLOATS else 0
            elif tag == FLOAT:
                run = _run(data[place:])
                floats, place = floats + run, place + 5 * run
            elif kind in FIXED:
                place = begin + FIXED[kind]
            else:
                raise ValueError(f"wire type {kind}")
    except IndexError:
        place = size + 1
    if place > size:
        raise ValueError("it ends inside a field")
    return Header(**found, floats=floats)


def _run(rest: bytes) -> int:
    """How many floats, each behind its tag, ``rest`` begins with."""
    rows = np.frombuffer(rest[: len(rest) // 5 * 5], np.uint8).reshape(-1, 5)
    if not len(rows):
        raise ValueError("it ends inside a number")
    others = np.flatnonzero(rows[:, 0] != FLOAT)
    return int(others[0]) if len(others) else len(rows)


def _varint(data: Bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
        shift += 7
        if shift > 63:
            raise ValueError("varint is too long")
