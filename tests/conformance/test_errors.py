"""Nets that the original aborts on are refused here, at their line and with a remedy."""

from __future__ import annotations

import re

import pytest

from caffelungo.definition.filter import net_state
from caffelungo.definition.reader import read_net
from caffelungo.definition.schema import TRAIN
from caffelungo.errors import UserError
from caffelungo.plan.build_plan import build_plan
from tests.support import needs_shared, shared

REFUSALS = {
    "batch_mismatch": "different batch sizes",
    "bn_lr": "holds statistics",
    "bottom_count": r"takes \S+ bottom",
    "concat_shape": "differs from the first one",
    "conv_group": "group",
    "dup_top": "made by two layers",
    "include_exclude": "both include and exclude",
    "label_count": "one label for each prediction",
    "loss_weight_count": "one loss_weight for each top",
    "lrn_even": "local_size must be odd",
    "parse_error": "",
    "pool_both_kernel": "both `kernel_size`",
    "propagate_down_count": "one propagate_down for each bottom",
    "share_lr": "two values of lr_mult",
    "share_permissive_count": "number of elements",
    "share_shape": "another shape",
    "too_many_params": "too many `param` blocks",
    "unknown_bottom": "unknown bottom blob",
    "unknown_filler": "unknown filler type",
    "unknown_layer_type": "unknown layer type",
}


def check(name: str) -> None:
    definition = read_net(shared("reference/caffe/errors", f"{name}.prototxt"))
    build_plan(definition.message, net_state(definition.message, TRAIN), where=definition.where)


@needs_shared
@pytest.mark.parametrize("name", REFUSALS)
def test_refused_with_place_and_remedy(name: str) -> None:
    with pytest.raises(UserError) as caught:
        check(name)
    problem = caught.value.problems[0]
    assert re.search(REFUSALS[name], problem.what)
    assert problem.where is not None
    assert problem.where.line
    assert problem.remedy
