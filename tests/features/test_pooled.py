"""Pooled blobs: the numbers of a whole forward pass, each computed once, whatever happens on the way."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from caffelungo.definition.schema import TEST
from caffelungo.errors import UserError
from caffelungo.features import pooled as module
from caffelungo.features.pooled import Pooled, pooled
from caffelungo.features.run_part import PartRunner
from caffelungo.net.store import Store
from caffelungo.solve.engine import Engine
from caffelungo.solve.nets import OpenedNet
from tests.study.nets import convolution, data, head, layer, opened, write

CPU = Engine(torch.device("cpu"))
LAST = Engine(torch.device("cpu"), memory_format=torch.channels_last)
NET = (
    convolution("conv", "data", units=6)
    + layer("ReLU", "relu", "conv", "conv")
    + convolution("upper", "conv")
    + layer("Pooling", "pool", "upper", "pool", "pooling_param { pool: AVE global_pooling: true }")
    + layer("Flatten", "flat", "pool", "flat")
    + layer("Dropout", "drop", "flat", "flat", "dropout_param { dropout_ratio: 0.5 }")
    + head("flat")
)
COUNT = 10


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "list.txt").write_text(write(tmp_path, COUNT))
    return tmp_path


def made(folder: Path, text: str = "", engine: Engine = CPU) -> tuple[OpenedNet, Store]:
    net = opened(text or data() + NET, TEST, folder, once=True)
    store = Store(net.plan, seed=2)
    engine.lay_out(store.tensors.values())
    return net, store


def by_hand(net: OpenedNet, store: Store, mirrored: bool = False) -> dict[str, NDArray[np.float32]]:
    """The blobs `conv` after its ReLU and `flat`, by PyTorch's own functions."""
    source = net.sources[0]
    assert source.batches is not None
    pictures = torch.cat([source.finish(source.batch(k))[0] for k in range(source.batches)])
    pictures = pictures.flip(3) if mirrored else pictures
    blob = lambda name, i: store.tensor(name, i).detach()  # noqa: E731
    conv = torch.nn.functional.conv2d(pictures, blob("conv", 0), blob("conv", 1), padding=1).relu()
    upper = torch.nn.functional.conv2d(conv, blob("upper", 0), blob("upper", 1), padding=1)
    return {
        "mean": conv.mean((2, 3)).numpy(), "max": conv.amax((2, 3)).numpy(), "flat": upper.mean((2, 3)).numpy(),
    }  # fmt: skip


