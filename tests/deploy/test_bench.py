from __future__ import annotations

import csv
import io
import re
import time
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from caffelungo.cli.main import app
from caffelungo.definition.reader import parse_net
from caffelungo.deploy import baselines
from caffelungo.deploy import bench as benches
from caffelungo.deploy.bench import bench, measure
from caffelungo.deploy.bench_options import BenchOptions
from caffelungo.deploy.export import export
from caffelungo.deploy.lower_precision import PrecisionOptions, lower
from caffelungo.deploy.options import ExportOptions
from caffelungo.errors import RunError, UserError
from caffelungo.inference import peak_memory
from caffelungo.weights import caffemodel
from tests.deploy.nets import SMALL, random_weights

SHORT = {"rounds": 3, "seconds": 0.01, "threads": 1, "device": "cpu"}


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The definition of the exported classifier; its weights lie beside it, and others as ``other.caffemodel``."""
    folder = tmp_path_factory.mktemp("bench")
    (folder / "net.prototxt").write_text(SMALL)
    message = parse_net(SMALL).message
    caffemodel.write(folder / "net.caffemodel", random_weights(SMALL), message)
    caffemodel.write(folder / "other.caffemodel", random_weights(SMALL, seed=1), message)
    return folder / "net.prototxt"


def test_a_side_that_takes_twice_as_long_has_the_ratio_two(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    calls: list[str] = []

    def side(name: str, *seconds: float) -> benches.Side:
        def run(_feeds: benches.Arrays) -> dict[str, np.ndarray]:
            nonlocal now
            calls.append(name)
            now += seconds[calls.count(name) % len(seconds)]
            return {}

        return run

    monkeypatch.setattr(benches.time, "perf_counter", lambda: now)
    sides = {benches.ONNX: side("fast", 0.002), "other": side("slow", 0.003, 0.005)}
    fast, slow = measure(sides, {}, 8, rounds=6, seconds=0.04)
    assert (slow.ratio, slow.low, slow.high) == pytest.approx((2, 2, 2))
    assert (fast.ratio, fast.runs, slow.runs) == (None, 6 * 20, 6 * 10)
    assert (fast.p50, fast.p99) == pytest.approx((2, 2))
    assert (slow.p50, slow.p90) == pytest.approx((4, 5))
    assert slow.rate == pytest.approx(8 / 0.004)
    turns = [calls[6], calls[6 + 20 + 10]]  # after warming up; the order changes
    assert turns == ["fast", "slow"]


def test_against_pytorch(classifier_file: Path, net: Path) -> None:
    weights = str(net.with_suffix(".caffemodel"))
    done = bench(BenchOptions(classifier_file, net, weights, (1, 4), compiled=False, **SHORT))  # type: ignore[arg-type]
    sides = ["ONNX Runtime", "torch eager", "torch channels-last"]
    assert [(row.batch, row.side) for row in done.rows] == [(batch, side) for batch in (1, 4) for side in sides]
    rows = list(csv.DictReader(io.StringIO(done.csv())))
    assert [row["batch"] for row in rows] == ["1"] * 3 + ["4"] * 3
    assert float(rows[1]["ratio"]) > 0
    lines = done.table().splitlines()
    assert len({len(line) for line in lines[:1] + lines[2:4]}) == 1
    assert done.markdown().count("|") == 11 * 8
    nodes = re.search(r"1 thread; (\d+) nodes, all on CPUExecutionProvider", done.where)
    assert nodes
    assert int(nodes[1]) >= 6


def test_another_net_is_not_compared(classifier_file: Path, net: Path) -> None:
    weights = str(net.with_name("other.caffemodel"))
    with pytest.raises(RunError, match="they are different nets"):
        bench(BenchOptions(classifier_file, net, weights, (1,), compiled=False, **SHORT))  # type: ignore[arg-type]


def test_a_compiler_that_fails_is_noted(classifier_file: Path, net: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def broken(module: object, dynamic: bool, options: object) -> object:
        asked.append(module)

        def run(*_: object) -> None:
            raise RuntimeError("no C++ compiler\nfor miles")

        return run

    monkeypatch.setattr(baselines.torch, "compile", broken)
    options = BenchOptions(classifier_file, net, str(net.with_suffix(".caffemodel")), (1, 2), **SHORT)  # type: ignore[arg-type]
    done = bench(options)
    assert {row.side for row in done.rows} == {"ONNX Runtime", "torch eager", "torch channels-last"}
    assert done.notes[:1] == ["torch.compile does not work here and is skipped: no C++ compiler"]
    assert len(asked) == 1  # not tried again for the next size


@pytest.mark.slow
def test_compiled(classifier_file: Path, net: Path) -> None:
    done = bench(BenchOptions(classifier_file, net, str(net.with_suffix(".caffemodel")), (1, 2), **SHORT))  # type: ignore[arg-type]
    assert [row.side for row in done.rows].count("torch compiled") == 2


@pytest.mark.slow
def test_without_a_compiler(classifier_file: Path, net: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch._inductor.config as inductor

    monkeypatch.setattr(inductor.cpp, "cxx", ("no-such-compiler",))
    monkeypatch.setattr(inductor, "fx_graph_cache", False)
    done = bench(BenchOptions(classifier_file, net, str(net.with_suffix(".caffemodel")), (3,), **SHORT))  # type: ignore[arg-type]
    assert "torch compiled" not in [row.side for row in done.rows]
    assert "skipped: No working C++ compiler found" in done.notes[0]


def test_batches_that_do_not_fit_are_left_out(classifier_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    each = peak_memory.peak(classifier_file, {"image": (1, 13, 11, 3)})
    picture = 13 * 11 * 3
    conv = 4 * 6 * 13 * 11
    assert each == 2 * conv  # of all tensors, relu1 and what it reads are the largest two side by side
    assert peak_memory.peak(classifier_file, {"image": (64, 13, 11, 3)}) == 64 * each
    assert each > 5 * picture
    monkeypatch.setattr(benches, "memory", lambda: {"free": 3 * each})
    done = bench(BenchOptions(classifier_file, batches=(1, 64), **SHORT))  # type: ignore[arg-type]
    assert [row.batch for row in done.rows] == [1]
    assert "batch 64 is skipped" in done.notes[0]


def test_memory_that_ends_leaves_the_size_out(classifier_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = benches.OnnxEngine.run

    def full(self: benches.OnnxEngine, feeds: benches.Arrays, *rest: object) -> object:
        if len(feeds["image"]) > 2:
            raise RunError("ONNX Runtime failed on cuda:0: Failed to allocate memory for requested buffer of size 1")
        return run(self, feeds)

    monkeypatch.setattr(benches.OnnxEngine, "run", full)
    done = bench(BenchOptions(classifier_file, batches=(4, 2), **SHORT))  # type: ignore[arg-type]
    assert [row.batch for row in done.rows] == [2]
    assert done.notes[0] == "batch 4 is skipped: it does not fit into the memory of cpu"


def test_time_is_kept(classifier_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A first size gets its least rounds however short the time; the others go, and a long one takes fewer rounds."""
    now, calls = 0.0, []

    def slow(_feeds: benches.Arrays) -> dict[str, np.ndarray]:
        nonlocal now
        calls.append(0)
        now += 0.02
        return {}

    with monkeypatch.context() as patched:
        patched.setattr(benches.time, "perf_counter", lambda: now)
        rows, rounds = benches.in_turns({benches.ONNX: slow}, {}, 1, 50, 0.01, limit=0.11)
        assert rounds == rows[0].runs == 5
        assert len(calls) == 5 + 2  # warming up ends when it has taken two turns' time
        assert benches.in_turns({benches.ONNX: slow}, {}, 1, 50, 0.01, limit=0.04, needed=0) == ([], 0)
    started = time.monotonic()
    done = bench(BenchOptions(classifier_file, batches=(1, 2), rounds=1000, seconds=0.05, threads=1, minutes=0.02))
    assert time.monotonic() - started < 10
    assert done.rows[0].batch == 1
    assert any("rounds instead of 1000" in note and "--minutes" in note for note in done.notes)


