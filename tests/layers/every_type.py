"""What is asked of every layer type, in the registry or in a package: one helper, from an example of a layer."""

from __future__ import annotations

import importlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from caffelungo.definition.reader import Definition, parse_net
from caffelungo.definition.schema import TEST, TRAIN
from caffelungo.errors import UserError
from caffelungo.layers import documentation, kinds, registry
from caffelungo.layers.base import Layer, State
from caffelungo.layers.fillers import fill
from caffelungo.passes.base import Refusal, Result, Step, run, step
from caffelungo.passes.caffe import BvlcOptions, bvlc
from caffelungo.passes.deepen import DeepenOptions, deepen
from caffelungo.passes.enlarge import EnlargeOptions, enlarge
from caffelungo.passes.new_units import UnitOptions
from caffelungo.passes.widen import WidenOptions, widen
from caffelungo.plan.cost import costs
from caffelungo.plan.plan import PlannedLayer
from caffelungo.report import drawing
from tests.layers.check_gradient import check_gradient
from tests.layers.helper import check_weights_file, layer_net, plan_of
from tests.passes import numbers

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Example:
    """A layer of one type. ``text`` is the inside of its block besides the type; a ``given`` bottom has these values,
    the others are normal, or above 0 where ``positive``."""

    text: str = ""
    shapes: Sequence[tuple[int, ...]] = ((2, 4, 3, 3),)
    tops: int = 1
    given: dict[int, Array] = field(default_factory=dict)
    positive: bool = False

    def layer(self, layer_type: str) -> str:
        return f'type: "{layer_type}" {self.text}'

    def bottoms(self, seed: int = 0) -> list[Array]:
        rng = np.random.default_rng(seed)
        made = [rng.normal(0, 1, shape) for shape in self.shapes]
        made = [np.abs(one) + 0.1 for one in made] if self.positive else made
        return [self.given.get(index, one) for index, one in enumerate(made)]


@contextmanager
def registered(cls: type[Layer]) -> Iterator[None]:
    """``cls`` as a type of the registry, for a while."""
    registry.register(cls)
    try:
        yield
    finally:
        del registry._registered[cls.type]


def example(cls: type[Layer]) -> Example:
    """``EXAMPLE`` of the test file of a type, or the one that does for a layer that takes any blob and no options."""
    module = importlib.import_module(f"tests.layers.types.test_{cls.__module__.rpartition('.')[2]}")
    return getattr(module, "EXAMPLE", Example())


def hold(layer_type: str, one: Example) -> None:
    """Ask every question of ``layer_type``; the answers on its class must agree with what it computes."""
    cls = registry.find(layer_type)
    assert cls is not None
    shown = documentation.describe(layer_type)
    assert all(option.name in shown and option.text in shown for option in cls.own_options)
    if cls.source:
        assert not cls.neuron
        return
    text = layer_net(one.layer(layer_type), list(one.shapes), one.tops)
    for phase in (TRAIN, TEST):
        made = Made(text, phase, one)
        made.costs()
        made.drawing()
        made.blobs()
        made.samples()
        made.channels()
        made.signs()
    made.gradient()
    if cls.neuron or (cls.passes_on and not cls.joins):
        grown(layer_type, one)
    back_to_caffe(layer_type, one)


