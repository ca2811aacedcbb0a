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

from caffelungo.wording import counted

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


def transpose(layer: str, index: int, shape: tuple[int, int]) -> Move:
    """Blob ``index`` of ``layer``, read as a matrix of ``shape``, with rows for columns."""
    return _blob(f"transpose blob {index} of `{layer}`", layer, index, lambda a: a.reshape(shape).T)


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


def sample(
    sources: Sequence[str],
    target: str,
    picks: Sequence[int],
    learned: Sequence[bool],
    noise: float = 0.0,
    seed: int = 0,
) -> Move:
    """``target`` gets entries ``picks`` of axis 0 of each blob of ``sources``, joined: units copied from drawn ones.

    Noise is normal, ``noise`` times the standard deviation of the blob it is added to, and for blobs of more than one
    axis only (weights). Kernels of several sizes become the centres of the largest. Single numbers for all units (a
    shared slope) are the first source's. Blobs with ``learned`` False are BatchNorm's: of several sources, the
    statistics are divided by their factors, which then is 1; of one, the factor is copied.
    """

    def apply(blobs: Blobs) -> None:
        if any(source not in blobs for source in sources):
            return
        given = [blobs[source] for source in sources]
        if len(given) > 1 and not any(learned) and all(len(one) == 3 for one in given):
            given = [_plain_statistics(one) for one in given]
        rng = np.random.default_rng([seed, len(picks)])
        result = []
        for arrays, learns in zip(zip(*given, strict=True), learned, strict=False):
            if arrays[0].ndim == 0 or (arrays[0].size == 1 and not learns):
                result.append(arrays[0])
                continue
            new = _joined(arrays).take(list(picks), axis=0)
            if noise and new.ndim > 1:
                spread = _joined([np.full_like(array, noise * float(array.std())) for array in arrays])
                drawn = rng.normal(0.0, 1.0, new.shape) * spread.take(list(picks), axis=0)
                new = new + drawn.astype(new.dtype)
            result.append(np.ascontiguousarray(new))
        blobs[target] = result

    with_noise = f" with noise of {noise:g} of their spread" if noise else ""
    return Move(f"copy {counted(len(picks), 'unit')} of `{'`, `'.join(sources)}` to `{target}`{with_noise}", apply)


def select(target: str, picks: Sequence[int], channels: int) -> Move:
    """``target``, a 1x1 Convolution without a bias, gives back ``picks`` of the ``channels`` that it reads."""

    def apply(blobs: Blobs) -> None:
        weights = np.zeros((len(picks), channels, 1, 1), np.float32)
        weights[np.arange(len(picks)), list(picks)] = 1.0
        blobs[target] = [weights]

    return Move(f"`{target}` picks {len(picks)} of {counted(channels, 'channel')}", apply)


def _joined(arrays: Sequence[Array]) -> Array:
    """``arrays`` one after the other along axis 0, smaller kernels in the middle of zeros."""
    shape = [max(sizes) for sizes in zip(*(array.shape for array in arrays), strict=True)]
    padded = [
        np.pad(
            array,
            [(0, 0), *(((large - small) // 2,) * 2 for large, small in zip(shape[1:], array.shape[1:], strict=True))],
        )
        for array in arrays
    ]
    return np.concatenate(padded)


def _plain_statistics(arrays: Sequence[Array]) -> list[Array]:
    """BatchNorm's mean and variance with a factor of 1."""
    mean, variance, factor = arrays
    share = 1.0 / float(factor.reshape(-1)[0]) if factor.any() else 0.0
    return [(mean * share).astype(mean.dtype), (variance * share).astype(variance.dtype), np.ones_like(factor)]


def divide(layer: str, index: int, axis: int, picks: Sequence[int], width: int = 1) -> Move:
    """Inputs ``picks`` of ``layer`` now come a further time each: every input is divided by how often it comes.

    ``width`` entries of ``axis`` belong to one input (the places of a channel).
    """

    def change(array: Array) -> Array:
        units = array.shape[axis] // width
        times = 1.0 + np.bincount(np.asarray(picks, np.intp), minlength=units)
        shape = (*array.shape[:axis], units, width, *array.shape[axis + 1 :])
        column = times.reshape([-1 if i == axis else 1 for i in range(len(shape))])
        split = (array.reshape(shape) / column).astype(array.dtype)
        both = np.concatenate([split, split.take(list(picks), axis=axis)], axis=axis)
        return both.reshape(*array.shape[:axis], -1, *array.shape[axis + 1 :])

    return _blob(
        f"divide axis {axis} of blob {index} of `{layer}` among {counted(len(picks), 'copy')}", layer, index, change
    )


def gather(layer: str, index: int, axis: int, order: Sequence[int], width: int = 1, share: bool = False) -> Move:
    """Entry k of ``axis`` is the old one ``order[k]``; with ``share``, divided by how often that one comes.

    ``width`` entries of ``axis`` belong together (the places of a channel).
    """
    picks = np.asarray(order, np.intp)

    def change(array: Array) -> Array:
        units = array.shape[axis] // width
        parts = array.reshape(*array.shape[:axis], units, width, *array.shape[axis + 1 :]).take(picks, axis=axis)
        if share:
            times = np.bincount(picks, minlength=units)[picks]
            parts = (parts / times.reshape([-1 if i == axis else 1 for i in range(parts.ndim)])).astype(array.dtype)
        return parts.reshape(*array.shape[:axis], -1, *array.shape[axis + 1 :])

    shared = ", divided among copies" if share else ""
    return _blob(f"copy entries of axis {axis} of blob {index} of `{layer}`{shared}", layer, index, change)


def identity(layer: str, shape: Sequence[int], bias: bool) -> Move:
    """``layer`` gets weights that give back what it reads (centre of a kernel), and a bias of zero."""

    def apply(blobs: Blobs) -> None:
        weights = np.zeros(tuple(shape), np.float32)
        for unit in range(min(shape[0], shape[1])):
            weights[(unit, unit, *(size // 2 for size in shape[2:]))] = 1.0
        blobs[layer] = [weights, np.zeros(shape[0], np.float32)] if bias else [weights]

    return Move(f"`{layer}` starts as the identity", apply)
