"""The only list of layer types: the files of ``layers/types/`` and the entry points ``caffelungo.layers``."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from importlib.metadata import entry_points
from typing import TypeVar

from caffelungo.definition.forks import fork_of_type
from caffelungo.errors import did_you_mean
from caffelungo.layers import types
from caffelungo.layers.base import Layer

_registered: dict[str, type[Layer]] = {}
L = TypeVar("L", bound=type[Layer])

RELATED = {
    "Axpy": "Scale with two bottoms (axis: 0) followed by Eltwise",
    "BN": "BatchNorm followed by Scale; where its bn_mode is INFERENCE, its two blobs are scale and shift already, "
    "which a Scale { bias_term: true } alone takes",
    "SyncBN": "BatchNorm followed by Scale",
}
"""Types of Caffe forks that two layers of Caffe's own do."""

ABSENT = frozenset({"Filter", "HDF5Output", "InfogainLoss", "LSTM", "LSTMUnit", "Python", "RNN", "WindowData"})
"""Types of Caffe's own that do not exist here, so that no other type of a similar name is suggested for them."""


def register(cls: L) -> L:
    """Class decorator: make ``cls`` the layer of type ``cls.type``; a second one of the same type is an error."""
    if cls.type in _registered and _registered[cls.type].__qualname__ != cls.__qualname__:
        raise ValueError(f"layer type {cls.type!r} is registered twice: {_registered[cls.type]!r} and {cls!r}")
    _registered[cls.type] = cls
    return cls


@cache
def _load() -> None:
    for module in pkgutil.iter_modules(types.__path__):
        importlib.import_module(f"{types.__name__}.{module.name}")
    for point in entry_points(group="caffelungo.layers"):
        point.load()


def layer_types() -> dict[str, type[Layer]]:
    """Every known layer type by its name, in alphabetical order."""
    _load()
    return dict(sorted(_registered.items()))


def find(type_name: str) -> type[Layer] | None:
    """The layer class of ``type_name``, or None."""
    _load()
    return _registered.get(type_name)


def suggestion(type_name: str) -> str:
    """What to do about an unknown ``type_name``."""
    if type_name in RELATED:
        return f"write {RELATED[type_name]}"
    if type_name in ABSENT and type_name not in layer_types():
        return "this type of Caffe's is not offered; `lungo layers` lists those that are"
    if fork := fork_of_type(type_name):
        return f"it is a layer of {fork}; write the net with the types that `lungo layers` lists"
    near = did_you_mean(type_name, layer_types())
    return f'did you mean "{near}"?' if near else "`lungo layers` lists the types that exist"
