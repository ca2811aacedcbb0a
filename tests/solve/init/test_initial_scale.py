"""Factors of Normalize at the measured norm, and layers of unit variance, against numpy on the same batches."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from caffelungo.solve.init.initial_scale import orthonormal
from caffelungo.solve.torch_seeds import mix
from caffelungo.weights import formats
from tests.lungo import lungo
from tests.solve.init.grown import FIRE, IP, Run, say, write


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def init(*more: str) -> str:
    return say("init", "g.prototxt", "--weights", "w.caffemodel", "-o", "i.caffemodel", "--batches", "1", *more)


@pytest.mark.parametrize(("text", "place", "old", "new"), [(IP, "fc7", "norm7", "norm7_new"),
                                                          (FIRE, "out", "out_norm", "out_norm_new")])  # fmt: skip
def test_old_features_stay_as_large_and_new_ones_become_so(text, place, old, new):
    write(text)
    say("grow", "net.prototxt", "--widen", f"{place}:6", "-o", "g.prototxt")
    told = init("--method", "measured")
    assert f"{new}: factors start at" in told
    layers = formats.read("i.caffemodel").layers
    run = Run("g.prototxt", "i.caffemodel")
    run.forward()
    read = run.steps.data[run.plan.layer(old).bottom_values[0]].numpy()
    norm = np.sqrt(np.square(read.astype(float)).sum(1)).mean()
    np.testing.assert_allclose(layers[old][0], norm, rtol=1e-4)
    np.testing.assert_allclose(layers[new][0], norm, rtol=1e-4)
    given = run.steps.data[run.plan.layer(new).top_values[0]].numpy()
    lengths = np.sqrt(np.square(given).sum(1))
    np.testing.assert_allclose(lengths[lengths > 0], norm, rtol=1e-3)


def test_where_the_old_ones_are_not_normalized_the_new_ones_keep_their_own_norm():
    write(IP)
    say("grow", "net.prototxt", "--widen", "fc7:6", "--keep-head", "--weights", "w.caffemodel", "-o", "g.prototxt")
    shutil.copy("g.caffemodel", "w.caffemodel")
    told = init("--method", "measured")
    assert "that norm7_new reads" in told


def test_new_layers_have_unit_variance_and_orthonormal_rows():
    write(IP)
    say("grow", "net.prototxt", "--joint", "fc7:6", "-o", "g.prototxt")
    told = init("--method", "lsuv")
    layers = formats.read("i.caffemodel").layers
    fresh = [name for name in layers if name not in formats.read("w.caffemodel").layers]
    assert len(fresh) == 2
    assert not any(name.startswith("fc8") for name in fresh)
    run = Run("g.prototxt", "i.caffemodel")
    torch.manual_seed(mix(0, 0, 0))
    run.steps.forward(*run.batch)
    for name in fresh:
        given = run.steps.data[run.plan.layer(name).top_values[0]].numpy()
        assert given.std() == pytest.approx(1, rel=0.02), name
        rows = layers[name][0].astype(float)
        gram = rows @ rows.T
        np.testing.assert_allclose(gram, gram[0, 0] * np.eye(len(gram)), atol=1e-4 * gram[0, 0])
        assert name in told


def test_orthonormal():
    rng = np.random.default_rng(0)
    wide, tall = orthonormal(3, 7, rng), orthonormal(7, 3, rng)
    np.testing.assert_allclose(wide @ wide.T, np.eye(3), atol=1e-6)
    np.testing.assert_allclose(tall.T @ tall, np.eye(3), atol=1e-6)


def test_nothing_to_measure():
    write(IP)
    say("grow", "net.prototxt", "--widen", "fc7:6", "--no-normalize", "-o", "g.prototxt")
    ran = lungo("init", "g.prototxt", "--weights", "w.caffemodel", "-o", "i.caffemodel", "--method", "measured")
    assert ran.status == 2
    assert "no Normalize layer of this net is new" in ran.err
    assert not Path("i.caffemodel").exists()


WAYS = {
    "GradMax": ("--widen", "fc7:3", "--no-normalize"),
    "measured scales": ("--widen", "fc7:3"),
    "unit variance (lsuv)": ("--deepen", "fc7:6", "--no-normalize"),
    "by the recipe's defaults": ("--recipe", "wider", "--set", "units=3"),
}


@pytest.mark.parametrize("way", WAYS)
def test_by_default_what_the_net_allows_is_done(way):
    write(IP)
    say("grow", "net.prototxt", *WAYS[way], "-o", "g.prototxt")
    told = init()
    method = "measured scales" if "recipe" in way else way
    assert told.splitlines()[0] == f"method: {method}"
    name = {"GradMax": "gradmax", "measured scales": "measured", "unit variance (lsuv)": "lsuv"}[method]
    first = Path("i.caffemodel").read_bytes()
    init("--overwrite", "--method", name)
    assert Path("i.caffemodel").read_bytes() == first, "what was tried before leaves nothing behind"
