"""One scalar of the text format: from its token to a Python value, and back."""

from __future__ import annotations

import math
import operator
import re
import struct
from io import StringIO
from typing import Any

from google.protobuf import text_format

from caffelungo.definition.fields import FieldInfo
from caffelungo.definition.tokens import NAME, NUMBER, STRING
from caffelungo.errors import did_you_mean
from caffelungo.visible import shortened

_DIGITS = 80
_SHOWN = 60
_BOOLS = {"true": True, "True": True, "t": True, "1": True, "false": False, "False": False, "f": False, "0": False}
_INTEGER = re.compile(r"-?(?:0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)\Z")
_FLOAT = re.compile(r"[+-]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?[fF]?\Z")
_NON_FINITE = {"inf": math.inf, "infinity": math.inf, "nan": math.nan}
_ESCAPE = re.compile(rb"\\(x[0-9a-fA-F]{1,2}|[0-7]{1,3}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)", re.DOTALL)
_SIMPLE = {ord(key): value for key, value in zip("abfnrtv\\'\"?", b"\a\b\f\n\r\t\v\\'\"?", strict=True)}


class BadValueError(Exception):
    """A token that cannot be the value of its field: what was expected, and the remedy."""

    def __init__(self, what: str, remedy: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.remedy = remedy


def read_value(info: FieldInfo, kind: int, text: str) -> Any:
    """The value of the token ``text`` for a field that is no string; BadValueError if it does not fit."""
    return _READERS[info.kind](info, kind, text)


def _int(info: FieldInfo, kind: int, text: str) -> int:
    value = _written(text) if kind == NUMBER else None
    if value is None:
        raise BadValueError(f"`{info.name}` needs an integer", _whole_number(text))
    if not info.low <= value <= info.high:
        what = f"`{info.name}` needs an integer from {info.low} to {info.high}"
        raise BadValueError(what, "write a number in this range")
    return value


def _written(text: str) -> int | None:
    """The whole number ``text``: decimal, hexadecimal after 0x, octal after 0; None for anything else.

    One of more than ``_DIGITS`` digits, which no field holds, is given as 10 ** ``_DIGITS``: to read it takes long.
    """
    digits = text.replace(" ", "").replace("\t", "").removeprefix("+")
    if not _INTEGER.match(digits):
        return None
    body = digits.lstrip("-").lower()
    base = 16 if body.startswith("0x") else 8 if body[0] == "0" else 10
    body = body.removeprefix("0x").lstrip("0") or "0"
    value = int(body, base) if len(body) <= _DIGITS else 10**_DIGITS
    return -value if digits[0] == "-" else value


def _whole_number(text: str) -> str:
    try:
        value = float(text.strip("\"'").rstrip("fF"))
    except ValueError:
        return "write digits only"
    return f"write {int(value)}" if value.is_integer() and abs(value) < 1e15 else "write an integer"


def _float(info: FieldInfo, kind: int, text: str) -> float:
    digits = text.replace(" ", "").replace("\t", "")
    if kind == NUMBER and _FLOAT.match(digits):
        return float(digits.rstrip("fF"))
    if kind in (NAME, NUMBER):
        value = _NON_FINITE.get(digits.lstrip("-").lower())
        if value is not None:
            return -value if digits[0] == "-" else value
    bare = text.strip("\"'")
    remedy = "write a decimal number, such as 0.01 or 1e-4"
    if kind == STRING and _FLOAT.match(bare):
        remedy = f"write {bare} without quotes"
    raise BadValueError(f"`{info.name}` takes a number", remedy)


def _bool(info: FieldInfo, kind: int, text: str) -> bool:
    if kind in (NAME, NUMBER) and text in _BOOLS:
        return _BOOLS[text]
    bare = text.strip("\"'").lower()
    remedy = f"write {bare}" if bare in ("true", "false") else "write true or false"
    raise BadValueError(f"`{info.name}` must be true or false", remedy)


def _enum(info: FieldInfo, kind: int, text: str) -> int:
    if kind == NAME and text in info.labels:
        return info.labels[text]
    number = _written(text) if kind == NUMBER else None
    if number is not None and number in info.numbers:
        return number
    bare = text.strip("\"'")
    near = bare if bare in info.labels else did_you_mean(bare, info.labels)
    known = ", ".join(info.labels)
    remedy = f"write one of {known}"
    if near:
        remedy = f"write {near} without quotes" if near == bare else f"did you mean {near}? One of {known}"
    shown = shortened(text, _SHOWN)
    meant = "" if number is None or shown == str(number) or shown != text else f", which is {number}"
    raise BadValueError(f"`{info.name}` has no value {shown}{meant}", remedy)


_READERS = {"int": _int, "float": _float, "bool": _bool, "enum": _enum}


def read_string(info: FieldInfo, literals: list[str]) -> str | bytes:
    """The string that adjacent ``literals`` make together; BadValueError for a bad escape or not UTF-8."""
    if len(literals) == 1 and (text := literals[0][1:-1]).isascii() and "\\" not in text:
        return text if info.kind == "string" else text.encode()
    data = b"".join(_unescape(literal[1:-1].encode("utf-8", "surrogateescape")) for literal in literals)
    if info.kind == "bytes":
        return data
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise BadValueError("this string is not UTF-8", "save the file as UTF-8") from None


def _unescape(data: bytes) -> bytes:
    return _ESCAPE.sub(_escape, data) if b"\\" in data else data


def _escape(match: re.Match[bytes]) -> bytes:
    code = match[1]
    if code[0] in _SIMPLE and len(code) == 1:
        return bytes([_SIMPLE[code[0]]])
    if code[0] in b"01234567":
        number = int(code, 8)
        if number > 0xFF:
            raise BadValueError(
                f"the escape \\{code.decode()} is larger than a byte", "write three octal digits up to \\377"
            )
        return bytes([number])
    if code[:1] == b"x" and len(code) > 1:
        return bytes([int(code[1:], 16)])
    if code[:1] in b"uU" and len(code) > 1:
        number = int(code[1:], 16)
        if number > 0x10FFFF or 0xD800 <= number <= 0xDFFF:
            raise BadValueError(f"\\{code.decode()} is not a character", "write the character itself")
        return chr(number).encode()
    raise BadValueError(
        f"unknown escape \\{code.decode('utf-8', 'replace')} in a string",
        "write \\\\ for a backslash; in a Windows path write / instead",
    )


def _as_float32(value: float) -> float:
    try:
        return float(struct.unpack("f", struct.pack("f", value))[0])
    except OverflowError:
        return math.copysign(math.inf, value)


def print_value(info: FieldInfo, value: Any) -> str:
    """The scalar ``value`` of field ``info`` as text, in the shortest form that reads back equal.

    An enum's value may be its name or its number. Raises ValueError or TypeError for a value that does not fit.
    """
    if info.kind == "enum":
        if isinstance(value, str):
            if value not in info.labels:
                raise ValueError(f"{info.name} has no value {value}")
            return value
        return info.numbers[int(value)]
    if info.kind == "bool":
        return "true" if value else "false"
    if info.kind == "int":
        return str(operator.index(value))
    if info.kind == "string" and isinstance(value, bytes):
        value = value.decode()
    if info.kind == "float":
        value = float(value) if info.descriptor.type == info.descriptor.TYPE_DOUBLE else _as_float32(float(value))
    out = StringIO()
    text_format.PrintFieldValue(info.descriptor, value, out, as_utf8=True)
    text = out.getvalue()
    return text.removesuffix(".0") if info.kind == "float" else text
