"""Damage to files: what disks, networks, editors and attackers do to them. Each is a function of a random generator."""

from __future__ import annotations

import random
import re
import struct
from collections.abc import Callable, Sequence

NUMBERS = (
    "-1", "0", "1", "2", "3", "7", "2147483647", "2147483648", "-2147483648", "4294967295", "4294967296", "1e38",
    "1e39", "-1e-45", "nan", "-nan", "inf", "-inf", "0x7fffffff", "017", "08", "1.5", "9" * 400, "9223372036854775808",
    "true", "AVE", '"x"', "''", "",
)  # fmt: skip
CHARACTERS = (
    "{", "}", "[", "]", ":", ";", ",", '"', "'", "\\", "#", "<", ">", "\x00", "\x1b[31m", "\u201c", "\u2212", "\u00a0",
    "\ufeff", "\ud7ff", "\U0001f600", "\n", "\r", "\t", "{{", "{%", "%}", "../", "/", "~", "%s", "\x7f", "=1+1",
)  # fmt: skip
INTEGERS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 2**63 - 1, 2**64 - 1)

Mutation = Callable[[random.Random, bytes, Sequence[bytes]], bytes]


def _flip(rng: random.Random, data: bytes, _: Sequence[bytes]) -> bytes:
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 4, 32))):
        out[rng.randrange(len(out))] ^= 1 << rng.randrange(8)
    return bytes(out)


def _set(rng: random.Random, data: bytes, _: Sequence[bytes]) -> bytes:
    at = rng.randrange(len(data))
    width = rng.choice((1, 2, 4, 8))
    value = rng.choice(INTEGERS) & (2 ** (8 * width) - 1)
    return data[:at] + value.to_bytes(width, rng.choice(("little", "big"))) + data[at + width :]


def _float(rng: random.Random, data: bytes, _: Sequence[bytes]) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + struct.pack("<f", rng.choice((float("nan"), float("inf"), 1e38, -0.0, 1e-45))) + data[at + 4 :]


def _cut(rng: random.Random, data: bytes, _: Sequence[bytes]) -> bytes:
    return data[: rng.randrange(len(data))]


def _drop(rng: random.Random, data: bytes, _: Sequence[bytes]) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + data[at + rng.choice((1, 2, 8, 100, 4096)) :]


def _double(rng: random.Random, data: bytes, _: Sequence[bytes]) -> bytes:
    at, size = rng.randrange(len(data)), rng.choice((1, 8, 100, 4096))
    return data[:at] + data[at : at + size] * rng.choice((2, 2, 3, 50)) + data[at + size :]


def _insert(rng: random.Random, data: bytes, _: Sequence[bytes]) -> bytes:
    at = rng.randrange(len(data) + 1)
    return data[:at] + rng.randbytes(rng.choice((1, 4, 64, 4096))) + data[at:]


def _splice(rng: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    other = rng.choice(others)
    return data[: rng.randrange(len(data) + 1)] + other[rng.randrange(len(other) + 1) :]


def _zero(rng: random.Random, data: bytes, _: Sequence[bytes]) -> bytes:
    at = rng.randrange(len(data))
    size = min(len(data) - at, rng.choice((16, 512, 4096)))
    return data[:at] + bytes(size) + data[at + size :]


BINARY: tuple[Mutation, ...] = (_flip, _flip, _set, _set, _float, _cut, _drop, _double, _insert, _splice, _zero)


def _token(rng: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """A word in the place of another, of this file or of another one."""
    text, other = data.decode("utf-8", "replace"), rng.choice(others).decode("utf-8", "replace")
    words, donors = list(re.finditer(r'[\w.+-]+|"[^"\n]*"', text)), re.findall(r'[\w.+-]+|"[^"\n]*"', other)
    if not words or not donors:
        return data
    hit = rng.choice(words)
    return (text[: hit.start()] + rng.choice(donors) + text[hit.end() :]).encode("utf-8", "replace")


def _number(rng: random.Random, data: bytes, _: Sequence[bytes]) -> bytes:
    text = data.decode("utf-8", "replace")
    numbers = list(re.finditer(r"-?\b\d[\w.+-]*", text))
    if not numbers:
        return data
    hit = rng.choice(numbers)
    return (text[: hit.start()] + rng.choice(NUMBERS) + text[hit.end() :]).encode("utf-8", "replace")


def _character(rng: random.Random, data: bytes, _: Sequence[bytes]) -> bytes:
    text = data.decode("utf-8", "replace")
    at = rng.randrange(len(text) + 1)
    return (text[:at] + rng.choice(CHARACTERS) * rng.choice((1, 1, 1, 2, 500)) + text[at:]).encode("utf-8", "replace")


def _lines(rng: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """A line twice, gone, elsewhere, or from another file."""
    lines = data.split(b"\n")
    at = rng.randrange(len(lines))
    line = lines[at]
    how = rng.randrange(4)
    if how in (1, 2):
        del lines[at]
    if how == 3:
        line = rng.choice(rng.choice(others).split(b"\n"))
    if how != 1:
        lines.insert(rng.randrange(len(lines) + 1), line)
    return b"\n".join(lines)


def _deep(rng: random.Random, data: bytes, _: Sequence[bytes]) -> bytes:
    word = rng.choice((b"layer {", b"{", b"[", b"(", b'"', b"{{", b"{% for a in b %}", b"x: [", b"#"))
    return data + word * rng.choice((10, 300, 20_000))


TEXT: tuple[Mutation, ...] = (
    _token,
    _token,
    _number,
    _number,
    _number,
    _character,
    _lines,
    _deep,
    _flip,
    _cut,
    _splice,
)


def mutated(rng: random.Random, data: bytes, others: Sequence[bytes], text: bool) -> bytes:
    """``data`` with one to four kinds of damage; ``others`` lend parts."""
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        if data:
            data = rng.choice(TEXT if text else BINARY)(rng, data, others)
    return data[: 4 * 2**20]
