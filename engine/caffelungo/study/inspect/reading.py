"""One pass over the pictures: what each layer answers, as small numbers that are kept.

Of each layer: its features at up to ``PLACES`` x ``PLACES`` places (for CKA), how far each unit ever rises, and how
large the features are. Of the units at the top also the answer to every picture, and of what the classifier reads the
mean over its places.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from caffelungo.layers.kinds import NONLINEAR
from caffelungo.plan.plan import PlannedLayer
from caffelungo.study.inspect.groups import Leaf, Top, output_of
from caffelungo.study.inspect.inspected_nets import Before, Tuned
from caffelungo.study.inspect.similarity import Floats

PLACES = 4
"""Features of a convolution are averaged to so many places a side, or fewer."""
COMPARED = 512
"""Pictures for CKA; of more, some at even distances."""
MAPPED = 1000
"""Pictures on the map of features, likewise."""
MEMORY = 512 << 20
"""Bytes for features of all layers of both nets."""


@dataclass
class NetReading:
    """What one net answered. Lists grow a batch at a time; ``rows`` holds them as arrays after the pass."""

    features: dict[str, list[Floats]] = field(default_factory=dict)
    highest: dict[str, Floats] = field(default_factory=dict)
    norms: dict[str, list[Floats]] = field(default_factory=dict)
    answers: dict[str, list[Floats]] = field(default_factory=dict)
    top: dict[str, list[Floats]] = field(default_factory=dict)
    logits: list[Floats] = field(default_factory=list)

    def dead(self, layer: str) -> int | None:
        """How many units of ``layer`` never rose above zero; None for a layer that is not known."""
        return int((self.highest[layer] <= 0).sum()) if layer in self.highest else None

    def norm(self, name: str) -> float:
        """The mean length of the features ``name``."""
        return float(np.concatenate(self.norms[name]).mean()) if self.norms.get(name) else float("nan")


@dataclass
class Readings:
    """What both nets answered to the pictures ``numbers`` of classes ``labels``; ``before`` None where there is none.

    ``mapped`` are the positions, among all pictures, of those in ``NetReading.top``.
    """

    after: NetReading
    before: NetReading | None
    numbers: NDArray[np.int64]
    labels: NDArray[np.int64]
    mapped: NDArray[np.int64]


def look(
    tuned: Tuned, before: Before | None, top: Top, layers: Sequence[str], answering: Collection[str],
    parts: Iterator[object], expected: int,
) -> Readings:  # fmt: skip
    """Run both nets over ``parts`` (``samples.SampleBlock``). ``layers`` are compared, ``answering`` answer every
    picture; ``expected`` is about how many pictures there are."""
    found = Readings(NetReading(), NetReading() if before else None, np.empty(0), np.empty(0), np.empty(0))  # type: ignore[arg-type]
    numbers: list[NDArray[np.int64]] = []
    labels: list[NDArray[np.int64]] = []
    mapped: list[int] = []
    width = _width(len(layers) * (2 if before else 1), min(expected, COMPARED))
    compare_each, map_each = (max(1, -(-expected // most)) for most in (COMPARED, MAPPED))
    seen = 0
    for part in parts:
        position = seen + np.arange(len(part.labels))  # type: ignore[attr-defined]
        seen += len(position)
        compared, on_map = position % compare_each == 0, position % map_each == 0
        numbers.append(part.numbers)  # type: ignore[attr-defined]
        labels.append(part.labels)  # type: ignore[attr-defined]
        mapped += position[on_map].tolist()
        data = tuned.runner.forward(part.tensors)  # type: ignore[attr-defined]
        found.after.logits.append(_logits(data[tuned.scores], tuned.probabilities))
        _read_top(found.after, data, top, on_map)
        for name in layers:
            _read_layer(found.after, data, tuned.runner.units(name), name, compared, width, name in answering)
        if before is not None and found.before is not None:
            values = before.forward(part.tensors)  # type: ignore[attr-defined]
            for name in layers:
                if name in before.known:
                    units = before.runner.units(name)
                    _read_layer(found.before, values, units, name, compared, width, name in answering)
            _read_old(found.before, values, before, top, on_map)
    found.numbers, found.labels = np.concatenate(numbers), np.concatenate(labels)
    found.mapped = np.array(mapped, np.int64)
    return found


def _width(sets: int, samples: int) -> int:
    """How many features of a layer are kept."""
    return int(min(2048, max(64, MEMORY // (4 * max(sets, 1) * max(samples, 1)))))


def _read_layer(
    into: NetReading, data: Mapping[int, Tensor], units: tuple[PlannedLayer, int] | None, name: str,
    compared: NDArray[np.bool_], width: int, answering: bool,
) -> None:  # fmt: skip
    if units is None or units[1] not in data:
        return
    value = _by_place(data[units[1]])
    into.norms.setdefault(name, []).append(_lengths(value))
    each = value.amax(2)
    highest = each.amax(0).cpu().numpy()
    into.highest[name] = np.maximum(into.highest[name], highest) if name in into.highest else highest
    if answering:
        into.answers.setdefault(name, []).append(each.cpu().numpy())
    if compared.any():
        kept = torch.from_numpy(np.flatnonzero(compared)).to(value.device)
        into.features.setdefault(name, []).append(_pooled(data[units[1]][kept], width))


def _by_place(value: Tensor) -> Tensor:
    """Samples x channels x places, float32."""
    return value.float().reshape(value.shape[0], value.shape[1] if value.dim() > 1 else 1, -1)


def _lengths(value: Tensor) -> Floats:
    """The L2 norm over channels of samples x channels x places, root mean square over places."""
    return np.asarray(value.square().sum(1).mean(1).sqrt().cpu().numpy())


def _pooled(value: Tensor, width: int) -> Floats:
    value = value.float()
    if value.dim() == 4:
        side = max(1, min(PLACES, int((width // max(value.shape[1], 1)) ** 0.5)))
        value = F.adaptive_avg_pool2d(value, (min(side, value.shape[2]), min(side, value.shape[3])))
    return np.asarray(value.reshape(len(value), -1).cpu().numpy())


def _read_top(into: NetReading, data: Mapping[int, Tensor], top: Top, on_map: NDArray[np.bool_]) -> None:
    """What the classifier reads, whole and by groups, and how large it and the units behind it are."""
    read = _by_place(data[top.value])
    mean = read.mean(2).cpu().numpy()[on_map]
    into.top.setdefault("all", []).append(mean)
    into.norms.setdefault("all", []).append(_lengths(read))
    for group in top.groups:
        channels = np.concatenate([np.arange(*span) for span in group.spans])
        into.top.setdefault(group.name, []).append(mean[:, channels])
        into.norms.setdefault(group.name, []).append(_lengths(read[:, torch.from_numpy(channels)]))
        into.norms.setdefault(f"{group.name} raw", []).append(_raw_lengths(data, [leaf.value for leaf in group.leaves]))


def _read_old(
    into: NetReading, data: Mapping[int, Tensor], before: Before, top: Top, on_map: NDArray[np.bool_]
) -> None:
    """The old units as they were: those that the tuned net's old units became; and how large those of each group."""
    if values := _values_before(data, before, [leaf for leaf in top.leaves if not leaf.new]):
        into.top.setdefault("old units", []).append(
            np.concatenate([_by_place(data[value]).mean(2).cpu().numpy() for value in values], 1)[on_map]
        )
    for group in top.groups:
        if values := _values_before(data, before, group.leaves):
            into.norms.setdefault(f"{group.name} raw", []).append(_raw_lengths(data, values))


