"""Verifies that an ONNX file gives the outputs of the net it was made from.

PyTorch runs the net as the definition says it, unfolded and layer by layer; ONNX Runtime runs the bytes of the file.
First every blob is compared on one batch, then every output on random and on real pictures at several batch sizes.

A difference above the tolerance that float32 itself makes is no disagreement: where PyTorch's own numbers, in the blob
or in one before it, are about as far from float64's (a Normalize of a vector that is small beside its neighbours), the
blob is reported, not refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray

from caffelungo.errors import RunError
from caffelungo.inference.runtime import EXACT, Session, open_session
from caffelungo.net.stepwise import Hook, StepNet
from caffelungo.net.store import Store
from caffelungo.plan.plan import Plan, PlannedLayer
from caffelungo.wording import counted

Array = NDArray[Any]
Feeds = Mapping[str, Array]

TOLERANCE = 1e-4
"""Largest allowed difference, as a share of the blob's largest value."""
BATCHES = (1, 2, 7)
ROUNDING = 4
"""How many times float32's own error two runtimes may be apart; each sums in its own order."""
SPACING = float(np.finfo(np.float32).eps)
"""Of float32 at 1, the range of a Sigmoid: ONNX Runtime's stops at 1.5e-8, however negative its input."""


@dataclass(frozen=True)
class Difference:
    """How far one blob is apart: ``largest`` in the blob's own unit, ``relative`` to its largest value."""

    blob: str
    largest: float
    relative: float
    inputs: str


@dataclass
class Parity:
    """What was compared and how it came out. ``worst`` holds one Difference an output, over all runs."""

    worst: dict[str, Difference] = field(default_factory=dict)
    blobs: int = 0
    worst_blob: Difference | None = None
    random: int = 0
    real: int = 0
    batches: tuple[int, ...] = ()
    top1: tuple[int, int] | None = None
    device: str = "cpu"
    tolerance: float = TOLERANCE
    sizes: list[list[int]] = field(default_factory=list)
    rounded: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Blobs beyond the tolerance by float32's doing: how far apart, and how far float32 is from float64 there."""

    def facts(self) -> dict[str, Any]:
        """For the file's metadata."""
        return {
            "largest_relative_difference": {name: float(f"{d.relative:.3g}") for name, d in self.worst.items()},
            "blobs_compared": self.blobs,
            "largest_blob_difference": asdict(self.worst_blob) if self.worst_blob else None,
            "random_inputs": self.random,
            "real_inputs": self.real,
            "batches": list(self.batches),
            "top1_agreement": list(self.top1) if self.top1 else None,
            "device": self.device,
            **({"other_sizes": self.sizes} if self.sizes else {}),
            **({"float32_rounding": {name: list(pair) for name, pair in self.rounded.items()}} if self.rounded else {}),
            "tolerance": self.tolerance,
        }

    def lines(self) -> list[str]:
        """For people."""
        inputs = counted(self.random, "random input")
        if self.real:
            inputs = f"{self.random} random and {counted(self.real, 'real input')}"
        lines = [
            f"{inputs} in batches of {', '.join(map(str, self.batches))}: PyTorch and ONNX Runtime "
            f"({self.device}) differ by at most"
        ]
        lines += [
            f"  {name}: {d.largest:.2g}, that is {d.relative:.1g} of its largest value"
            for name, d in self.worst.items()
        ]
        if self.worst_blob is not None:
            lines.append(f"  all {self.blobs} blobs: {self.worst_blob.relative:.1g} at most (`{self.worst_blob.blob}`)")
        if self.sizes:
            lines.append(f"  sizes besides its own: {', '.join('x'.join(map(str, size)) for size in self.sizes)}")
        lines += [
            f"  `{name}` differs by {apart:.1g}: float32 is too coarse for it, PyTorch itself is off by {own:.1g}"
            for name, (apart, own) in self.rounded.items()
        ]
        if self.top1 is not None:
            lines.append(f"  the top class is the same for {self.top1[0]} of {self.top1[1]}")
        return lines


