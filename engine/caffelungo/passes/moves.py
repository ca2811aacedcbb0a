"""Blob moves: what a pass that changes an old blob does to its weights. numpy; arrays are never changed in place.

    before:  {layer: [ndarray, ...]}      weights that fit the old definition
    after:   {layer: [ndarray, ...]}      weights that fit the new one
             copy, rename, reshape, take (slice), pad (zeros), scale (fold a factor in)

A weight file need not hold every layer (a fresh head is in none), so a move of an absent layer does nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Blobs = dict[str, list[Array]]


@dataclass(frozen=True)
class Move:
    """One change of the weights: ``what`` it does, in words, and the function that does it to a ``Blobs``."""

    what: str
    apply: Callable[[Blobs], None]


def moved(blobs: Blobs, moves: Iterable[Move]) -> Blobs:
    """``blobs`` after all ``moves``; the argument stays as it was."""
    result = {layer: list(arrays) for layer, arrays in blobs.items()}
    for move in moves:
        move.apply(result)
    return result


def _blob(what: str, layer: str, index: int, change: Callable[[Array], Array]) -> Move:
    def apply(blobs: Blobs) -> None:
        if layer in blobs:
            blobs[layer][index] = np.ascontiguousarray(change(blobs[layer][index]))

    return Move(what, apply)


def copy(source: str, target: str) -> Move:
    """``target`` gets the blobs of ``source``."""

    def apply(blobs: Blobs) -> None:
        if source in blobs:
            blobs[target] = list(blobs[source])

    return Move(f"copy the blobs of `{source}` to `{target}`", apply)


def rename(old: str, new: str) -> Move:
    """The blobs of ``old`` are called ``new``."""

    def apply(blobs: Blobs) -> None:
        if old in blobs:
            blobs[new] = blobs.pop(old)

    return Move(f"rename the blobs of `{old}` to `{new}`", apply)


def reshape(layer: str, index: int, shape: Sequence[int]) -> Move:
    """Blob ``index`` of ``layer`` in another shape with as many elements (an InnerProduct read as a Convolution)."""
    size = "x".join(map(str, shape))
    return _blob(f"reshape blob {index} of `{layer}` to {size}", layer, index, lambda a: a.reshape(tuple(shape)))


def take(layer: str, index: int, axis: int, start: int, stop: int) -> Move:
    """Only the entries ``start`` to ``stop`` of one axis."""

    def change(array: Array) -> Array:
        return array.take(range(start, stop), axis=axis)

    return _blob(f"keep {start}..{stop} of axis {axis} of blob {index} of `{layer}`", layer, index, change)


def pad(layer: str, index: int, axis: int, before: int, after: int) -> Move:
    """Zeros before and after along one axis: new inputs of an old layer that leave what it computes as it was."""

    def change(array: Array) -> Array:
        width = [(0, 0)] * array.ndim
        width[axis] = (before, after)
        return np.pad(array, width)

    return _blob(f"pad axis {axis} of blob {index} of `{layer}` with {before}+{after} zeros", layer, index, change)


def scale(layer: str, index: int, factor: float | Array, axis: int = 0) -> Move:
    """Multiply by ``factor``: a number, or one a position of ``axis`` (a BatchNorm or an input scale folded in)."""

    def change(array: Array) -> Array:
        values: Array = np.asarray(factor, array.dtype)
        if values.ndim == 1:
            values = values.reshape([-1 if i == axis % array.ndim else 1 for i in range(array.ndim)])
        result: Array = np.multiply(array, values)
        return result

    return _blob(f"multiply blob {index} of `{layer}`", layer, index, change)