def check(found: Pooled, net: OpenedNet, store: Store, mirrored: bool = False) -> None:
    for version in range(1 + mirrored):
        expected = by_hand(net, store, bool(version))
        for key, rows in ((("conv", "mean"), "mean"), (("conv", "max"), "max"), (("flat", "mean"), "flat")):
            np.testing.assert_allclose(found.rows[*key, version], expected[rows], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("engine", [CPU, LAST])
@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("kept", [False, True])
def test_the_numbers_of_a_forward_pass(engine: Engine, mirrored: bool, kept: bool, folder: Path) -> None:
    net, store = made(folder, engine=engine)
    cache = folder / "cache" if kept else None
    heard: list[float] = []
    found = pooled(net, store, ["conv", "flat"], engine, mirrored=mirrored, cache=cache,
                   say=lambda done, total, text: heard.append(done / total))  # fmt: skip
    check(found, net, store, mirrored)
    expected = {("conv", "mean"), ("conv", "max"), ("flat", "mean")}
    assert set(found.rows) == {(*key, version) for key in expected for version in range(1 + mirrored)}
    assert found.blobs == ("conv", "flat")
    assert found.labels.tolist() == [n % 3 for n in range(COUNT)]
    assert found.files == tuple(str(folder / f"0_{n}.png") for n in range(COUNT))
    assert heard == sorted(heard)
    assert heard[-1] == 1


def test_only_what_the_blobs_need_is_run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    net, store = made(folder)
    seen: list[list[str]] = []
    init = PartRunner.__init__

    def spy(self: PartRunner, *args: object) -> None:
        init(self, *args)  # type: ignore[arg-type]
        seen.append([planned.name for planned in self.part.layers])

    monkeypatch.setattr(PartRunner, "__init__", spy)
    pooled(net, store, ["conv"], CPU)
    pooled(net, store, ["flat"], CPU)
    assert seen == [["conv", "relu"], ["conv", "relu", "upper", "pool", "flat", "drop"]]


def test_nothing_is_computed_twice(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    net, store = made(folder)
    cache = folder / "cache"
    first = pooled(net, store, ["conv", "flat"], CPU, cache=cache)
    assert sorted({path.suffix for path in cache.iterdir()}) == [".lock", ".npy"]
    times = {path: path.stat().st_mtime_ns for path in cache.glob("*.npy")}
    assert len(times) == 3
    # Other names, other batches, other layers behind: the same numbers.
    other = (data() + NET).replace('"upper"', '"higher"').replace("num_output: 3", "num_output: 4")
    again, renamed = made(folder, other.replace("batch_size: 4", "batch_size: 3"))
    for position in (0, 1):
        renamed.tensor("conv", position).data = store.tensor("conv", position).data
        renamed.tensor("higher", position).data = store.tensor("upper", position).data
    with monkeypatch.context() as patch:
        patch.setattr(PartRunner, "rows", lambda *_: pytest.fail("computed again"))
        second = pooled(again, renamed, ["flat", "conv"], CPU, cache=cache)
        assert all(np.array_equal(second.rows[key], first.rows[key]) for key in first.rows)
        with pytest.raises(pytest.fail.Exception):
            pooled(net, store, ["conv"], CPU, mirrored=True, cache=cache)
    more = pooled(net, store, ["conv"], CPU, mirrored=True, cache=cache)
    np.testing.assert_allclose(more.rows["conv", "max", 1], by_hand(net, store, True)["max"], rtol=1e-5)
    store.tensor("conv", 0).data.mul_(2)
    changed = pooled(net, store, ["conv", "flat"], CPU, cache=cache)
    check(changed, net, store)
    assert {path: path.stat().st_mtime_ns for path in times} == times


@pytest.mark.parametrize("kept", [0, 100, -4])
def test_a_cut_file_is_written_anew(kept: int, folder: Path) -> None:
    net, store = made(folder)
    pooled(net, store, ["conv", "flat"], CPU, cache=folder / "cache")
    for path in (folder / "cache").glob("*.npy"):
        path.write_bytes(path.read_bytes()[:kept])
    check(pooled(net, store, ["conv", "flat"], CPU, cache=folder / "cache"), net, store)


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, {root!r})
import tests.features.test_pooled as test
test.module.CHUNK = 4
folder = Path({folder!r})
net, store = test.made(folder)

def say(done, total, text):
    if done >= {after}:
        os.kill(os.getpid(), signal.SIGKILL)

test.pooled(net, store, ["conv", "flat"], test.CPU, mirrored=True, cache=folder / "cache", say=say)
"""


def test_a_killed_call_goes_on_where_it_was(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = str(Path(__file__).resolve().parents[2])
    code = KILLED.format(root=root, folder=str(folder), after=8)
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -signal.SIGKILL
    parts = list((folder / "cache").glob("*.part/*.rows"))
    assert len(parts) == 2
    assert not list((folder / "cache").glob("*.npy"))
    for path in parts:  # rows that were being written and do not count
        with path.open("ab") as stream:
            stream.write(b"x" * 15)
    starts: list[int] = []
    rows = PartRunner.rows

    def spy(self: PartRunner, start: int, *args: object) -> object:
        starts.append(start)
        return rows(self, start, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(PartRunner, "rows", spy)
    # Batches of another size begin in the middle of one.
    net, store = made(folder, (data() + NET).replace("batch_size: 4", "batch_size: 3"))
    check(pooled(net, store, ["conv", "flat"], CPU, mirrored=True, cache=folder / "cache"), net, store, True)
    assert starts == [8]
    assert not list((folder / "cache").glob("*.part"))


def test_rows_of_other_weights_are_not_gone_on_with(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    net, store = made(folder)
    monkeypatch.setattr(module, "CHUNK", 4)

    def stop(done: float, total: float, text: str) -> None:
        if done >= 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pooled(net, store, ["conv"], CPU, cache=folder / "cache", say=stop)
    store.tensor("conv", 0).data.mul_(2)
    found = pooled(net, store, ["conv"], CPU, cache=folder / "cache")
    np.testing.assert_allclose(found.rows["conv", "max", 0], by_hand(net, store)["max"], rtol=1e-5)


HDF5 = """
layer { name: "rows" type: "HDF5Data" top: "x" top: "label" include { phase: TEST }
  hdf5_data_param { source: "files.txt" batch_size: 4 } }
layer { name: "fc" type: "InnerProduct" bottom: "x" top: "fc" inner_product_param { num_output: 2
  weight_filler { type: "xavier" } } }
layer { name: "relu" type: "ReLU" bottom: "fc" top: "fc" }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" }
"""


def test_rows_of_hdf5_files(folder: Path) -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(size=(7, 5)).astype(np.float32)
    for name, rows in (("a", values[:3]), ("b", values[3:])):
        with h5py.File(folder / f"{name}.h5", "w") as file:
            file["x"], file["label"] = rows, np.arange(len(rows), dtype=np.float32)
    (folder / "files.txt").write_text("a.h5\nb.h5\n")
    net, store = made(folder, HDF5)
    for cache in (None, folder / "cache"):
        found = pooled(net, store, ["fc", "x"], CPU, cache=cache)
        weight, bias = (store.tensor("fc", i).detach().numpy() for i in (0, 1))
        expected = np.maximum(values @ weight.T + bias, 0)
        np.testing.assert_allclose(found.rows["fc", "mean", 0], expected, rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(found.rows["x", "mean", 0], values)
        assert found.labels.tolist() == [0, 1, 2, 0, 1, 2, 3]
        assert [file[-6:] for file in found.files] == ["a.h5#0", "a.h5#1", "a.h5#2", "b.h5#0", "b.h5#1", "b.h5#2",
                                                       "b.h5#3"]  # fmt: skip
    with pytest.raises(UserError, match="only pictures can be mirrored"):
        pooled(net, store, ["fc"], CPU, mirrored=True)


@pytest.mark.parametrize(
    ("blobs", "told"),
    [
        (["covn"], ["no blob `covn`", "did you mean `conv`"]),
        (
            ["covn", "flat", "flat", "loss"],
            ["no blob `covn`", "`flat` is listed twice", "`loss` does not have one row"],
        ),
        (["label"], ["`label` has neither a plane nor one row"]),
        ([], ["no blob is named"]),
    ],
)
def test_blobs_that_cannot_be(blobs: list[str], told: list[str], folder: Path) -> None:
    net, store = made(folder)
    with pytest.raises(UserError) as error:
        pooled(net, store, blobs, CPU)
    assert all(text in str(error.value) for text in told)


def test_pools_that_cannot_be(folder: Path) -> None:
    net, store = made(folder)
    for pools in ([], ["mean", "median"]):
        with pytest.raises(UserError, match="unknown pooling"):
            pooled(net, store, ["conv"], CPU, pools=pools)


def test_data_from_nowhere(folder: Path) -> None:
    text = 'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 dim: 12 dim: 12 } } }'
    net, store = made(folder, text + convolution("conv", "data"))
    with pytest.raises(UserError, match="holds no data"):
        pooled(net, store, ["conv"], CPU)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu(folder: Path) -> None:
    engine = Engine(torch.device("cuda", 0), memory_format=torch.channels_last)
    net, store = made(folder)
    expected = pooled(net, store, ["conv", "flat"], CPU, mirrored=True)
    there = Store(net.plan, seed=2, device=engine.device)
    found = pooled(net, there, ["conv", "flat"], engine, mirrored=True)
    for key, rows in expected.rows.items():
        np.testing.assert_allclose(found.rows[key], rows, rtol=1e-3, atol=1e-4)
