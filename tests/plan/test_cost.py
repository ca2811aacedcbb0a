from __future__ import annotations

import pytest

from caffelungo.definition import catalogue
from caffelungo.definition.filter import net_state
from caffelungo.definition.reader import parse_net, read_net
from caffelungo.definition.schema import TEST
from caffelungo.plan.build_plan import build_plan
from caffelungo.plan.cost import Cost, compare, costs, total
from caffelungo.plan.plan import Plan


def plan(name: str) -> Plan:
    found = catalogue.find(name)
    message = read_net(found.deploy, found.deploy_variables or None).message
    return build_plan(message, net_state(message, TEST))


def of(text: str) -> list[Cost]:
    head = 'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 4 dim: 3 dim: 8 dim: 8 } } }\n'
    message = parse_net(head + text).message
    return costs(build_plan(message, net_state(message, TEST)))


@pytest.mark.parametrize(
    ("name", "millions", "billions"),
    # Parameters and multiply-adds as commonly published: Canziani et al. 2016, and the papers of the nets.
    [("alexnet", 60.97, 0.72), ("vgg16", 138.36, 15.47), ("googlenet", 7.0, 1.58), ("squeezenet1.1", 1.235, 0.39)],
)
def test_published_sizes(name: str, millions: float, billions: float) -> None:
    found = total(costs(plan(name)))
    assert found.parameters is not None
    assert found.operations is not None
    assert found.parameters / 1e6 == pytest.approx(millions, rel=0.01)
    assert found.operations / 2e9 == pytest.approx(billions, rel=0.05)


def test_layer_by_layer() -> None:
    found = of(
        'layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"\n'
        "  convolution_param { num_output: 4 kernel_size: 3 pad: 1 } }\n"
        'layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }\n'
        'layer { name: "pool" type: "Pooling" bottom: "conv" top: "pool" pooling_param { kernel_size: 2 stride: 2 } }\n'
        'layer { name: "flat" type: "Flatten" bottom: "pool" top: "flat" }\n'
        'layer { name: "fc" type: "InnerProduct" bottom: "flat" top: "fc"\n'
        "  inner_product_param { num_output: 5 bias_term: false } }\n"
    )
    assert [(one.parameters, one.operations, one.bytes) for one in found] == [
        (0, 0, 3 * 64 * 4),
        (4 * 27 + 4, 2 * 4 * 27 * 64 + 4 * 64, 4 * 64 * 4),
        (0, 4 * 64, 0),
        (0, 4 * 16 * 4, 4 * 16 * 4),
        (0, 0, 0),
        (64 * 5, 2 * 64 * 5, 5 * 4),
    ]


def test_unknown_sizes_stay_unknown() -> None:
    message = parse_net(
        'layer { name: "data" type: "Data" top: "data" data_param { source: "x" batch_size: 2 } }\n'
        'layer { name: "conv" type: "Convolution" bottom: "data" top: "c"\n'
        "  convolution_param { num_output: 4 kernel_size: 3 } }"
    ).message
    found = costs(build_plan(message, net_state(message, TEST)))
    assert found[1].operations is None
    assert total(found).bytes is None


def test_rows_stand_where_layers_stood() -> None:
    def cost(name: str) -> Cost:
        return Cost(name, "", 1, 1, 1)

    rows = compare([cost("a"), cost("b"), cost("c")], [cost("a"), cost("n"), cost("c"), cost("m")])
    assert [(row.name, row.before is not None, row.after is not None) for row in rows] == [
        ("a", True, True), ("b", True, False), ("n", False, True), ("c", True, True), ("m", False, True)
    ]  # fmt: skip


def test_a_window_counts_what_it_sees() -> None:
    """Of a window of 11 x 11 on 8 x 8 with a pad of 1, the 10 x 10 that Caffe's loops go through."""
    window = "kernel_size: 11 stride: 4 pad: 1"
    pool = f'layer {{ name: "p" type: "Pooling" bottom: "data" top: "p" pooling_param {{ {window} }} }}'
    assert of(pool)[1].operations == 3 * 10 * 10
