"""The plan of a net: values, shapes, parameters, and every mistake with its place."""

from __future__ import annotations

import pytest

from caffelungo.definition.filter import net_state
from caffelungo.definition.schema import TEST, TRAIN
from caffelungo.errors import Location, Problem, UserError
from caffelungo.layers.base import Arity
from caffelungo.plan.build_plan import build_plan
from tests.layers.helper import net, plan_of

INPUT = 'layer { name: "d" type: "Input" top: "x" top: "t" input_param { shape { dim: 2 dim: 3 } shape { dim: 2 } } }\n'


def ip(name: str, bottom: str, top: str, more: str = "", num_output: int = 4) -> str:
    options = f"inner_product_param {{ num_output: {num_output} }}"
    return f'layer {{ name: "{name}" type: "InnerProduct" bottom: "{bottom}" top: "{top}" {options} {more} }}\n'


def layer(name: str, type_: str, bottoms: str, tops: str, more: str = "") -> str:
    blobs = [f'bottom: "{blob}"' for blob in bottoms.split()] + [f'top: "{blob}"' for blob in tops.split()]
    return f'layer {{ name: "{name}" type: "{type_}" {" ".join(blobs)} {more} }}\n'


def problems_of(text: str, phase: int = TRAIN) -> list[Problem]:
    message, problems = net(text), []

    def where(*path: str | int) -> Location:
        return Location("/".join(map(str, path)))

    build_plan(message, net_state(message, phase), where=where, problems=problems)
    return problems


def test_in_place_layers_make_new_values_under_one_blob() -> None:
    plan = plan_of(
        INPUT + ip("a", "x", "y") + layer("r", "ReLU", "y", "y") + layer("l", "SoftmaxWithLoss", "y t", "loss")
    )
    relu = plan.layer("r")
    assert relu.in_place == (True,)
    assert plan.values[relu.bottom_values[0]].producer == "a"
    assert plan.value_of("y") == relu.top_values[0]
    assert plan.layer("l").bottom_values[0] == relu.top_values[0]
    assert plan.outputs == ("loss",)
    assert plan.layer("l").loss_weights == (1.0,)
    assert [use.key for use in plan.params.values()] == [("a", 0), ("a", 1)]
    assert [planned.name for planned in plan.sources] == ["d"]


def test_a_loss_may_be_written_without_a_top() -> None:
    assert plan_of(INPUT + layer("l", "SoftmaxWithLoss", "x t", "")).outputs == ("(automatic) l",)


def test_layers_of_one_name_keep_apart() -> None:
    plan = plan_of(INPUT + ip("", "x", "y") + ip("", "x", "z"))
    assert [planned.key for planned in plan.layers] == ["d", "layer@1", "layer@2"]


def test_a_layer_s_own_phase_wins() -> None:
    plan = plan_of(INPUT + layer("a", "Dropout", "x", "y", "phase: TRAIN") + layer("b", "Dropout", "x", "z"), TEST)
    assert [planned.layer.training for planned in plan.layers[1:]] == [True, False]


def test_shared_params_belong_to_the_first_and_take_multipliers_from_any() -> None:
    first = ip("a", "x", "y", 'param { name: "w" }')
    plan = plan_of(INPUT + first + ip("b", "x", "z", 'param { name: "w" lr_mult: 3 }'))
    uses = [planned.params[0] for planned in plan.layers[1:]]
    assert [use.key for use in uses] == [("a", 0), ("a", 0)]
    assert [use.owner for use in uses] == [True, False]
    assert {use.lr_mult for use in uses} == {3.0}
    assert list(plan.params) == [("a", 0), ("a", 1), ("b", 1)]


def test_source_shapes_may_come_from_the_data() -> None:
    text = layer("d", "HDF5Data", "", "x", 'hdf5_data_param { source: "s" batch_size: 2 }') + ip("a", "x", "y")
    assert plan_of(text).blobs == {"x": None, "y": None}
    message = net(text)
    plan = build_plan(message, net_state(message, TRAIN), sources={"d": [(2, 3)]})
    assert plan.blobs == {"x": (2, 3), "y": (2, 4)}


@pytest.mark.parametrize(
    ("text", "place", "what", "remedy"),
    [
        (layer("r", "Relu", "x", "y"), "layer/1/type", "unknown layer type", 'did you mean "ReLU"?'),
        (layer("r", "BN", "x", "y"), "layer/1/type", "unknown layer type", "BatchNorm followed by Scale"),
        (layer("r", "RNN", "x", "y"), "layer/1/type", "unknown layer type", "not offered"),
        (layer("r", "ReLU", "xx", "y"), "layer/1/bottom/0", "unknown bottom blob `xx`", "did you mean `x`?"),
        (
            layer("r", "ReLU", "z", "y") + layer("s", "ReLU", "x", "z"),
            "layer/1/bottom/0", "unknown bottom blob `z`", "move that layer up",
        ),
        (
            layer("s", "ReLU", "x", "z", "include { phase: TEST }") + layer("r", "ReLU", "z", "y"),
            "layer/2/bottom/0", "in phase TRAIN", "its include/exclude rules leave it out of phase TRAIN",
        ),
        (layer("r", "ReLU", "x t", "y"), "layer/1", "takes 1 bottom", "give the layer 1 `bottom:`"),
        (layer("r", "ReLU", "x", "t"), "layer/1/top/0", "made by two layers", "another top name"),
        (
            layer("a", "TanH", "x", "y") + layer("b", "ReLU", "x", "x"),
            "layer/2/top/0", "overwrites blob `x` in place", "another top and",
        ),
        (ip("a", "x", "y", "loss_weight: 1 loss_weight: 2"), "layer/1/loss_weight/0", "one loss_weight", "write 1"),
        (ip("a", "x", "y", "param { } param { } param { }"), "layer/1/param/2", "too many `param`", "weight, bias"),
        (ip("a", "x", "y", num_output=0), "layer/1/inner_product_param/num_output", "at least 1", "at least 1"),
    ],
)  # fmt: skip
def test_mistakes(text: str, place: str, what: str, remedy: str) -> None:
    problems = problems_of(INPUT + text)
    assert len(problems) == 1
    assert str(problems[0].where) == place
    assert what in problems[0].what
    assert remedy in (problems[0].remedy or "")


def test_all_mistakes_are_told_and_each_once() -> None:
    text = INPUT + layer("a", "Relu", "x", "y") + layer("b", "TanH", "y", "z") + ip("c", "z", "u", num_output=0)
    text += layer("e", "LRN", "w", "v", "lrn_param { local_size: 2 }") + layer("f", "ReLU", "u v", "q")
    assert [str(problem.where) for problem in problems_of(text)] == [
        "layer/1/type",
        "layer/3/inner_product_param/num_output",
        "layer/4/lrn_param/local_size",
        "layer/4/bottom/0",
        "layer/5",
    ]
    with pytest.raises(UserError) as caught:
        plan_of(text)
    assert len(caught.value.problems) == 5


def test_arity_in_words() -> None:
    assert [str(Arity(*counts)) for counts in ((2,), (1, 2), (1, None))] == ["2", "1 to 2", "at least 1"]
    assert [Arity(1, 2).admits(count) for count in range(4)] == [False, True, True, False]
