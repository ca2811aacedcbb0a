"""What a frozen net computes for the pictures at one input size, read once for everything that the advice asks.

pictures -> the end of every stage, and what the net's own classifier says -> one matrix per candidate
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from caffelungo.definition import editor
from caffelungo.definition.definition import Definition
from caffelungo.definition.edits import Edit, InsertLayer
from caffelungo.definition.schema import TEST
from caffelungo.errors import UserError
from caffelungo.features.pooled import Key, Pooled
from caffelungo.passes.join import JoinedOptions, Read, columns
from caffelungo.passes.view import View
from caffelungo.probes.candidates import AUTO, JOINED, ProbeCandidate, candidates
from caffelungo.probes.feature_matrix import Subject, matrix, read
from caffelungo.probes.picture_entries import Entry
from caffelungo.rewriting.retarget import Pictures, PointOptions, needed, open_net, point
from caffelungo.solve.engine import Engine
from caffelungo.wording import counted

Stage = Callable[[str, int, int], None]
BATCH = 32
SOURCE = "_of_source"
"""Suffix of layers and blobs that are added to read what the net's own classifier says."""


@dataclass
class NetFeatures:
    """``net`` (as it was named) at ``size`` pixels; ``own_side`` is its own size.

    ``pooled`` has rows of ``entries`` and of their mirrored copies. ``answers`` (N x Z) are the probabilities of the
    net's own classifier, None where it has none that can be read. ``seconds`` is what
    reading took.
    """

    net: str
    weights: str
    size: int
    own_side: int
    view: View
    candidates: list[ProbeCandidate]
    entries: list[Entry]
    pooled: Pooled
    answers: NDArray[np.floating] | None
    seconds: float
    subject: Subject

    def others(self, paths: Sequence[str], cache: Path, say: Stage) -> NDArray[np.float32]:
        """``last`` of other pictures."""
        what = f"features of {counted(len(paths), 'picture')} of the source"
        found = read(
            self.subject, [(path, 0) for path in paths], [self.stages[-1]], cache=cache,
            say=lambda done, total, text: say(what, int(done), int(total)),
        )  # fmt: skip
        return found.rows[self.stages[-1], "mean", 0]

    def matrix(self, candidate: ProbeCandidate) -> Tensor:
        """2N x D: the mirrored copies follow."""
        options = JoinedOptions(tuple(Read(blob) for blob in candidate.blobs), suffix="joined")
        return matrix(self.pooled, [(blob, pool) for blob, pool, _ in columns(self.view, options)])

    @property
    def last(self) -> NDArray[np.float32]:
        """The means of the last stage, N x D: what scores and distances are computed from."""
        return self.pooled.rows[self.stages[-1], "mean", 0]

    @property
    def own(self) -> bool:
        """Whether it is read at its own size."""
        return self.size == self.own_side

    @property
    def seconds_per_picture(self) -> float:
        """What one forward pass took."""
        return self.seconds / (2 * len(self.entries))

    @property
    def stages(self) -> list[str]:
        """The blobs that end a stage, from the picture on."""
        return [one.blobs[0] for one in self.candidates if one.name != JOINED]

    def lengths(self) -> dict[str, float]:
        """The mean length of the means of each stage."""
        return {
            stage: float(np.linalg.norm(self.pooled.rows[stage, "mean", 0], axis=1).mean()) for stage in self.stages
        }

    def reader(self, entries: Sequence[Entry], blobs: Sequence[str], mirrored: bool) -> Pooled | None:
        """The rows of some of the pictures; None where they, or a blob, were not read here."""
        places = {path: place for place, (path, _) in enumerate(self.entries)}
        wanted = [places.get(str(Path(path).absolute())) for path, _ in entries]
        if None in wanted or not set(blobs) <= set(self.pooled.blobs):
            return None
        index = np.array(wanted, np.int64)
        rows: dict[Key, NDArray[np.float32]] = {
            key: np.asarray(values[index]) for key, values in self.pooled.rows.items()
            if key[0] in blobs and (mirrored or not key[2])
        }  # fmt: skip
        labels = np.array([label for _, label in entries], np.int64)
        return Pooled(tuple(blobs), rows, labels, tuple(path for path, _ in entries))