def test_percentiles_need_runs(classifier_file: Path) -> None:
    done = bench(BenchOptions(classifier_file, batches=(1,), rounds=5, seconds=1e-9, threads=1, device="cpu"))
    (row,) = done.rows
    assert (row.runs, row.p90, row.p99) == (5, None, None)
    assert row.cells()[4:6] == ["", ""]
    assert [note[:3] for note in done.notes] == ["p90", "p99"]


def test_a_stop_keeps_what_was_measured(classifier_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def told(what: str, done: int, total: int) -> None:
        if what.startswith("batch 2"):
            raise KeyboardInterrupt

    done = bench(BenchOptions(classifier_file, batches=(1, 2), **SHORT), progress=told)  # type: ignore[arg-type]
    assert [row.batch for row in done.rows] == [1]
    assert "stopped" in done.notes[0]


def test_half_precision_beside_pytorch(classifier_file: Path, net: Path, tmp_path: Path) -> None:
    half = tmp_path / "half.onnx"
    lower(classifier_file, half, PrecisionOptions("fp16", rounds=1, seconds=0.01, threads=1))
    done = bench(BenchOptions(half, net, str(net.with_suffix(".caffemodel")), (1,), compiled=False, **SHORT))  # type: ignore[arg-type]
    assert len(done.rows) == 3


def test_the_sides_of_a_gpu_in_halves(classifier_file: Path, net: Path) -> None:
    """What runs there in bfloat16 is the same net: here on the CPU, which knows bfloat16 too."""
    engine = benches.OnnxEngine(classifier_file, "cpu", threads=1)
    options = BenchOptions(classifier_file, net, str(net.with_suffix(".caffemodel")))
    made = baselines.Opponents(options, engine, 1, [])
    feeds = benches.feeds_of(engine, 2)
    module, _ = made.plain["torch channels-last"]
    half = baselines._halved(module, baselines.HALVES["bf16"])
    right = engine.run(feeds)["prob"]
    wrong = np.abs(made._side(half, baselines.HALVES["bf16"])(feeds)["prob"] - right).max() / right.max()
    assert 1e-6 < wrong < 0.05
    assert {blob.dtype for blob in module.parameters()} == {baselines.torch.float32}


def test_a_fixed_batch_and_a_net_that_is_no_classifier(tmp_path: Path) -> None:
    text = SMALL[: SMALL.index('layer { name: "fc/2"')]
    export(parse_net(text), random_weights(text), tmp_path / "f.onnx", ExportOptions(batch=3, preprocess=False))
    done = bench(BenchOptions(tmp_path / "f.onnx", batches=(1, 8), **SHORT))  # type: ignore[arg-type]
    assert [row.batch for row in done.rows] == [3]
    assert done.notes[0] == "the file is for 3 pictures, the only batch size"


def test_open_sizes_are_asked_for(tmp_path: Path) -> None:
    text = SMALL[: SMALL.index('layer { name: "fc/2"')]
    (tmp_path / "net.prototxt").write_text(text)
    weights = random_weights(text)
    caffemodel.write(tmp_path / "net.caffemodel", weights, parse_net(text).message)
    export(parse_net(text), weights, tmp_path / "f.onnx", ExportOptions(free_size=True))
    with pytest.raises(UserError, match="has open sizes besides the batch"):
        bench(BenchOptions(tmp_path / "f.onnx", batches=(1,), **SHORT))  # type: ignore[arg-type]
    done = bench(BenchOptions(tmp_path / "f.onnx", tmp_path / "net.prototxt", str(tmp_path / "net.caffemodel"), (2,),
                              compiled=False, size=(17, 21), **SHORT))  # type: ignore[arg-type]  # fmt: skip
    assert len(done.rows) == 3


def test_wrong_options(classifier_file: Path) -> None:
    with pytest.raises(UserError, match="at least 1"):
        bench(BenchOptions(classifier_file, batches=(0,)))
    with pytest.raises(UserError, match="minutes"):
        bench(BenchOptions(classifier_file, minutes=0))
    with pytest.raises(UserError, match="both its definition and its weights"):
        bench(BenchOptions(classifier_file, net="x.prototxt"))


def test_the_command(classifier_file: Path, tmp_path: Path) -> None:
    out = str(tmp_path / "b.csv")
    given = ["bench", str(classifier_file), "--batch", "1,2", "--rounds", "2", "--seconds", "0.01", "-o", out]
    result = CliRunner().invoke(app, given)
    assert result.exit_code == 0, result.output
    assert result.output.count("ONNX Runtime") >= 3
    assert (tmp_path / "b.csv").read_text().startswith("batch,side,runs")