def _values_before(data: Mapping[int, Tensor], before: Before, leaves: Sequence[Leaf]) -> list[int]:
    """The values of the makers of ``leaves`` in the net before; none where one of them is not known."""
    names = dict.fromkeys(leaf.maker.name for leaf in leaves)
    units = [before.runner.units(name) for name in names if name in before.known]
    values = [one[1] for one in units if one is not None and one[1] in data]
    return values if len(values) == len(names) else []


def _raw_lengths(data: Mapping[int, Tensor], values: Sequence[int]) -> Floats:
    squares = [_lengths(_by_place(data[value])) ** 2 for value in dict.fromkeys(values)]
    return np.asarray(np.sqrt(np.sum(squares, 0)))


def _logits(scores: Tensor, probabilities: bool) -> Floats:
    flat = scores.float().reshape(len(scores), -1)
    return np.asarray((flat.clamp_min(1e-30).log() if probabilities else flat).cpu().numpy(), np.float64)


def rectified(tuned: Tuned, name: str) -> bool:
    """Whether the units of ``name`` pass a ReLU, so that never rising above zero means that they are dead."""
    units = tuned.runner.units(name)
    if units is None:
        return False
    value = units[1]
    maker = tuned.runner.graph.producer.get(value)
    kind = maker.layer.type if maker is not None else ""
    return kind in NONLINEAR and kind == "ReLU" and output_of(tuned.runner.graph, units[0]) == value
