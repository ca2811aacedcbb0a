"""Split layers, where Caffe puts them."""

from __future__ import annotations

from caffelungo.plan.splits import insert_splits
from tests.layers.helper import net

SOURCE = 'layer { name: "d" type: "Input" top: "x" input_param { shape { dim: 2 } } }'


def names(text: str) -> list[str]:
    return [layer.name for layer in insert_splits(net(text)).layer]


def test_one_reader_needs_none() -> None:
    assert names(SOURCE + 'layer { name: "a" type: "ReLU" bottom: "x" top: "a" }') == ["d", "a"]


def test_two_readers() -> None:
    split = insert_splits(
        net(
            SOURCE + 'layer { name: "a" type: "ReLU" bottom: "x" top: "a" }'
            'layer { name: "b" type: "ReLU" bottom: "x" top: "b" }'
        )
    )
    assert [layer.name for layer in split.layer] == ["d", "x_d_0_split", "a", "b"]
    assert list(split.layer[1].top) == ["x_d_0_split_0", "x_d_0_split_1"]
    assert [split.layer[i].bottom[0] for i in (2, 3)] == ["x_d_0_split_0", "x_d_0_split_1"]


def test_the_last_of_a_chain_of_in_place_layers_is_split() -> None:
    text = SOURCE + "".join(f'layer {{ name: "{n}" type: "ReLU" bottom: "x" top: "x" }}' for n in ("p", "q"))
    text += "".join(f'layer {{ name: "{n}" type: "ReLU" bottom: "x" top: "{n}" }}' for n in ("a", "b"))
    assert names(text) == ["d", "p", "q", "x_q_0_split", "a", "b"]


def test_a_loss_weight_is_a_reader_and_moves_to_the_split() -> None:
    text = SOURCE + (
        'layer { name: "r" type: "Reduction" bottom: "x" top: "s" loss_weight: 0.5 }'
        'layer { name: "w" type: "Power" bottom: "s" top: "w" }'
    )
    split = insert_splits(net(text))
    assert [layer.name for layer in split.layer] == ["d", "r", "s_r_0_split", "w"]
    assert not split.layer[1].loss_weight
    assert list(split.layer[2].loss_weight) == [0.5, 0.0]
    assert split.layer[3].bottom[0] == "s_r_0_split_1"


def test_the_net_itself_is_left_alone() -> None:
    message = net(SOURCE + 'layer { name: "e" type: "Eltwise" bottom: "x" bottom: "x" top: "e" }')
    before = message.SerializeToString()
    assert [layer.name for layer in insert_splits(message).layer] == ["d", "x_d_0_split", "e"]
    assert message.SerializeToString() == before
