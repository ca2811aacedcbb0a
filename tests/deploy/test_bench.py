from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from caffelungo.cli.main import app
from caffelungo.definition.reader import parse_net
from caffelungo.deploy import bench as benches
from caffelungo.deploy import opponents
from caffelungo.deploy.bench import BenchOptions, bench, measure
from caffelungo.errors import RunError, UserError
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
    assert [(row.batch, row.side) for row in done.rows] == [
        (1, "ONNX Runtime"), (1, "torch eager"), (4, "ONNX Runtime"), (4, "torch eager")
    ]  # fmt: skip
    rows = list(csv.DictReader(io.StringIO(done.csv())))
    assert [row["batch"] for row in rows] == ["1", "1", "4", "4"]
    assert float(rows[1]["ratio"]) > 0
    assert len({len(line) for line in done.table().splitlines()[2::2]}) == 1


def test_another_net_is_not_compared(classifier_file: Path, net: Path) -> None:
    weights = str(net.with_name("other.caffemodel"))
    with pytest.raises(RunError, match="this is not the same net"):
        bench(BenchOptions(classifier_file, net, weights, (1,), compiled=False, **SHORT))  # type: ignore[arg-type]


def test_a_compiler_that_fails_is_noted(classifier_file: Path, net: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(module: object, dynamic: bool) -> object:
        def run(*_: object) -> None:
            raise RuntimeError("no C++ compiler\nfor miles")

        return run

    monkeypatch.setattr(opponents.torch, "compile", broken)
    options = BenchOptions(classifier_file, net, str(net.with_suffix(".caffemodel")), (1,), **SHORT)  # type: ignore[arg-type]
    done = bench(options)
    assert [row.side for row in done.rows] == ["ONNX Runtime", "torch eager"]
    assert done.notes == ["torch.compile does not run here and is left out: no C++ compiler"]


@pytest.mark.slow
def test_compiled(classifier_file: Path, net: Path) -> None:
    done = bench(BenchOptions(classifier_file, net, str(net.with_suffix(".caffemodel")), (1, 2), **SHORT))  # type: ignore[arg-type]
    assert [row.side for row in done.rows].count("torch compiled") == 2


def test_batches_that_do_not_fit_are_left_out(classifier_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    each = benches.activations(classifier_file)
    conv, image = 4 * 6 * 13 * 11, 4 * 13 * 11 * 3
    assert each > 2 * conv + image
    monkeypatch.setattr(benches, "memory", lambda: {"free": 3 * each})
    done = bench(BenchOptions(classifier_file, batches=(1, 64), **SHORT))  # type: ignore[arg-type]
    assert [row.batch for row in done.rows] == [1]
    assert "batch 64 is left out" in done.notes[0]


def test_wrong_options(classifier_file: Path) -> None:
    with pytest.raises(UserError, match="at least 1"):
        bench(BenchOptions(classifier_file, batches=(0,)))
    with pytest.raises(UserError, match="both its definition and its weights"):
        bench(BenchOptions(classifier_file, net="x.prototxt"))


def test_the_command(classifier_file: Path, tmp_path: Path) -> None:
    out = str(tmp_path / "b.csv")
    given = ["bench", str(classifier_file), "--batch", "1,2", "--rounds", "2", "--seconds", "0.01", "-o", out]
    result = CliRunner().invoke(app, given)
    assert result.exit_code == 0, result.output
    assert result.output.count("ONNX Runtime") >= 3
    assert (tmp_path / "b.csv").read_text().startswith("batch,side,runs")
