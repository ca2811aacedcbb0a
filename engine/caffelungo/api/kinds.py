"""Whether a value is of the kind that an annotation names, and what that kind is called in a message.

Judged by structure: unions, sequences, mappings, tuples, functions and classes. Numbers of NumPy are numbers, ``True``
is none. What can be taken after all is converted: an iterator to a list, a list to a tuple, a number of NumPy to one
of Python.
"""

from __future__ import annotations

import collections.abc
import numbers
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from os import PathLike
from typing import Any, Union, get_args, get_origin

NOT_OF_KIND: Any = object()
"""What ``taken`` returns for a value of another kind."""

_WORDS: dict[Any, str] = {
    bool: "True or False", int: "a whole number", float: "a number", str: "text", PathLike: "a path",
    type(None): "None",
}  # fmt: skip
_MANY = {
    "a whole number": "whole numbers", "a number": "numbers", "text": "texts", "a path": "paths", "an array": "arrays",
    "a PIL image": "PIL images", "a function": "functions", "a cl.Observer": "cl.Observers",
}  # fmt: skip
_CLASSES = {
    "NetModule": "an opened net", "Net": "an opened net", "Observer": "a cl.Observer", "Weights": "a net's weights()",
    "ndarray": "an array", "Image": "a PIL image",
}  # fmt: skip


def taken(value: Any, kind: Any) -> Any:
    """``value`` as a function takes it that is annotated with ``kind``, or ``NOT_OF_KIND``."""
    if kind is Any or kind is object:
        return value
    if get_origin(kind) in (Union, types.UnionType):
        found = (taken(value, one) for one in get_args(kind))
        return next((one for one in found if one is not NOT_OF_KIND), NOT_OF_KIND)
    if kind in (bool, int, float):
        return _number(value, kind)
    origin, parts = get_origin(kind) or kind, get_args(kind)
    if origin is tuple:
        fits = isinstance(value, tuple | list) and len(value) == len(parts)
        return _several(value, parts, tuple) if fits else NOT_OF_KIND
    if origin is collections.abc.Sequence:
        fits = isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping | PathLike)
        made = value if isinstance(value, list | tuple) else list(value) if fits else None
        return NOT_OF_KIND if made is None or not fits else _several(made, parts * len(made), type(made))
    if origin is collections.abc.Mapping:
        if not isinstance(value, Mapping):
            return NOT_OF_KIND
        keys = [taken(key, parts[0]) for key in value]
        held = [taken(one, parts[1]) for one in value.values()]
        return NOT_OF_KIND if _lacks([*keys, *held]) else dict(zip(keys, held, strict=True))
    if origin is collections.abc.Callable:
        return value if callable(value) else NOT_OF_KIND
    return value if isinstance(value, origin) else NOT_OF_KIND


def _number(value: Any, kind: type[Any]) -> Any:
    if kind is bool:
        return bool(value) if type(value).__name__ in ("bool", "bool_") else NOT_OF_KIND  # Python's or NumPy's
    if isinstance(value, bool) or not isinstance(value, numbers.Integral if kind is int else numbers.Real):
        return NOT_OF_KIND
    return value if isinstance(value, int | float) and type(value) in (int, float) else kind(value)


def _several(values: Sequence[Any], kinds: Sequence[Any], made: Callable[[list[Any]], Any]) -> Any:
    found = [taken(value, kind) for value, kind in zip(values, kinds, strict=True)]
    if _lacks(found):
        return NOT_OF_KIND
    return values if type(values) is made and all(a is b for a, b in zip(values, found, strict=True)) else made(found)


def _lacks(found: Sequence[Any]) -> bool:
    return any(one is NOT_OF_KIND for one in found)


def described(kind: Any) -> str:
    """``kind`` in words: "a path, text or a list of them"."""
    words = list(dict.fromkeys(_words_of(kind)))
    words = [word for word in words if word not in ("None", "")] or ["None"]
    return " or ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def _words_of(kind: Any) -> list[str]:
    if kind is Any:
        return ["any value"]
    origin, parts = get_origin(kind) or kind, get_args(kind)
    if origin in (Union, types.UnionType):
        return [word for part in parts for word in _words_of(part)]
    if origin in _WORDS:
        return [_WORDS[origin]]
    if origin is collections.abc.Sequence:
        return [f"a list of {_many(parts[0])}"]
    if origin is tuple:
        return [f"a tuple of {len(parts)} {_many(parts[0])}"]
    if origin is collections.abc.Mapping:
        return ["a dict" if parts[1] is Any else f"a dict of {_many(parts[1])}"]
    if origin is collections.abc.Callable:
        return ["a function"]
    return [_CLASSES.get(origin.__name__, origin.__name__)]


def _many(kind: Any) -> str:
    words = list(dict.fromkeys(_words_of(kind)))
    return " or ".join(_MANY.get(word, word.replace("a list of", "lists of").removeprefix("a ")) for word in words)
