"""A batch that memory does not hold is divided, and the training is the one of the whole batch."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from caffelungo.definition.filter import net_state
from caffelungo.definition.reader import parse_net
from caffelungo.definition.schema import TRAIN
from caffelungo.errors import RunError
from caffelungo.net.graph import GraphNet
from caffelungo.solve import memory, run_training, smaller_batches
from caffelungo.solve.net_text import NetText
from caffelungo.weights import formats, solverstate
from tests.solve import helpers

NET = helpers.NET.replace("batch_size: 4", "batch_size: 12")


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def whole(here):
    """The weights after a training with the whole batch."""
    helpers.make(here, NET, snapshot_prefix='"out/whole"', display="1")
    run_training.train(helpers.options())
    return formats.read("out/whole_iter_20.caffemodel").layers


def same(whole, path) -> bool:
    found = formats.read(path).layers
    return all(np.allclose(a, b, atol=1e-5) for name in whole for a, b in zip(whole[name], found[name], strict=True))


@pytest.mark.parametrize(
    ("batch", "fits", "parts"), [(12, 6, 2), (12, 5, 3), (12, 4, 3), (12, 1, 12), (12, 0, 12), (7, 3, 7), (1, 0, None)]
)
def test_the_least_division_that_fits(batch, fits, parts):
    divisors = [n for n in range(2, batch + 1) if batch % n == 0]
    assert smaller_batches.parts_for(divisors, batch, fits) == parts


@pytest.mark.parametrize("fits", [6, 5, 1])
def test_what_is_expected_not_to_fit_is_divided_before_it_begins(here, whole, monkeypatch, capsys, fits):
    monkeypatch.setattr(memory, "fitting", lambda expected, device, batch: fits)
    helpers.make(here, NET)
    run_training.train(helpers.options(fit_batch=True))
    size = max(n for n in (1, 2, 3, 4, 6) if n <= fits)
    told = " ".join(capsys.readouterr().err.split())
    assert f"batch_size 12 does not fit into memory: {size} with iter_size {12 // size}" in told
    assert f"batch_size: {size} " in (here / "out/s_run_001/net.prototxt").read_text().replace("\n", " ")
    assert f"iter_size: {12 // size}\n" in (here / "out/s_run_001/solver.prototxt").read_text()
    assert same(whole, "out/s_iter_20.caffemodel")


@pytest.mark.parametrize("snapshot", ["0", "5"])
def test_what_turns_out_not_to_fit_is_divided_and_goes_on(here, whole, monkeypatch, capsys, snapshot):
    helpers.make(here, NET, snapshot=snapshot, display="1")
    real, calls = GraphNet.look, []

    def look(self, *tensors):
        calls.append(len(tensors[0]))
        if len(tensors[0]) > 3 and calls.count(len(tensors[0])) > 7:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return real(self, *tensors)

    monkeypatch.setattr(GraphNet, "look", look)
    run_training.train(helpers.options(fit_batch=True))
    told = " ".join(capsys.readouterr().err.split())
    assert "not enough memory for a batch of 12" in told
    assert calls[:8] == [12] * 8
    assert set(calls[8:]) == {6, 3}
    assert same(whole, "out/s_iter_20.caffemodel")
    assert solverstate.read("out/s_iter_20.solverstate").extras.batch_size == 3
    lines = (here / "out/s_run_001/metrics.csv").read_text().splitlines()
    assert len([line for line in lines if ",train,0,loss," in line]) == 20


def test_without_the_flag_it_is_an_error_with_the_remedy(here, monkeypatch):
    helpers.make(here, NET)

    def look(self, *tensors):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(GraphNet, "look", look)
    with pytest.raises(RunError, match=r"--fit-batch"):
        run_training.train(helpers.options())
    with pytest.raises(RunError, match="not enough memory for a batch of 1 "):
        run_training.train(helpers.options(fit_batch=True))


def test_all_sources_of_the_phase_are_divided_alike(here):
    more = 'layer { name: "m" type: "HDF5Data" top: "m" hdf5_data_param { source: "list.txt" batch_size: 8 } %s }\n'
    text = NetText(parse_net(NET + more % "" + (more % "include { phase: TEST }").replace("8", "5")).message, None,
                   lambda *path: None, "")  # fmt: skip
    state = net_state(text.message, TRAIN)
    assert smaller_batches.divisors(text, state) == [2, 4]
    divided = smaller_batches.divided(text, state, 4).message.layer
    sizes = [one.hdf5_data_param.batch_size for one in divided if one.type == "HDF5Data"]
    assert sizes == [3, 2, 5]
    assert smaller_batches.divided(text, state, 1) is text
