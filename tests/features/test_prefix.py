"""Where the frozen part of a net ends."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from caffelungo.definition.schema import TEST, TRAIN
from caffelungo.features import prefix
from caffelungo.features.prefix import Prefix
from caffelungo.net.graph import GraphNet
from caffelungo.net.store import Store
from caffelungo.plan.plan import Plan
from tests.study.nets import convolution, data, head, layer, opened, write

RELU = layer("ReLU", "relu", "conv", "conv")
DROP = layer("Dropout", "drop", "conv", "conv", "dropout_param { dropout_ratio: 0.5 }")
NORM = layer("BatchNorm", "norm", "conv", "conv")
STORED = layer("BatchNorm", "norm", "conv", "conv", "batch_norm_param { use_global_stats: true }")
CONV = convolution("conv", "data")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "list.txt").write_text(write(tmp_path))
    return tmp_path


def planned(text: str, folder: Path, phase: int = TRAIN) -> tuple[Plan, Prefix, Store]:
    train, test = opened(data() + text, TRAIN, folder).plan, opened(data() + text, TEST, folder).plan
    store = Store(train, seed=1)
    store.adopt(test)
    plan = train if phase == TRAIN else test
    return plan, prefix.find(plan, plan.sources[0], prefix.moving(train, store.key), store.key), store


def frontier(text: str, folder: Path, phase: int = TRAIN) -> list[tuple[str, str]]:
    """(blob, layer that made it) of each value of the frontier."""
    plan, found, _ = planned(text, folder, phase)
    return [(plan.values[value].blob, plan.values[value].producer) for value in found.frontier]


@pytest.mark.parametrize(
    ("text", "train", "test"),
    [
        (CONV + RELU + head("conv"), "relu", "relu"),
        (CONV + RELU + DROP + head("conv"), "relu", "drop"),
        (CONV + STORED + RELU + head("conv"), "relu", "relu"),
        # Statistics that the training gathers: what TEST stores changes with them.
        (CONV + NORM + RELU + head("conv"), "conv", "conv"),
        (convolution("conv", "data", rate=1) + head("conv"), None, None),
        (CONV + layer("Softmax", "soft", "conv", "soft", "softmax_param { axis: 0 }") + head("soft"), "conv", "conv"),
        (CONV + layer("Softmax", "soft", "conv", "soft") + head("soft"), "soft", "soft"),
        (CONV + layer("Softmax", "soft", "conv", "soft", "loss_weight: 1") + head("soft"), "conv", "conv"),
        (CONV + layer("Scale", "scale", "conv", "scale", "param { lr_mult: 0 }") + head("scale"), "scale", "scale"),
        (CONV + layer("Scale", "scale", "conv", "scale", "param { lr_mult: 0 } scale_param { axis: 0 }")
         + head("scale"), "conv", "conv"),
        (CONV + layer("Reshape", "flat", "conv", "flat", "reshape_param { shape { dim: 0 dim: -1 } }") + head("flat"),
         "flat", "flat"),
        (CONV + layer("Reshape", "flat", "conv", "flat", "reshape_param { shape { dim: 4 dim: -1 } }") + head("flat"),
         "conv", "conv"),
        (CONV + layer("Concat", "both", "conv conv", "both", "concat_param { axis: 0 }")
         + layer("Slice", "cut", "both", "one", 'top: "two" slice_param { axis: 0 }') + head("one")
         + layer("Silence", "rest", "two", "x").replace('top: "x"', ""), "conv", "conv"),
        (CONV + head("data"), None, None),
    ],
)  # fmt: skip
def test_where_it_ends(text: str, train: str | None, test: str | None, folder: Path) -> None:
    for phase, maker in ((TRAIN, train), (TEST, test)):
        assert [layer for _, layer in frontier(text, folder, phase)] == ([maker] if maker else [])


def test_several_values_and_two_of_one_blob(folder: Path) -> None:
    text = (
        CONV
        + convolution("new", "conv", rate=1)
        + convolution("upper", "conv", top="upper")
        + layer("ReLU", "relu", "upper", "upper")
        + layer("Concat", "both", "new upper", "both")
        + head("both")
    )
    assert frontier(text, folder) == [("conv", "conv"), ("upper", "relu")]


def test_a_learned_layer_on_the_picture_beside_a_frozen_one(folder: Path) -> None:
    text = CONV + convolution("new", "data", rate=1) + layer("Concat", "both", "new conv", "both") + head("both")
    plan, found, _ = planned(text, folder)
    assert found.bare
    assert prefix.rest(plan, found).sources[0].tops == ("conv", "data", "label")


def test_a_frozen_layer_that_shares_a_learned_blob(folder: Path) -> None:
    share = 'param { name: "w" lr_mult: 1 } param { name: "b" lr_mult: 1 }'
    first = (
        convolution("one", "data", units=3)
        .replace("param { lr_mult: 0 }", "", 2)
        .replace("convolution_p", share + "convolution_p")
    )
    second = convolution("two", "data", units=3).replace("param { lr_mult: 0 }", "", 2)
    second = second.replace("convolution_p", 'param { name: "w" } param { name: "b" } convolution_p')
    assert frontier(second + first + layer("Eltwise", "sum", "one two", "sum") + head("sum"), folder) == []


def test_what_nothing_reads_is_left_out(folder: Path) -> None:
    text = CONV + convolution("loose", "conv") + convolution("silent", "conv") + head("conv")
    text += layer("Silence", "silence", "silent", "x").replace('top: "x"', "")
    plan, found, _ = planned(text, folder)
    assert [each.name for each in found.layers] == ["conv"]
    assert {each.name for each in found.unread} == {"loose", "silent", "silence"}
    assert [each.name for each in prefix.rest(plan, found).layers] == ["data", "head", "loss"]


NETS = [
    CONV + RELU + head("conv"),
    CONV + STORED + RELU + layer("LRN", "lrn", "conv", "lrn") + head("lrn"),
    CONV + RELU + convolution("new", "conv", rate=1)
    + layer("Pooling", "pool", "conv", "pool", "pooling_param { pool: AVE global_pooling: true }")
    + layer("Pooling", "pool2", "new", "pool2", "pooling_param { pool: MAX global_pooling: true }")
    + layer("Concat", "both", "pool pool2", "both") + head("both"),
    CONV + convolution("new", "data", rate=1) + layer("Eltwise", "sum", "new conv", "sum") + head("sum"),
]  # fmt: skip


@pytest.mark.parametrize("text", NETS)
@pytest.mark.parametrize("phase", [TRAIN, TEST])
def test_prefix_and_rest_are_the_net(text: str, phase: int, folder: Path) -> None:
    plan, found, store = planned(text, folder, phase)
    for (name, _), blob in store.tensors.items():
        if name == "norm":
            blob.data.uniform_(0.5, 1.5)
    rng = np.random.default_rng(3)
    picture = torch.from_numpy(rng.normal(size=(4, 3, 12, 12)).astype(np.float32))
    label = torch.tensor([0.0, 2, 1, 1])
    loss, outputs = GraphNet(plan, store)(picture, label)
    made = GraphNet(prefix.part(plan, found), store)(picture)[1]
    others = [picture, label] if found.bare else [label]
    short, short_outputs = GraphNet(prefix.rest(plan, found), store)(*(made[n] for n in prefix.outputs(found)), *others)
    assert found.frontier
    assert torch.equal(short, loss)
    assert short_outputs.keys() == outputs.keys()
    assert all(torch.equal(short_outputs[name], outputs[name]) for name in outputs)


def hashes(text: str, folder: Path, pictures: str = "p", change: bool = False) -> list[str]:
    plan, found, store = planned(text, folder)
    if change:
        store.tensor("conv", 0).data[0, 0, 0, 0] += 1e-3
    blobs = prefix.digests(plan, found, lambda name, i: store.tensor(name, i).detach().numpy(), pictures)
    return [blobs[value] for value in found.frontier]


def test_addresses(folder: Path) -> None:
    text = CONV + RELU + head("conv")
    known = hashes(text, folder)
    assert hashes(text, folder) == known
    assert hashes(text, folder, pictures="q") != known
    assert hashes(text, folder, change=True) != known
    assert hashes(CONV + head("conv"), folder) != known
    assert hashes(text.replace("pad: 1", "pad: 0"), folder) != known
    # Behind the frontier, and in names and rates, nets may differ.
    assert hashes(text.replace('"relu"', '"rectified"'), folder) == known
    assert hashes(CONV + RELU + convolution("new", "conv", rate=1) + head("new"), folder) == known
