from __future__ import annotations

import pytest

from caffelungo.errors import UserError
from caffelungo.passes.base import step
from caffelungo.passes.freeze import FreezeOptions, freeze
from caffelungo.passes.unfreeze import UnfreezeOptions, unfreeze
from caffelungo.passes.view import View
from tests.passes.nets import ALEX, RESIDUAL, apply, comments, layer, net

FROZEN = step(freeze, FreezeOptions("fc7"))


def rates(definition) -> dict[str, list[float]]:  # type: ignore[no-untyped-def]
    return {one.name: [use.lr_mult for use in one.params] for one in View(definition).plan.layers if one.params}


def test_by_range_and_pattern() -> None:
    after = apply(ALEX, step(freeze, FreezeOptions(layers=("conv*", "fc6..fc7"))))
    assert rates(after.definition) == {"conv1": [0, 0], "fc6": [0, 0], "fc7": [0, 0], "fc8": [1, 1]}
    assert set(comments(ALEX)) <= set(comments(after.definition.text))


def test_some_layers_again() -> None:
    after = apply(ALEX, FROZEN, step(unfreeze, UnfreezeOptions(("fc7",)))).definition
    assert rates(after) == {"conv1": [0, 0], "fc6": [0, 0], "fc7": [1, 2], "fc8": [1, 1]}
    assert [block.decay_mult for block in layer(after, "fc7").param] == [1, 0]


def test_from_a_layer_on() -> None:
    after = apply(ALEX, FROZEN, step(unfreeze, UnfreezeOptions(start="fc6"))).definition
    assert rates(after) == {"conv1": [0, 0], "fc6": [1, 2], "fc7": [1, 2], "fc8": [1, 1]}


def test_batch_norm_follows() -> None:
    held = step(freeze, FreezeOptions("res2"))
    after = apply(RESIDUAL, held, step(unfreeze, UnfreezeOptions(("bn2", "scale2", "conv2")))).definition
    assert layer(after, "bn1").batch_norm_param.use_global_stats
    assert not layer(after, "bn2").batch_norm_param.use_global_stats
    assert [block.lr_mult for block in layer(after, "scale2").param] == [1, 1]
    kept = apply(RESIDUAL, held, step(unfreeze, UnfreezeOptions(("*",), statistics=False))).definition
    assert layer(kept, "bn2").batch_norm_param.use_global_stats


def test_freezing_undone_is_what_was() -> None:
    before = net(ALEX).message
    after = apply(ALEX, step(freeze, FreezeOptions("conv1")), step(unfreeze, UnfreezeOptions(("conv1",))))
    assert after.definition.message == before


def test_refusals() -> None:
    with pytest.raises(UserError, match="none of these layers is frozen"):
        apply(ALEX, step(unfreeze, UnfreezeOptions(("fc7",))))
    with pytest.raises(UserError, match="no layer to freeze is named"):
        apply(ALEX, step(freeze, FreezeOptions()))
    with pytest.raises(UserError, match="nothing to learn"):
        apply(ALEX, step(freeze, FreezeOptions(layers=("*",))))


def test_what_is_frozen_stays_bit_for_bit_through_training(tmp_path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    import numpy as np

    from caffelungo.definition.reader import read_solver
    from caffelungo.report.glog import CaffeLog
    from caffelungo.solve.solver import make_solver

    data = """
layer { name: "data" type: "DummyData" top: "data" top: "label" dummy_data_param {
  shape { dim: 4 dim: 3 dim: 16 dim: 16 } shape { dim: 4 }
  data_filler { type: "gaussian" } data_filler { type: "constant" value: 2 } } }
"""
    text = data + "".join(RESIDUAL.split("\n", 2)[2:])
    text = text.replace('type: "Softmax" bottom: "fc"', 'type: "SoftmaxWithLoss" bottom: "fc" bottom: "label"')
    text = text.replace("bias_term: false }", 'bias_term: false weight_filler { type: "msra" } }')
    text = text.replace("num_output: 5 }", 'num_output: 5 weight_filler { type: "xavier" } }')
    frozen = apply(text, step(freeze, FreezeOptions("scale2"))).definition
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.prototxt").write_text(frozen.text)
    (tmp_path / "solver.prototxt").write_text(
        'net: "net.prototxt" base_lr: 0.1 lr_policy: "fixed" max_iter: 3 momentum: 0.9 weight_decay: 0.01\n'
        "random_seed: 1"
    )
    solver = make_solver(read_solver("solver.prototxt"), log=CaffeLog())
    before = {name: [one.copy() for one in arrays] for name, arrays in solver.training.weights().layers.items()}
    solver.step(3)
    after = solver.training.weights().layers
    for name in ("conv1", "bn1", "scale1", "conv2", "bn2", "scale2"):
        for old, new in zip(before[name], after[name], strict=True):
            np.testing.assert_array_equal(old, new, err_msg=name)
    assert (before["fc"][0] != after["fc"][0]).any()