class Reference:
    """The net as the definition says it, in PyTorch. ``names`` gives each value of the plan its tensor's name.

    ``prepare`` turns the file's input arrays (pictures) into the net's own, None when they are the same.
    """

    def __init__(
        self, plan: Plan, store: Store, names: Sequence[str], prepare: Callable[[Feeds], Feeds] | None = None
    ) -> None:
        self.plan, self.names, self.prepare = plan, list(names), prepare
        self.net = StepNet(plan, store)
        self.sources = [top for planned in plan.sources for top in planned.tops]

    def run(self, feeds: Feeds) -> dict[str, Array]:
        """Every value of the net by its tensor's name, in the order in which layers make them."""
        return {self.names[value]: array for value, array in self.values(feeds).items()}

    def values(self, feeds: Feeds) -> dict[int, Array]:
        """The same by the plan's number of each value."""
        self._forward(self.net, feeds, torch.float32)
        return {value: self.net.data[value].numpy() for value in sorted(self.net.data)}

    def producer(self, name: str) -> PlannedLayer:
        """The layer that makes the tensor ``name``."""
        value = self.names.index(name)
        return next(one for one in self.plan.layers if value in one.top_values)

    def scaled(self, apart: Difference) -> Difference:
        """``apart``, but relative to a Sigmoid's range where that is all a Sigmoid's float32 can tell."""
        if apart.largest > SPACING or self.producer(apart.blob).layer.type != "Sigmoid":
            return apart
        return replace(apart, relative=apart.largest)

    def rounding(self, got: Mapping[str, Array], feeds: Feeds) -> dict[str, float]:
        """How far off each tensor of ``got``, in PyTorch's float32, may be: its distance from float64 relative to its
        largest value, or that of a tensor before it, since what a layer reads is no better than that."""
        store = Store(self.plan, seed=0, dtype=torch.float64)
        store.load(self.net.store.arrays())
        net = StepNet(self.plan, store)
        last = {value: planned.key for planned in self.plan.layers for value in planned.bottom_values}
        off: dict[int, float] = {}

        def measure(planned: PlannedLayer) -> None:
            read = max((off.get(value, 0.0) for value in planned.bottom_values), default=0.0)
            for value in planned.top_values:
                name = self.names[value]
                own = difference(name, net.data[value].numpy(), got[name], "").relative if name in got else 0.0
                off[value] = max(own, read)
            for value in set(planned.bottom_values):  # in float64 all values of a large net are more than memory holds
                if last[value] == planned.key:
                    del net.data[value]

        self._forward(net, feeds, torch.float64, measure)
        return {self.names[value]: off[value] for value in off if self.names[value] in got}

    def _forward(self, net: StepNet, feeds: Feeds, dtype: torch.dtype, each: Hook | None = None) -> None:
        given = self.prepare(feeds) if self.prepare else feeds
        tensors = [torch.from_numpy(np.ascontiguousarray(given[name])).to(dtype) for name in self.sources]
        with torch.no_grad():
            net.forward(*tensors, each=each)


def prove(
    model: bytes,
    reference: Reference,
    *,
    random: Callable[[int, np.random.Generator], Feeds],
    real: Feeds | None = None,
    batches: Sequence[int] = BATCHES,
    classifiers: Sequence[str] = (),
    tolerance: float = TOLERANCE,
    device: str = "cpu",
    seed: int = 0,
    sized: Sequence[Feeds] = (),
) -> Parity:
    """Compare ``model`` with ``reference``; RunError naming the first layer that differs when they disagree.

    ``random(batch, rng)`` makes the inputs of one batch, ``real`` holds real ones (any number, same keys);
    ``classifiers`` are the outputs in which the same class must come first; ``sized`` are inputs of other heights and
    widths, compared blob by blob, too.
    """
    session = open_session(model, device, settings=EXACT)
    proof = Parity(batches=tuple(batches), device=session.device, tolerance=tolerance)
    rng = np.random.default_rng(seed)
    _every_blob(model, reference, random(2 if 2 in batches else batches[-1], rng), proof)
    for feeds in sized:
        _every_blob(model, reference, feeds, proof)
    runs = [(f"batch of {counted(size, 'random input')}", random(size, rng)) for size in batches]
    runs += [(f"input of {'x'.join(map(str, next(iter(feeds.values())).shape))}", feeds) for feeds in sized]
    proof.random = sum(batches) + sum(_size(feeds) for feeds in sized)
    proof.sizes = [list(next(iter(feeds.values())).shape[1:]) for feeds in sized]
    if real is not None:
        proof.real = _size(real)
        runs += [(f"batch of {counted(_size(feeds), 'real input')}", feeds) for feeds in _split(real, batches)]
    agreed = seen = 0
    for title, feeds in runs:
        expected, got = reference.run(feeds), session.run(feeds)
        found, wrong = compare(session.outputs, expected, got, reference, feeds, title, proof)
        for apart in found:
            if apart.blob not in proof.worst or apart.relative >= proof.worst[apart.blob].relative:
                proof.worst[apart.blob] = apart
        if wrong is not None:
            raise _failure(wrong, tolerance, f"output `{wrong.blob}`", found, feeds)
        if classifiers:
            same = np.all([same_class(expected[one], got[one], tolerance) for one in classifiers], axis=0)
            agreed, seen = agreed + int(same.sum()), seen + len(same)
    if classifiers:
        proof.top1 = (agreed, seen)
        if agreed < seen:
            raise RunError(
                f"PyTorch and ONNX Runtime give different top classes for {seen - agreed} of {counted(seen, 'input')}\n"
                "  to do: report the net; no file was written"
            )
    return proof