class Made:
    """The layer of an example in one phase, planned and with blobs."""

    def __init__(self, text: str, phase: int, one: Example) -> None:
        self.text, self.phase, self.one = text, phase, one
        self.plan = plan_of(text, phase)
        self.planned: PlannedLayer = self.plan.layers[-1]
        self.layer: Layer = self.planned.layer
        rng = np.random.default_rng(1)
        self.store = [
            torch.from_numpy(fill(use.spec.filler, use.shape, rng)).double() for use in self.planned.params  # type: ignore[arg-type]
        ]  # fmt: skip

    def compute(self, *bottoms: Array) -> list[Array]:
        torch.manual_seed(4)
        tensors = [torch.from_numpy(np.asarray(one, np.float64)) for one in bottoms]
        tops = self.layer.compute(tensors, [blob.clone() for blob in self.store], State())
        return [top.numpy() for top in tops]

    def costs(self) -> None:
        found = costs(self.plan)[-1]
        assert found.operations is not None
        assert found.operations >= 0
        assert found.bytes is not None
        assert found.parameters == sum(blob.numel() for blob in self.store)
        if self.layer.neuron:
            numbers_of_a_sample = int(np.prod(self.one.shapes[0][1:]))
            assert found.operations == 0 or found.operations >= numbers_of_a_sample

    def drawing(self) -> None:
        boxes = drawing.layout(self.plan, self.plan)
        caption = f"{self.layer.type} {self.layer.caption([use.shape for use in self.planned.params])}".rstrip()
        inside = [box for box in boxes if caption in box.lines]
        assert len(inside) == 1
        own = inside[0].lines[0] == "l"
        assert own != (self.layer.drawn_inside and len(self.one.shapes) == 1)

    def blobs(self) -> None:
        names = tuple(use.spec.name for use in self.planned.params)
        assert names == self.layer.blob_names[: len(names)]
        sized = any(use.shape == (self.one.shapes[0][1],) for use in self.planned.params if self.layer.neuron)
        assert self.layer.per_channel or not sized
        assert all(hasattr(self.layer, name) for name in self.layer.weights_depend_on)

    def samples(self) -> None:
        """Each sample alone gives what it gives among others."""
        if not self.layer.each_alone(self.planned.bottom_shapes) or self.layer.type == "BatchNorm":
            return
        bottoms = self.one.bottoms()
        together = self.compute(*bottoms)
        for k in range(len(bottoms[0])):
            alone = self.compute(*(bottom[k : k + 1] for bottom in bottoms))
            for ours, theirs in zip(alone, together, strict=True):
                np.testing.assert_allclose(ours[0], theirs[k], rtol=1e-9, atol=1e-12)

    def channels(self) -> None:
        """Channels that are said to be apart do not change each other."""
        if not self.layer.channels_apart or not self.one.tops:
            return
        first, *rest = self.one.bottoms()
        other = first.copy()
        other[:, 0] = other[:, 0] * 0.5 + 0.3
        before, after = self.compute(first, *rest), self.compute(other, *rest)
        for was, now in zip(before, after, strict=True):
            kept = slice(now.shape[1] // first.shape[1], None)
            np.testing.assert_array_equal(was[:, kept], now[:, kept])

    def signs(self) -> None:
        """Zeros, signs and slopes at 0 are as the class says."""
        layer, bottoms = self.layer, self.one.bottoms()
        if layer.zero_stays:
            assert not self.compute(*(np.zeros_like(one) for one in bottoms))[0].any()
        if layer.never_negative(False):
            assert all(top.min() >= 0 for top in self.compute(*(4 * one for one in bottoms)))
        if layer.never_negative(True):
            assert all(top.min() >= 0 for top in self.compute(*map(np.abs, bottoms)))
        if layer.neuron and layer.differentiable and not layer.shut_at_zero and layer.channels_apart:
            at, above = (self._slope(value) for value in (0.0, 1e-6))
            assert not np.isfinite(at) or abs(at - above) < 1e-3 * max(1.0, abs(at))
        if layer.nonlinear:
            x, y = (self.one.bottoms(seed)[0] for seed in (2, 3))
            bent = self.compute(x + y)[0] + self.compute(np.zeros_like(x))[0] - self.compute(x)[0] - self.compute(y)[0]
            assert np.abs(bent).max() > 1e-3

    def _slope(self, value: float) -> float:
        x = torch.full(self.one.shapes[0], value, dtype=torch.float64, requires_grad=True)
        torch.manual_seed(4)
        self.layer.compute([x], [blob.clone() for blob in self.store], State())[0].sum().backward()
        assert x.grad is not None
        return float(x.grad.reshape(-1)[0])

    def gradient(self) -> None:
        blobs = [blob.numpy() for blob in self.store]
        if self.layer.differentiable and self.one.tops:
            check_gradient(self.planned, self.one.bottoms(), blobs)
        if blobs:
            check_weights_file(self.text, blobs)


def grown(layer_type: str, one: Example) -> None:
    """A net with the layer behind units: growth computes what it should, or says why not."""
    flat = layer_type in kinds.NEURONS
    before = parse_net(_around(one.layer(layer_type), flat))
    keeping = UnitOptions(3, normalize=False, keep_head=True)
    for name, asked, same in (
        ("widen", step(widen, WidenOptions("fc1", UnitOptions(3, normalize=False))), False),
        ("keep", step(widen, WidenOptions("fc1", keeping)), True),
        ("deepen", step(deepen, DeepenOptions("fc1", UnitOptions(3))), False),
        ("identity", step(deepen, DeepenOptions("fc1", UnitOptions(4 if flat else 36, keep_head=True))), True),
        ("enlarge", step(enlarge, EnlargeOptions("fc1", 3)), True),
    ):
        result = _tried(before, asked)
        if result is None:
            positive = plan_of(before.text).layers[2].layer.never_negative(False)
            assert not _must(layer_type, name, positive), f"{name} is refused"
            continue
        if same:
            x = np.abs(np.random.default_rng(5).normal(1, 0.5, (2, 6) if flat else (2, 6, 5, 5))).astype(np.float32)
            was, now = numbers.before_and_after(before, result, x)
            np.testing.assert_allclose(now("fc2"), was("fc2"), rtol=2e-4, atol=2e-5, err_msg=f"{layer_type} {name}")
        if name in ("widen", "keep") and layer_type in kinds.NEURONS:
            assert sum(layer.type == layer_type for layer in result.definition.message.layer) == 2


def _tried(before: Definition, asked: Step) -> Result | None:
    """What a growth makes; None when it refuses, which it does with a reason and a remedy."""
    try:
        return run(before, [asked])
    except Refusal as refused:
        _refused_well(refused)
        return None


def _around(layer: str, flat: bool) -> str:
    """The layer between four units and a classifier, on rows of numbers or on pictures."""
    plane = "" if flat else " dim: 5 dim: 5"
    fill = 'weight_filler { type: "xavier" }'
    units = f'"InnerProduct" inner_product_param {{ num_output: 4 {fill} }}'
    if not flat:
        units = f'"Convolution" convolution_param {{ num_output: 4 kernel_size: 3 {fill} }}'
    return (
        f'layer {{ name: "data" type: "Input" top: "data" input_param {{ shape {{ dim: 2 dim: 6{plane} }} }} }}\n'
        f'layer {{ name: "fc1" bottom: "data" top: "fc1" type: {units} }}\n'
        f'layer {{ name: "l" {layer} bottom: "fc1" top: "l" }}\n'
        'layer { name: "fc2" type: "InnerProduct" bottom: "l" top: "fc2" '
        f"inner_product_param {{ num_output: 3 {fill} }} }}\n"
        'layer { name: "prob" type: "Softmax" bottom: "fc2" top: "prob" }\n'
    )


def _must(layer_type: str, growth: str, positive: bool) -> bool:
    """Whether units before a layer of this type can grow so."""
    if growth == "identity":
        return positive and layer_type in kinds.NEURONS - kinds.MIXING
    if growth in ("keep", "enlarge"):
        return layer_type in (kinds.NEURONS - kinds.MIXING)
    return layer_type in kinds.NEURONS


def _refused_well(refused: UserError) -> None:
    for problem in refused.problems:
        assert problem.what
        assert problem.remedy


def back_to_caffe(layer_type: str, one: Example) -> None:
    """A type of Caffe's own stays, another becomes some of Caffe's own with the same answers, or is refused."""
    cls = registry.find(layer_type)
    assert cls is not None
    text = layer_net(one.layer(layer_type), list(one.shapes), one.tops)
    before = parse_net(text)
    if not one.shapes:
        return
    try:
        result = run(before, [step(bvlc, BvlcOptions())])
    except UserError as refused:
        _refused_well(refused)
        result = None
    if result is None:
        assert not cls.bvlc
        return
    if cls.bvlc:
        assert result.definition.message == before.message
        return
    types = [registry.find(layer.type) for layer in result.definition.message.layer]
    assert all(found is not None and found.bvlc for found in types)
    x = [bottom.astype(np.float32) for bottom in one.bottoms()]
    was, now = numbers.before_and_after(before, result, *x)
    np.testing.assert_allclose(now("y0"), was("y0"), rtol=1e-4, atol=1e-5)
    placed = parse_net(text.replace('top: "y0"', 'top: "x0"'))
    result = run(placed, [step(bvlc, BvlcOptions())])
    was, now = numbers.before_and_after(placed, result, *x)
    end = result.definition.message.layer[-1].top[0]
    np.testing.assert_allclose(now(end), was("x0"), rtol=1e-4, atol=1e-5)


def export_all(examples: dict[str, Example], export: Callable[..., Any]) -> Any:
    """One net with a branch for each example, exported; the export proves that the answers are the same."""
    text, outputs = "", []
    for index, (layer_type, one) in enumerate(examples.items()):
        branch = layer_net(one.layer(layer_type), list(one.shapes), one.tops)
        for old in ("x", "y"):
            for k in range(8):
                branch = branch.replace(f'"{old}{k}"', f'"{old}{index}_{k}"')
        text += branch.replace('name: "l"', f'name: "l{index}"')
        outputs += [f"y{index}_{k}" for k in range(one.tops)]
    definition = parse_net(text)
    weights = numbers.random_blobs(definition)
    from caffelungo.weights.weights import Weights

    with tempfile.TemporaryDirectory() as folder:
        export(definition, Weights(dict(weights)), Path(folder) / "all.onnx")
        import onnx

        return onnx.load(Path(folder) / "all.onnx")
