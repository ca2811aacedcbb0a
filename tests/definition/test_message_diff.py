"""What differs between two definitions is said a field a line, in the words of the files."""

from __future__ import annotations

import pytest

from caffelungo.definition.message_diff import changes
from caffelungo.definition.reader import parse_net, parse_solver

SOLVER = 'net: "a" base_lr: 0.1 lr_policy: "step" gamma: 0.1 stepsize: 5'
DATA = """layer { name: "data" type: "ImageData" top: "data" top: "label"
  image_data_param { source: "a.txt" batch_size: 8 } }"""
HEAD = 'layer { name: "fc" type: "InnerProduct" bottom: "data" top: "fc" inner_product_param { num_output: 3 } }'


@pytest.mark.parametrize(
    ("now", "said"),
    [(SOLVER, []), (SOLVER + " momentum: 0", []),  # 0 is the default
     (SOLVER.replace("0.1 lr", "0.05 lr"), ["base_lr is 0.05, was 0.1"]),
     (SOLVER.replace('"step"', '"fixed"'), ['lr_policy is "fixed", was "step"']),
     (SOLVER + ' type: "Adam"', ['type is "Adam", was "SGD"']),
     (SOLVER + " stepvalue: 1 stepvalue: 2", ["stepvalue is 1, 2, was not given"]),
     (SOLVER + " snapshot_format: HDF5", ["snapshot_format is HDF5, was BINARYPROTO"]),
     (SOLVER + " lungo { keep_last: 2 delta { weight: 3 } }", ["lungo.keep_last is 2, was 0",
                                                             "lungo.delta.weight is 3, was 0.01"])],
)  # fmt: skip
def test_solvers(now, said):
    assert [str(one) for one in changes(parse_solver(SOLVER).message, parse_solver(now).message)] == said


@pytest.mark.parametrize(
    ("now", "said"),
    [(HEAD + DATA, []),
     (DATA.replace("batch_size: 8", "batch_size: 4") + HEAD,
      ["layer `data`: image_data_param.batch_size is 4, was 8"]),
     (DATA.replace('"data" type', '"pictures" type') + HEAD, ["layer `data` is gone", "layer `pictures` is new"]),
     (DATA + HEAD.replace("num_output: 3", "num_output: 4"),
      ["layer `fc`: inner_product_param.num_output is 4, was 3"]),
     (DATA + HEAD[:-2] + " param { lr_mult: 0 } }", ["layer `fc`: param is new"]),
     (DATA + HEAD + HEAD, ["layer `fc` is new"])],
)  # fmt: skip
def test_nets(now, said):
    assert [str(one) for one in changes(parse_net(DATA + HEAD).message, parse_net(now).message)] == said
