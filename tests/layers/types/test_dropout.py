"""Dropout."""

from __future__ import annotations

import numpy as np
import torch

from caffelungo.definition.schema import TRAIN
from caffelungo.layers import dropout_masks
from tests.layers.helper import check_layer, layer_net, refused, run_net

X = np.ones((40, 50))


def test_test_is_the_identity() -> None:
    check_layer('type: "Dropout" dropout_param { dropout_ratio: 0.3 }', [X], [X])


def test_train_drops_its_share_and_keeps_the_mean() -> None:
    torch.manual_seed(3)
    text = layer_net('type: "Dropout" dropout_param { dropout_ratio: 0.3 }', [X.shape])
    run = run_net(text, {"x0": X}, {}, phase=TRAIN, top_diffs={"y0": X})
    values = np.unique(run.data["y0"])
    np.testing.assert_allclose(values, [0, 1 / 0.7], rtol=1e-6)
    assert abs((run.data["y0"] == 0).mean() - 0.3) < 0.04
    np.testing.assert_array_equal(run.diff["x0"], run.data["y0"])


def test_refusals() -> None:
    for ratio in ("1", "-0.1", "nan"):
        refused(f'type: "Dropout" dropout_param {{ dropout_ratio: {ratio} }}', [(2, 3)], "below 1", "0.5")


def test_each_value_is_dropped_alone_and_at_its_rate() -> None:
    torch.manual_seed(0)
    for ratio in (0.5, 0.3, 0.9):
        x = torch.ones(64, 50, 9, 7).contiguous(memory_format=torch.channels_last)
        y = dropout_masks.drop(x, ratio)
        assert y.is_contiguous(memory_format=torch.channels_last)
        assert set(y.unique().tolist()) == {0.0, torch.tensor(1 / (1 - ratio)).item()}
        kept = (y > 0).permute(0, 2, 3, 1).flatten().double()
        assert abs(kept.mean() - (1 - ratio)) < 5 * (ratio * (1 - ratio) / kept.numel()) ** 0.5
        for step in (1, 2, 3, 4):
            joint = (kept[step:] * kept[:-step]).mean()
            assert abs(joint - (1 - ratio) ** 2) < 5 / kept.numel() ** 0.5


def test_odd_sizes_and_the_gradient() -> None:
    x = torch.randn(7, requires_grad=True)
    y = dropout_masks.drop(x, 0.5)
    y.sum().backward()
    torch.testing.assert_close(x.grad * x, y)
    assert dropout_masks.drop(torch.empty(0), 0.5).shape == (0,)
