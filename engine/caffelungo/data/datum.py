"""Caffe's Datum: one sample of a database, as bytes, as floats, or as an encoded picture."""

from __future__ import annotations

from typing import Any

import numpy as np
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from caffelungo.data.decode import decode
from caffelungo.definition.schema import Datum
from caffelungo.errors import Location, UserError

LABEL_TAG = 0x28
"""Field 5 as a varint: the label."""


def parse(data: bytes, name: str) -> Any:
    """The Datum in ``data``; ``name`` is what a message calls it. UserError when the bytes are none."""
    try:
        return Datum.FromString(data)
    except DecodeError as error:
        raise UserError(
            "database record is no Datum",
            where=Location(name),
            received=f"{len(data)} bytes that do not parse",
            remedy="make the database again with `lungo convert_imageset`",
        ) from error


def array(datum: Any, name: str, *, color: bool | None = None) -> NDArray[Any]:
    """The sample as C x H x W (uint8, or float32 from ``float_data``); encoded pictures are decoded.

    ``color`` says how an encoded picture is decoded: True three channels, False one, None as stored.
    """
    if datum.encoded:
        return decode(datum.data, color=color, name=name).transpose(2, 0, 1)
    shape = (datum.channels, datum.height, datum.width)
    values: NDArray[Any]
    if datum.data:
        values = np.frombuffer(datum.data, np.uint8)
    else:
        values = np.asarray(datum.float_data, np.float32)
    if values.size != shape[0] * shape[1] * shape[2] or not values.size:
        swapped = "; it looks like height x width x channels" if datum.width in (1, 3) and datum.channels > 4 else ""
        raise UserError(
            "database record holds another number of values than its shape says",
            where=Location(name),
            received=f"{values.size} values for channels {shape[0]}, height {shape[1]}, width {shape[2]}{swapped}",
            remedy="write channels x height x width bytes to `data`, or set `encoded: true` for a picture file",
        )
    return values.reshape(shape)


def label(data: memoryview | bytes) -> int:
    """The label of a serialized Datum, without copying its pixels (the wire format is walked field by field)."""
    place, size, result = 0, len(data), 0
    while place < size:
        tag, place = _varint(data, place)
        kind = tag & 7
        if kind == 0:
            value, place = _varint(data, place)
            if tag == LABEL_TAG:
                result = value - (1 << 64) if value >> 63 else value
        elif kind == 2:
            length, place = _varint(data, place)
            place += length
        elif kind in (1, 5):
            place += 8 if kind == 1 else 4
        else:
            raise ValueError(f"wire type {kind}")
    return result


def _varint(data: memoryview | bytes, place: int) -> tuple[int, int]:
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
