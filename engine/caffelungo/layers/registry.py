"""The only list of layer types: the files of ``layers/types/`` and the entry points ``caffelungo.layers``."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from typing import Any, TypeVar

from caffelungo import packages
from caffelungo.definition import layer_options
from caffelungo.definition.forks import fork_of_type
from caffelungo.errors import Alike, Location, Problem, did_you_mean
from caffelungo.layers import missing_types, types
from caffelungo.layers.base import Layer

ENTRY_POINTS = "caffelungo.layers"

_registered: dict[str, type[Layer]] = {}
L = TypeVar("L", bound=type[Layer])

ABSENT = frozenset({"Filter", "HDF5Output", "InfogainLoss", "LSTM", "LSTMUnit", "Python", "RNN", "WindowData"})
"""Types of Caffe's own that do not exist here, so that no other type of a similar name is suggested for them."""


def register(cls: L) -> L:
    """Class decorator: make ``cls`` the layer of type ``cls.type``; UserError for a second one of the same type."""
    packages.refuse_second("layer type", cls.type, _registered.get(cls.type), cls)
    if cls.own_options:
        layer_options.declare(cls.type, cls.own_options)
    _registered[cls.type] = cls
    return cls


@cache
def _load() -> None:
    for module in pkgutil.iter_modules(types.__path__):
        importlib.import_module(f"{types.__name__}.{module.name}")
    packages.load_all(ENTRY_POINTS, "the layer types")


def layer_types() -> dict[str, type[Layer]]:
    """Every known layer type by its name, in alphabetical order."""
    _load()
    return dict(sorted(_registered.items()))


def find(type_name: str) -> type[Layer] | None:
    """The layer class of ``type_name``, or None."""
    _load()
    return _registered.get(type_name)


def suggestion(type_name: str, layer: Any = None) -> str:
    """What to do about an unknown ``type_name``, which ``layer`` (a LayerParameter, where there is one) has."""
    if way := missing_types.way(type_name, len(layer.bottom) if layer is not None else None):
        fork = fork_of_type(type_name)
        return f"{way} (a type of {fork})" if fork else way
    if type_name in ABSENT and type_name not in layer_types():
        return "this Caffe type is not offered; `lungo layers` lists those that are"
    if fork := fork_of_type(type_name):
        return f"it is a layer of {fork}; write the net with the types that `lungo layers` lists"
    near = did_you_mean(type_name, layer_types())
    return f'did you mean "{near}"?' if near else "`lungo layers` lists the types that exist"


def unknown_type(layer: Any, where: Location | None) -> Problem:
    """What is wrong with ``layer``, a LayerParameter of a type that is missing; ``where`` is the place of its type."""
    received = "not offered" if layer.type in ABSENT else "unknown"
    return Problem(
        f"unknown layer type in layer `{layer.name}`",
        where,
        f'type: "{layer.type}"',
        suggestion(layer.type, layer),
        alike=Alike(f"layers of type {layer.type}, which is {received}", f"`{layer.name}`"),
    )
