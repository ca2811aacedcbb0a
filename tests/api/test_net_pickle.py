"""Nets in pickles, in files of ``torch.save`` and as copies: the same answers, and all that is known of them."""

from __future__ import annotations

import copy
import io
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import caffelungo as cl


def saved(net: cl.Net) -> cl.Net:
    """Through ``torch.save``."""
    file = io.BytesIO()
    torch.save(net, file)
    file.seek(0)
    return torch.load(file, weights_only=False)  # type: ignore[no-any-return]


WAYS: dict[str, Callable[[cl.Net], cl.Net]] = {
    "pickle": lambda net: pickle.loads(pickle.dumps(net)), "torch.save": saved, "deepcopy": copy.deepcopy,
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_a_grown_net_comes_back_whole(way: str) -> None:
    grown = cl.open("squeezenet1.1").grow(widen={"fire9/concat": 8}, tune="new").train()
    grown.conv1.weight.requires_grad_(True)
    back = WAYS[way](grown)
    assert type(back) is cl.Net
    assert (back.text, back.notes, back.fresh, back.training) == (grown.text, grown.notes, grown.fresh, True)
    assert repr(back) == repr(grown)
    assert str(back.diff()) == str(grown.diff())
    assert {name: one.requires_grad for name, one in back.named_parameters()} == {
        name: one.requires_grad for name, one in grown.named_parameters()
    }
    pictures = torch.rand(1, 3, 64, 64)
    assert torch.equal(back.eval()(pictures), grown.eval()(pictures))
    assert torch.equal(back.preprocess(torch.zeros(9, 9, 3, dtype=torch.uint8).numpy()),
                       grown.preprocess(torch.zeros(9, 9, 3, dtype=torch.uint8).numpy()))  # fmt: skip
    with torch.no_grad():
        back.conv1.weight.zero_()
    assert grown.conv1.weight.abs().sum() > 0


@pytest.mark.parametrize("way", WAYS)
def test_types_stages_and_what_templates_say_are_kept(way: str, work: Path) -> None:
    net = cl.open("nets/own.prototxt.j2", set={"units": 4}).double()
    back = WAYS[way](net)
    assert back.fc.weight.dtype == torch.float64
    assert torch.equal(back.fc.weight, net.fc.weight)
    assert back.definition.variables == net.definition.variables
    wider = back.rewrite(freeze="fc")
    assert not wider.fc.weight.requires_grad


@pytest.mark.parametrize("way", WAYS)
def test_shared_weights_stay_shared(way: str, tmp_path: Path) -> None:
    (tmp_path / "siamese.prototxt").write_text("""
layer { name: "data" type: "Input" top: "data" top: "data_p" input_param {
    shape { dim: 1 dim: 6 } shape { dim: 1 dim: 6 } } }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" param { name: "w" } param { name: "b" }
    inner_product_param { num_output: 2 weight_filler { type: "xavier" } } }
layer { name: "ip_p" type: "InnerProduct" bottom: "data_p" top: "ip_p" param { name: "w" } param { name: "b" }
    inner_product_param { num_output: 2 weight_filler { type: "xavier" } } }
""")
    net = cl.open(tmp_path / "siamese.prototxt")
    assert net.ip.weight is net.ip_p.weight
    back = WAYS[way](net)
    assert back.ip.weight is back.ip_p.weight
    assert torch.equal(back.ip.weight, net.ip.weight)


def test_a_layer_of_a_net_can_be_pickled_alone() -> None:
    layer = cl.open("squeezenet1.1").conv1
    back = pickle.loads(pickle.dumps(layer))
    pictures = torch.rand(1, 3, 32, 32)
    assert torch.equal(back(pictures), layer(pictures))


def test_messages_about_an_opened_net_name_its_file_and_no_temporary_one(work: Path) -> None:
    net = cl.open("squeezenet1.1")
    calls: list[Callable[[cl.Net], object]] = [
        cl.test, cl.time, lambda one: cl.inspect(one, output="seen"), lambda one: cl.features(one, "nothere", "f.h5"),
        lambda one: cl.probe(one, "photos", layers="nothere"), lambda one: cl.verify(one, "absent.prototxt"),
    ]  # fmt: skip
    for verb in calls:
        with pytest.raises(cl.UserError) as caught:
            verb(net)
        assert "scratch" not in str(caught.value)
        assert "/tmp/." not in str(caught.value)
