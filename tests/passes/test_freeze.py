"""The first layers held fixed."""

from __future__ import annotations

import pytest

from caffelungo.errors import UserError
from caffelungo.passes.base import Refusal, run, step
from caffelungo.passes.freeze import FreezeOptions, freeze
from tests.passes.nets import ALEX, FIRE, RESIDUAL, apply, comments, layer, net


def frozen(text: str, to: str):  # type: ignore[no-untyped-def]
    return apply(text, step(freeze, FreezeOptions(to))).definition


def rates(one: object) -> list[tuple[float, float]]:
    return [(block.lr_mult, block.decay_mult) for block in one.param]  # type: ignore[attr-defined]


def test_rates_of_everything_before_are_zero() -> None:
    after = frozen(ALEX, "fc6")
    assert rates(layer(after, "conv1")) == [(0, 0), (0, 0)]
    assert rates(layer(after, "fc6")) == [(0, 0), (0, 0)]
    assert rates(layer(after, "fc7")) == []
    assert rates(layer(after, "fc8")) == []


def test_batch_norm_keeps_its_statistics() -> None:
    after = frozen(RESIDUAL, "scale1")
    assert layer(after, "bn1").batch_norm_param.use_global_stats
    assert rates(layer(after, "scale1")) == [(0, 0), (0, 0)]
    assert rates(layer(after, "conv1")) == [(0, 0)]
    assert not layer(after, "bn2").batch_norm_param.use_global_stats


def test_both_branches_of_a_block() -> None:
    after = frozen(RESIDUAL, "res2")
    for name in ("conv1", "conv2"):
        assert rates(layer(after, name)) == [(0, 0)]
    assert layer(after, "bn2").batch_norm_param.use_global_stats


def test_a_block_by_its_name() -> None:
    after = frozen(FIRE, "fire9")
    assert rates(layer(after, "fire9/expand3x3")) == [(0, 0), (0, 0)]
    assert rates(layer(after, "conv10")) == []


def test_shared_blobs_are_frozen_wherever_their_rate_stands() -> None:
    text = ALEX.replace(
        "inner_product_param { num_output: 12 } }", 'param { name: "w" } inner_product_param { num_output: 12 } }'
    ).replace(
        "# The features.\n",
        'layer { name: "twin" type: "InnerProduct" bottom: "pool1" top: "twin" param { name: "w" lr_mult: 3 } '
        "inner_product_param { num_output: 12 } }\n",
    )
    after = frozen(text, "fc6")
    assert rates(layer(after, "twin")) == [(0, 0)]
    assert layer(after, "twin").param[0].name == "w"


def test_comments_survive() -> None:
    text = frozen(ALEX, "fc7").text
    assert all(comment in text for comment in comments(ALEX))


def test_twice_changes_nothing_more() -> None:
    once = step(freeze, FreezeOptions("fc7"))
    result = apply(ALEX, once, once)
    assert result.rewrites[0].edits
    assert not result.rewrites[1].edits


def test_refuses_to_freeze_all() -> None:
    with pytest.raises(Refusal) as caught:
        frozen(ALEX, "fc8")
    (problem,) = caught.value.problems
    assert problem.received == "--freeze-to fc8"
    assert problem.where is not None


def test_unknown_layer() -> None:
    with pytest.raises(UserError, match="did you mean `conv1`"):
        frozen(ALEX, "conv11")


ROWS = """
layer { name: "rows" type: "HDF5Data" top: "data" top: "label" hdf5_data_param { source: "rows.txt" batch_size: 10 } }
layer { name: "fc1" type: "InnerProduct" bottom: "data" top: "fc1" inner_product_param { num_output: 40 } }
layer { name: "fc2" type: "InnerProduct" bottom: "fc1" top: "fc2" inner_product_param { num_output: 2 } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc2" bottom: "label" top: "loss" }
"""


def test_rows_whose_width_only_the_data_know() -> None:
    with pytest.raises(Refusal, match="the shape of `data`, which `fc1` reads, is not known") as caught:
        frozen(ROWS, "fc1")
    assert "--shape data:" in str(caught.value.problems[0].remedy)
    known = run(net(ROWS), [step(freeze, FreezeOptions("fc1"))], {"rows": [(10, 4), (10,)]}).definition
    assert rates(layer(known, "fc1")) == [(0, 0), (0, 0)]
    assert rates(layer(known, "fc2")) == []