def difference(blob: str, expected: Array, got: Array, inputs: str) -> Difference:
    """How far ``got`` is from ``expected``; infinite when shapes differ or values are not finite."""
    if expected.shape != got.shape or not np.isfinite(expected).all() or not np.isfinite(got).all():
        return Difference(blob, float("inf"), float("inf"), inputs)
    largest = float(np.abs(expected.astype(np.float64) - got).max(initial=0.0))
    size = float(np.abs(expected).max(initial=0.0))
    return Difference(blob, largest, largest / size if size else (0.0 if largest == 0 else float("inf")), inputs)


def same_class(expected: Array, got: Array, tolerance: float) -> NDArray[np.bool_]:
    """For each row whether the same class comes first; classes nearer than ``tolerance`` count as one."""
    left, right = expected.reshape(len(expected), -1), got.reshape(len(got), -1)
    chosen = np.take_along_axis(left, right.argmax(1)[:, None], 1)[:, 0]
    best = left.max(1)
    return np.asarray(best - chosen <= tolerance * np.abs(best))


def _every_blob(model: bytes, reference: Reference, feeds: Feeds, proof: Parity) -> None:
    """Compare all tensors that bear a blob's name, layer by layer, and stop at the first that differs."""
    expected = reference.run(feeds)
    for name, value in expected.items():
        if not np.isfinite(value).all():
            raise RunError(
                f"layer `{reference.producer(name).name}` gives values that are not finite (blob `{name}`) in PyTorch "
                "already\n  to do: check the weights; `lungo test` names the first layer with such values"
            )
    got = with_all_outputs(model, expected).run(feeds)
    title = f"batch of {counted(_size(feeds), 'random input')}"
    there = [name for name in expected if name in got]
    found, wrong = compare(there, expected, got, reference, feeds, title, proof)
    if wrong is not None:
        where = f"layer `{reference.producer(wrong.blob).name}` (blob `{wrong.blob}`)"
        raise _failure(wrong, proof.tolerance, where, found, feeds)
    proof.blobs = max(proof.blobs, len(found))
    for apart in found:
        if proof.worst_blob is None or apart.relative > proof.worst_blob.relative:
            proof.worst_blob = apart


def with_all_outputs(model: bytes, names: Mapping[str, Any]) -> Session:
    """A session that also gives every tensor of ``model`` called one of ``names``."""
    proto = onnx.load_model_from_string(model)
    known = {output.name for output in proto.graph.output} | {given.name for given in proto.graph.input}
    for node in proto.graph.node:
        for name in node.output:
            if name in names and name not in known:
                proto.graph.output.append(onnx.ValueInfoProto(name=name))
    return open_session(proto.SerializeToString())


def compare(
    names: Sequence[str],
    expected: Mapping[str, Array],
    got: Mapping[str, Array],
    reference: Reference,
    feeds: Feeds,
    inputs: str,
    proof: Parity,
) -> tuple[list[Difference], Difference | None]:
    """How far ``got`` is from PyTorch's ``expected`` in each of ``names``, and the first that disagrees.

    One that is beyond the tolerance but not beyond float32's own error does not; ``proof`` notes it. ``feeds`` are the
    inputs of both, ``inputs`` what they are called.
    """
    found = [reference.scaled(difference(name, expected[name], got[name], inputs)) for name in names]
    beyond = [one for one in found if not one.relative <= proof.tolerance]
    roundings = reference.rounding(expected, feeds) if any(np.isfinite(one.relative) for one in beyond) else {}
    for one in beyond:
        own = roundings.get(one.blob, np.inf)
        if not np.isfinite(own) or one.relative > ROUNDING * own:
            return found, one
        if one.relative > proof.rounded.get(one.blob, (0.0, 0.0))[0]:
            proof.rounded[one.blob] = (float(f"{one.relative:.3g}"), float(f"{own:.3g}"))
    return found, None


def _size(feeds: Feeds) -> int:
    return len(next(iter(feeds.values())))


def _split(feeds: Feeds, batches: Sequence[int]) -> list[Feeds]:
    """``feeds`` cut into pieces of the sizes ``batches``, again and again until all are used."""
    total, start = _size(feeds), 0
    pieces: list[Feeds] = []
    while start < total:
        size = batches[len(pieces) % len(batches)]
        pieces.append({name: array[start : start + size] for name, array in feeds.items()})
        start += size
    return pieces


def _failure(apart: Difference, tolerance: float, where: str, found: Sequence[Difference], feeds: Feeds) -> RunError:
    worst = max(found, key=lambda one: one.relative)
    ranges = ", ".join(f"`{name}` from {array.min():.4g} to {array.max():.4g}" for name, array in feeds.items())
    return RunError(
        f"PyTorch and ONNX Runtime disagree from {where} on: {apart.largest:.3g}, that is {apart.relative:.3g} of its "
        f"largest value, where {tolerance:g} is allowed ({apart.inputs}: {ranges}); most in `{worst.blob}`: "
        f"{worst.relative:.3g}\n"
        "  to do: where the net is meant for inputs of another range, prove it with pictures (--pictures) or say its "
        "preprocessing (lungo convert --mean --scale); else report the net; no file was written"
    )
