"""Weights into a run with a test net: what is copied, what starts anew, what only the test net has."""

from __future__ import annotations

import numpy as np
import pytest

from caffelungo.errors import UserError
from caffelungo.solve import run_training
from caffelungo.weights import formats
from tests.solve import helpers

FILE = "out/s_iter_20.caffemodel"
EXTRA = """
layer { name: "extra" type: "InnerProduct" bottom: "ip1" top: "extra" include { phase: TEST }
  inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }
layer { name: "hush" type: "Silence" bottom: "extra" include { phase: TEST } }
"""


@pytest.fixture
def trained(tmp_path, monkeypatch):
    """The blobs of a trained file that also holds a layer ``extra`` of 3 outputs."""
    monkeypatch.chdir(tmp_path)
    helpers.make(tmp_path, test_interval="10")
    run_training.train(helpers.options())
    weights = formats.read(FILE)
    weights.layers["extra"] = [np.full((3, 6), 7, np.float32), np.full(3, 8, np.float32)]
    formats.write(FILE, weights)
    return weights.layers


def test_a_layer_to_reinit_keeps_its_fillers_though_a_test_net_has_it_too(trained):
    fresh = helpers.solver().training.store.arrays()
    arrays = helpers.solver(weights=[FILE], reinit=["ip2"]).training.store.arrays()
    for blob in (0, 1):
        np.testing.assert_array_equal(arrays["ip1", blob], trained["ip1"][blob])
        np.testing.assert_array_equal(arrays["ip2", blob], fresh["ip2", blob])


def test_what_only_the_test_net_has_is_copied_too(trained, tmp_path):
    helpers.make(tmp_path, helpers.NET + EXTRA, test_interval="10")
    arrays = helpers.solver(weights=[FILE], reinit=["ip2"]).training.store.arrays()
    np.testing.assert_array_equal(arrays["extra", 0], trained["extra"][0])


def test_a_mismatch_in_the_test_net_alone_stops_the_run(trained, tmp_path):
    helpers.make(tmp_path, helpers.NET + EXTRA.replace("num_output: 3", "num_output: 4"), test_interval="10")
    with pytest.raises(UserError, match="the weights of layer `extra` differ in shape") as caught:
        helpers.solver(weights=[FILE])
    (problem,) = caught.value.problems
    assert problem.where is not None
    assert problem.where.line == helpers.NET.count("\n") + 2
    assert "4x6 here" in problem.received
    assert not any(path.name.startswith("s_run_002") for path in (tmp_path / "out").iterdir())
