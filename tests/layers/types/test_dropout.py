"""Dropout."""

from __future__ import annotations

import numpy as np
import torch

from caffelungo.definition.schema import TRAIN
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
