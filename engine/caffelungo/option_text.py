"""Parsers of option texts, for the command line and Python: comma lists, ``8,16``, ``fc7:2048``, ``256x340``."""

from __future__ import annotations

from typing import Any

from caffelungo import option_ranges
from caffelungo.errors import UserError


def words(text: str | None) -> list[str]:
    """The items of a comma-separated list, stripped, without empty ones."""
    return [word.strip() for word in (text or "").split(",") if word.strip()]


def listed(texts: list[str] | None) -> list[str]:
    """The items of a repeatable option whose values are comma-separated lists (as Caffe's)."""
    return [word for text in texts or [] for word in words(text)]


def numbers(text: str | None, flag: str, kind: type[Any] = float) -> list[Any]:
    """Parse ``104,117,123`` to numbers (``kind``: float or int) in the range of ``flag``; None gives an empty list."""
    try:
        found = [kind(word) for word in words(text)]
    except ValueError:
        raise UserError(
            f"{flag} takes numbers separated by commas", received=f"{flag} {text}", remedy=f"write {flag} 104,117,123"
        ) from None
    return in_range(flag, found, text)


def in_range(flag: str, found: list[Any], text: str | None = None) -> list[Any]:
    """Return ``found``, the numbers in the text ``text`` of ``flag``; UserError if any is out of range."""
    if wrong := option_ranges.wrong(flag, found, option_ranges.IN_WORDS[flag], text or ""):
        raise UserError(wrong)
    return found


def whole(text: str) -> int | None:
    """Parse a string of digits; None for anything else. At most 12 digits are read, enough to fail a range check."""
    return int(text.lstrip("0")[:12] or "0") if text.isascii() and text.isdecimal() else None


def signed(text: str) -> int | None:
    """As ``whole``, with a minus before it at most: a number that is out of range, not a text that is none."""
    number = whole(text.removeprefix("-"))
    return -number if number is not None and text.startswith("-") else number


def by_name(text: str, flag: str, default: int) -> tuple[int, dict[str, int]]:
    """Parse ``150`` or ``new:600,all:150`` to the number for all and the numbers by name."""
    named: dict[str, int] = {}
    for word in words(text):
        name, _, digits = word.rpartition(":")
        number = signed(digits)
        if number is None:
            raise UserError(f"{flag} takes a number, or names with numbers", received=f"{flag} {text}",
                            remedy=f"write {flag} 150 or {flag} new:600,all:150")  # fmt: skip
        (named[name],) = in_range(flag, [number], text)
    return named.pop("", default), named


def height_width(text: str | None, flag: str) -> tuple[int, int] | None:
    """Parse ``256x340`` to height and width, ``256`` to (256, 0), None to None."""
    if text is None:
        return None
    parts = [whole(part) or 0 for part in text.lower().split("x")]
    if len(parts) > 2 or not all(parts):
        raise UserError(
            f"{flag} takes a height and a width, or one number for the shorter side",
            received=f"{flag} {text}",
            remedy=f"write {flag} 256x256 or {flag} 256",
        )
    return parts[0], parts[1] if len(parts) == 2 else 0


def size(text: str | None, flag: str = "--size") -> tuple[int, int] | None:
    """Parse ``384`` or ``384x512`` to height and width, None to None."""
    if text is None:
        return None
    parts = [whole(part) or 0 for part in text.lower().split("x")]
    if len(parts) > 2 or not all(parts):
        raise UserError(
            f"{flag} takes the side of the net's input in pixels, or height and width",
            received=f"{flag} {text}",
            remedy=f"write {flag} 384 or {flag} 384x512",
        )
    return parts[0], parts[-1]


def layer_units(text: str, flag: str) -> tuple[str, int]:
    """Parse ``fc7:2048`` to a layer's name and a number of units."""
    name, _, digits = text.rpartition(":")
    number = signed(digits)
    if not name or number is None:
        raise UserError(
            f"{flag} takes a layer's name and a number of units",
            received=f"{flag} {text}",
            remedy=f"write it as {flag} fc7:2048",
        )
    in_range(flag, [number], text)
    return name, number


def layer_rate(text: str, flag: str) -> tuple[str, float]:
    """Parse ``conv*=0.1`` to a pattern of layers and a number."""
    name, _, value = text.rpartition("=")
    try:
        found = float(value)
    except ValueError:
        found = None
    if not name or found is None:
        raise UserError(
            f"{flag} takes layers and a number", received=f"{flag} {text}", remedy=f"write it as {flag} 'conv*=0.1'"
        )
    in_range(flag, [found], text)
    return name, found


def unit_rates(text: str, flag: str) -> tuple[tuple[float, float], tuple[float, float]]:
    """Parse ``10:1,20:0`` to (lr_mult, decay_mult) of weights and of biases; decays left out are 1 and 0."""
    found: list[tuple[float, float]] = []
    for word, decay in zip(words(text), ("1", "0"), strict=False):
        rate, _, given = word.partition(":")
        try:
            found.append((float(rate), float(given or decay)))
        except ValueError:
            break
    if not len(found) == len(words(text)) == 2:
        raise UserError(
            f"{flag} takes the rates of weights and of biases",
            received=f"{flag} {text}",
            remedy=f"write it as {flag} 10:1,20:0",
        )
    in_range(flag, [number for pair in found for number in pair], text)
    return found[0], found[1]
