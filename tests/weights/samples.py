"""Weights, states and ways to damage a file that the tests of this room share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from caffelungo.definition.filter import net_state
from caffelungo.definition.reader import parse_net
from caffelungo.definition.schema import TEST, message_class
from caffelungo.errors import UserError
from caffelungo.plan.build_plan import build_plan
from caffelungo.plan.plan import Plan
from caffelungo.weights import Weights

shapes = hnp.array_shapes(min_dims=0, max_dims=5, max_side=4)
finite = st.floats(-(2.0**100), 2.0**100, width=32)
blobs = hnp.arrays(np.float32, shapes, elements=st.floats(width=32))
words = st.text("abcXYZ_/0189é ", min_size=1, max_size=12).filter(lambda word: not word.startswith("/"))


def extras(labels: int = 2) -> Any:
    """A NetExtras with a preprocessing record and class names."""
    result = message_class("lungo.NetExtras")(label=[f"class {index}" for index in range(labels)])
    result.preprocessing.mean_value.extend([104, 117, 123])
    return result


def small() -> Weights:
    """Two layers, one with a slash in its name."""
    rng = np.random.default_rng(0)
    layers = {
        "inc/3x3": [rng.standard_normal((3, 2, 1, 1), dtype=np.float32), np.zeros(3, np.float32)],
        "fc": [rng.standard_normal((2, 3), dtype=np.float32)],
    }
    return Weights(layers, {"inc/3x3": "Convolution", "fc": "InnerProduct"}, extras(), "small")


def same(a: Weights, b: Weights) -> bool:
    """Whether two sets of weights hold the same values bit for bit, in the same shapes."""
    return list(a.layers) == list(b.layers) and all(
        x.shape == y.shape and x.tobytes() == y.tobytes() and y.dtype == np.float32
        for name in a.layers
        for x, y in zip(a.layers[name], b.layers[name], strict=True)
    )


def plan(text: str, phase: int = TEST) -> tuple[Plan, Callable[..., Any]]:
    """The plan of a net given as text, and its ``where``."""
    definition = parse_net(text, "net.prototxt")
    return build_plan(
        definition.message, net_state(definition.message, phase), where=definition.where
    ), definition.where


def damages(content: bytes, flips: int = 200, cuts: int = 120) -> Iterator[bytes]:
    """``content`` cut at many places, and with one to three bytes changed; the same ones on every run."""
    for end in range(0, len(content), max(1, len(content) // cuts)):
        yield content[:end]
    rng = np.random.default_rng(1)
    for _ in range(flips):
        changed = bytearray(content)
        for _ in range(rng.integers(1, 4)):
            changed[rng.integers(len(changed))] = rng.integers(256)
        yield bytes(changed)


def survives(path: Path, read: Callable[[Path], Any], flips: int = 200, cuts: int = 120) -> int:
    """Read every damaged form of ``path``: UserError or a result, never another exception. Returns the errors."""
    errors = 0
    for content in damages(path.read_bytes(), flips, cuts):
        path.write_bytes(content)
        try:
            read(path)
        except UserError as error:
            errors += str(path) in str(error)
    return errors
