"""Types that others register: found out where they say what is not so, and never a dead end for growth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from caffelungo.definition.reader import parse_net, read_net
from caffelungo.definition.schema import LayerParameter
from caffelungo.deploy.caffe_export import export_caffe
from caffelungo.deploy.export import export
from caffelungo.errors import RunError, UserError
from caffelungo.layers import kinds
from caffelungo.layers.base import CaffeForm, Layer, Neuron, OnnxOperator, Option, Shape, State
from caffelungo.layers.types.hard_sigmoid import HardSigmoid
from caffelungo.layers.types.prelu import PReLU
from caffelungo.layers.types.relu import ReLU
from caffelungo.layers.types.softmax import Softmax
from caffelungo.passes.base import Refusal, run, step
from caffelungo.passes.deepen import DeepenOptions, deepen
from caffelungo.passes.new_units import UnitOptions
from caffelungo.passes.widen import WidenOptions, widen
from caffelungo.weights.weights import Weights
from tests.layers.every_type import Example, export_all, hold, registered
from tests.layers.helper import layer_net


class Plain(Neuron):
    """y = x + 1. Bottom and top: any shape. Source: this test."""

    type = "PlainOfATest"
    nonlinear = False

    def compute(self, bottoms: Sequence[Any], blobs: Sequence[Any], state: State) -> Sequence[Any]:
        return [bottoms[0] + 1]


def yes(self: Layer, bottoms: object) -> bool:
    return True


def too_few(self: Layer, bottoms: object, tops: object, blobs: object) -> int:
    return 1


def other_function(self: Layer, bottoms: Sequence[Shape | None], names: Callable[[str], str]) -> CaffeForm:
    return CaffeForm([LayerParameter(name="l", type="TanH", bottom=["x0"], top=["y0"])])


def other_type(self: Layer, bottoms: Sequence[Shape | None], names: Callable[[str], str]) -> CaffeForm:
    return CaffeForm([LayerParameter(name="l", type="HardSigmoid", bottom=["x0"], top=["y0"])])


LIES = [
    (Plain, {"nonlinear": True}),
    (Plain, {"zero_stays": True}),
    (Plain, {"never_negative": yes}),
    (Plain, {"operations": too_few}),
    (Plain, {"weights_depend_on": ("slope",)}),
    (Plain, {"caffe_form": other_function}),
    (Plain, {"caffe_form": other_type}),
    (Plain, {"compute": lambda self, bottoms, blobs, state: [bottoms[0] - bottoms[0].mean()]}),
    (ReLU, {"shut_at_zero": False, "bvlc": False}),
    (PReLU, {"per_channel": False, "bvlc": False}),
    (PReLU, {"blob_names": ("weight",), "bvlc": False}),
    (Softmax, {"channels_apart": True, "bvlc": False}),
]


@pytest.mark.parametrize(("base", "said"), LIES, ids=[f"{base.type} {' '.join(said)}" for base, said in LIES])
def test_a_class_that_says_what_is_not_so(base: type[Layer], said: dict[str, Any]) -> None:
    honest = type("Honest", (base,), {"type": "HonestOfATest", "bvlc": False, "__doc__": base.__doc__})
    lying = type("Lying", (base,), {"type": "LyingOfATest", "__doc__": base.__doc__, **said})
    with registered(honest):
        hold("HonestOfATest", Example())
    with registered(lying), pytest.raises((AssertionError, RuntimeError)):
        hold("LyingOfATest", Example())


def test_an_operator_that_computes_something_else_is_not_written() -> None:
    class Wrong(HardSigmoid):
        type = "WrongOfATest"
        own_options = (Option("alpha", 0.2, "Slope."), Option("beta", 0.5, "Value at 0."))

        def onnx(self, *given: object, **named: object) -> OnnxOperator:
            return OnnxOperator("HardSigmoid", {"alpha": self.alpha, "beta": 0.25})

    with registered(Wrong), pytest.raises(RunError, match="disagree"):
        export_all({"WrongOfATest": Example()}, export)


class Opaque(Layer):
    """y = -x. Bottom and top: any shape. Source: this test."""

    type = "OpaqueOfATest"

    def shapes(self, bottoms: Sequence[Shape]) -> Sequence[Shape]:
        return [bottoms[0]]

    def compute(self, bottoms: Sequence[Any], blobs: Sequence[Any], state: State) -> Sequence[Any]:
        return [-bottoms[0]]


NET = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 6 } } }
layer { name: "fc1" type: "InnerProduct" bottom: "data" top: "fc1" inner_product_param { num_output: 4 } }
layer { name: "mid" type: "OpaqueOfATest" bottom: "fc1" top: "mid" }
layer { name: "fc2" type: "InnerProduct" bottom: "mid" top: "fc2" inner_product_param { num_output: 3 } }
layer { name: "prob" type: "Softmax" bottom: "fc2" top: "prob" }
"""


def test_remedies_for_an_unknown_kind_of_layer_lead_to_a_growth() -> None:
    unit = UnitOptions(2)
    with registered(Opaque):
        definition = parse_net(NET)
        with pytest.raises(Refusal, match=r"`fc1` feeds `mid` \(OpaqueOfATest\)") as caught:
            run(definition, [step(widen, WidenOptions("fc1", unit))])
        assert "lungo grow --deepen mid:UNITS" in (caught.value.problems[0].remedy or "")
        grown = run(definition, [step(deepen, DeepenOptions("mid", unit))]).definition
        assert [layer.name for layer in grown.message.layer][3] == "mid_deep"


def test_a_type_that_is_registered_later_belongs_to_its_kinds_at_once() -> None:
    both, others = kinds.NEURONS | {"Pooling"}, kinds.NEURONS - {"PlainOfATest"}
    assert "PlainOfATest" not in both
    with pytest.raises(UserError, match="unknown layer type"):
        run(parse_net(NET.replace("OpaqueOfATest", "PlainOfATest")), [])
    with registered(Plain):
        assert "PlainOfATest" in both
        assert "PlainOfATest" in set(kinds.NEURONS)
        assert "PlainOfATest" not in others
        assert "PlainOfATest" not in kinds.NEURONS & kinds.NONLINEAR
        run(parse_net(NET.replace("OpaqueOfATest", "PlainOfATest")), [step(widen, WidenOptions("fc1", UnitOptions(2)))])
    assert "PlainOfATest" not in both


def test_own_options_are_read_before_a_type_gives_way_to_caffe_s(tmp_path: Path) -> None:
    """In place, in the whole export, which proves its files against the net."""
    layer = 'type: "HardSigmoid" lungo { hard_sigmoid { alpha: 0.125 beta: 0.25 } }'
    text = layer_net('type: "Scale"', [(1, 4, 3, 3)]) + f'layer {{ name: "h" {layer} bottom: "y0" top: "y0" }}\n'
    made = export_caffe(parse_net(text), Weights({"l": [np.arange(4, dtype=np.float32)]}), tmp_path / "deploy.prototxt")
    _, _, line, clip = read_net(made.prototxt).message.layer
    assert (line.type, line.power_param.scale, line.power_param.shift) == ("Power", 0.125, 0.25)
    assert (clip.type, clip.clip_param.min, clip.clip_param.max) == ("Clip", 0, 1)
    assert not line.HasField("lungo")
    assert [*clip.top] == made.outputs == ["y0"]
