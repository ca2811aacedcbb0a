"""`lungo diff`: what it prints, writes and refuses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from caffelungo.weights import formats
from caffelungo.weights.weights import Weights
from tests.lungo import lungo
from tests.passes.nets import ANSWER, RESIDUAL, net
from tests.passes.numbers import random_blobs


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("residual.prototxt").write_text(RESIDUAL)
    for k, name in enumerate(("start", "s_iter_20", "s_iter_100")):
        formats.write(f"{name}.caffemodel", Weights(random_blobs(net(RESIDUAL), seed=k)), net(RESIDUAL).message)
    formats.write("start.safetensors", Weights(random_blobs(net(RESIDUAL), seed=0)))
    formats.write("answer.caffemodel", Weights(random_blobs(net(ANSWER))), net(ANSWER).message)


def test_two_files() -> None:
    ran = lungo("diff", "start.caffemodel", "s_iter_20.caffemodel", "--csv", "l.csv", "--units", "u.csv",
                "--draw", "d.png")  # fmt: skip
    assert (ran.status, ran.err) == (0, "")
    assert "changed: 7 of 7 layers" in ran.out
    assert "standard deviations" in ran.out
    assert ran.out.endswith("wrote l.csv\nwrote u.csv\ndrew d.png\n")
    assert Path("d.png").read_bytes().startswith(b"\x89PNG")


def test_many_files() -> None:
    ran = lungo("diff", "start.caffemodel", "s_iter_100.caffemodel", "s_iter_20.caffemodel", "--draw", "d.png")
    assert ran.out.splitlines()[1].split() == ["layer", "20", "100"]


def test_a_net_tells_types() -> None:
    alone = lungo("diff", "start.safetensors", "start.safetensors")
    told = lungo("diff", "start.safetensors", "start.safetensors", "--model", "residual.prototxt", "--json")
    assert "taken for BatchNorm" in alone.out
    read = json.loads(told.out)
    assert read["notices"] == []
    assert [layer["name"] for layer in read["layers"]][:3] == ["conv1", "bn1", "scale1"]


def test_quiet() -> None:
    assert lungo("diff", "start.caffemodel", "s_iter_20.caffemodel", "-q").out == ""


def test_refusals(tmp_path: Path) -> None:
    for words, told in (
        (("start.caffemodel",), "diff needs two or more weight files"),
        (("start.caffemodel", "no.caffemodel"), "not found"),
        (("start.caffemodel", "answer.caffemodel"), None),
        (("start.caffemodel", "residual.prototxt"), "residual.prototxt"),
        (("start.caffemodel", "start.caffemodel", "--model", "no.prototxt"), "no such file"),
    ):
        ran = lungo("diff", *words)
        if told is None:
            assert ran.status == 0  # conv1 is in both nets: other shapes are said, not refused
            assert "not compared" in ran.out
        else:
            assert ran.status == 2
            assert told in ran.err
    nan = random_blobs(net(RESIDUAL), seed=1)
    nan["conv2"][0][0, 0, 0, 0] = np.nan
    formats.write("nan.caffemodel", Weights(nan), net(RESIDUAL).message)
    ran = lungo("diff", "start.caffemodel", "nan.caffemodel")
    assert "NOT A NUMBER: conv2 weight: 1 NaN after, first at [0, 0, 0, 0]" in ran.out