def net_features(
    net: str,
    weights: str | None,
    size: int | None,
    entries: list[Entry],
    classes: Sequence[str],
    engine: Engine,
    cache: Path,
    say: Stage,
) -> NetFeatures:
    """Read ``net`` at ``size`` (None: its own). UserError for a net or weights that do not fit."""
    wanted = PointOptions(net, weights, suffix="advised", size=size, batch_size=BATCH, device=str(engine.device))
    opened = open_net(wanted)
    named = needed(opened, net)
    count = len(entries)
    lists = Pictures(len(classes), count, count, "train.txt", "train.txt")
    pointed = point(opened, wanted, lists).definition
    view = View(pointed)
    tried = candidates(view, (AUTO,))
    blobs = list(dict.fromkeys(blob for one in tried for blob in one.blobs))
    reading, answer = with_source_classifier(pointed, opened.definition)
    begin = time.monotonic()

    def tell(done: float, total: float, text: str = "") -> None:
        say(f"features of {Path(net).name} at {side} px", int(done), int(total))

    side = side_of(view)
    subject = Subject(reading, [named], engine)
    wished = [*blobs, *([answer] if answer else [])]
    try:
        found = read(subject, entries, wished, mirrored=True, cache=cache, say=tell)
    except UserError:
        if answer is None:
            raise
        # Weights without the old classifier.
        answer, subject = None, Subject(pointed, [named], engine)
        found = read(subject, entries, blobs, mirrored=True, cache=cache, say=tell)
    own = side if size is None else side_of(View(point(opened, replace(wanted, size=None), lists).definition))
    seconds = time.monotonic() - begin
    answers = softmax(found.rows[answer, "mean", 0]) if answer else None
    return NetFeatures(net, named, side, own, view, tried, list(entries), found, answers, seconds, subject)


def own_side(net: str, weights: str | None) -> int:
    """The input size of ``net`` in pixels; UserError as ``net_features``."""
    wanted = PointOptions(net, weights, batch_size=BATCH)
    opened = open_net(wanted)
    needed(opened, net)
    return side_of(View(point(opened, wanted, Pictures(2, 2, 2)).definition))


def side_of(view: View) -> int:
    """The height of the input in pixels; 0 where it is not known."""
    graph = view.graphs.get(TEST) or view.graph
    shapes = [one.top_shapes[0] for one in graph.plan.sources if one.top_shapes]
    return next((int(shape[2] or 0) for shape in shapes if shape is not None and len(shape) == 4), 0)


def with_source_classifier(pointed: Definition, original: Definition) -> tuple[Definition, str | None]:
    """``pointed`` with the net's own classifier beside the new one, and the blob of its scores; None without one.

    Its layer has the old name, so that the weights find it; all that is added runs in phase TEST only.
    """
    heads = View(original).heads()
    taken = {layer.name for layer in pointed.message.layer}
    if not heads or heads[-1].name in taken or any(one.params for one in heads[-1].between):
        return pointed, None
    blobs: dict[str, str] = {}
    edits: list[Edit] = []
    for one in (heads[-1].head, *heads[-1].between):
        layer = type(original.message.layer[one.index])()
        layer.CopyFrom(original.message.layer[one.index])
        for field in ("include", "exclude"):
            layer.ClearField(field)
        layer.include.add().phase = TEST
        layer.name = one.name if one.params else f"{one.name}{SOURCE}"
        layer.bottom[:] = [blobs.get(name, name) for name in layer.bottom]
        blobs |= {name: f"{name}{SOURCE}" for name in layer.top}
        layer.top[:] = [blobs[name] for name in layer.top]
        edits.append(InsertLayer(len(pointed.message.layer), layer))
    return editor.apply(pointed, edits), layer.top[0]


def softmax(scores: NDArray[np.floating]) -> NDArray[np.floating]:
    """Probabilities, each row, of scores N x Z."""
    apart = np.asarray(scores, np.float64)
    powers = np.exp(apart - apart.max(1, keepdims=True))
    return np.asarray(powers / powers.sum(1, keepdims=True), np.float64)
