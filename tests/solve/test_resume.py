"""What a resumed run says of what has changed, what it takes over, and what it starts anew."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from caffelungo.errors import RunError, UserError
from caffelungo.report import metrics_csv
from caffelungo.report.console import Reporter
from caffelungo.report.metrics_csv import MetricsFile
from caffelungo.solve import run_folder, run_training, snapshot
from caffelungo.weights import formats, solverstate
from tests.solve import helpers


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def losses(folder: Path) -> dict[int, float]:
    return {one.iteration: one.value for one, _ in metrics_csv.read(folder / "metrics.csv") if one.name == "loss"}


def test_what_changed_is_said_a_field_a_line(here, capsys):
    helpers.make(here, snapshot="10", max_iter="10")
    run_training.train(helpers.options())
    net = helpers.NET.replace("batch_size: 4", "batch_size: 2").replace('"relu" type: "ReLU"', '"relu" type: "TanH"')
    helpers.make(here, net, max_iter="12", base_lr="0.05", lr_policy='"step"', extra="gamma: 0.1 stepsize: 11",
                 random_seed="9")  # fmt: skip
    capsys.readouterr()
    run_training.train(helpers.options(resume=True))
    told = capsys.readouterr().err
    for line in (
        "base_lr is 0.05, was 0.1", 'lr_policy is "step", was "fixed"', "max_iter is 12, was 10",
        "random_seed is 9, was 7; a resumed run keeps its own seed", 'layer `relu`: type is "TanH", was "ReLU"',
        "layer `data`: hdf5_data_param.batch_size is 2, was 4",
    ):  # fmt: skip
        assert line in " ".join(told.split()), line
    helpers.make(here, net, max_iter="14", base_lr="0.05", lr_policy='"step"', extra="gamma: 0.1 stepsize: 11",
                 random_seed="9")  # fmt: skip
    run_training.train(helpers.options(resume=True))
    told = " ".join(capsys.readouterr().err.split())
    assert "max_iter is 14, was 12" in told
    assert "base_lr is" not in told


def test_a_batch_of_another_size_goes_on_in_the_data(here):
    """Ten iterations of 4 are twenty of 2: the data stands at the same sample."""
    helpers.make(here, max_iter="10")
    run_training.train(helpers.options())
    helpers.make(here, helpers.NET.replace("batch_size: 4", "batch_size: 2"), max_iter="10")
    solver = helpers.solver()
    solver.restore("out/s_iter_10.solverstate")
    assert solver.training.batches == 20


@pytest.mark.parametrize("damaged", [False, True])
def test_other_data_is_said(here, capsys, damaged):
    helpers.make(here, snapshot="10", max_iter="10", test_interval="10")
    run_training.train(helpers.options())
    helpers.make(here, max_iter="12", test_interval="10")
    helpers.write_data(here / "data.h5", samples=11)
    if damaged:
        record = here / "out/s_run_001/run.json"
        record.write_text(record.read_text()[:-40])
    capsys.readouterr()
    run_training.train(helpers.options(resume=True))
    told = " ".join(capsys.readouterr().err.split())
    for net in ("train", "test #0"):
        line = f"the data of layer `data` ({net}) has changed: 11 samples, 10 before"
        assert (line in told) is not damaged


def test_another_solver_type_is_refused_with_the_way_out(here):
    helpers.make(here, max_iter="10")
    run_training.train(helpers.options())
    helpers.make(here, max_iter="10", type='"Adam"')
    with pytest.raises(UserError, match="--reset-state"):
        run_training.train(helpers.options(resume=True))
    with pytest.raises(UserError, match="snapshots of an earlier run"):
        run_training.train(helpers.options(resume=True, reset_state=True))
    helpers.make(here, max_iter="10", type='"Adam"', snapshot_prefix='"out/t"')
    run_training.train(helpers.options(snapshot="out/s_iter_10.solverstate", reset_state=True))
    anew = solverstate.read(here / "out/t_iter_10.solverstate")
    helpers.make(here, max_iter="10", type='"Adam"', snapshot_prefix='"out/u"')
    run_training.train(helpers.options(weights=["out/s_iter_10.caffemodel"]))
    plain = solverstate.read(here / "out/u_iter_10.solverstate")
    assert all(np.array_equal(a, b) for a, b in zip(anew.history, plain.history, strict=True))
    with pytest.raises(UserError, match="add --resume"):
        run_training.train(helpers.options(reset_state=True))


def test_a_cut_file_of_numbers_and_a_try_that_died_lose_nothing(here):
    helpers.make(here, snapshot="10", display="1")
    run_training.train(helpers.options())
    whole = losses(here / "out/s_run_001")
    for path in (here / "out").glob("s_iter_20*"):
        path.unlink()
    table = here / "out/s_run_001/metrics.csv"
    table.write_bytes(table.read_bytes()[:-5] + b"")
    died = here / "out/s_run_002"
    died.mkdir()
    (died / "metrics.csv").write_text("iteration,seconds,phase,net,name,value\n1,0.1,tra")
    (died / "run.json").write_text('{"weights": [')
    (died / "files.json").write_text('{"files": {"s_it')
    run_training.train(helpers.options(resume=True))
    assert losses(here / "out/s_run_003") == whole


@pytest.mark.parametrize("moment", ["record", "metrics"])
def test_a_disk_that_is_full_at_the_start_leaves_no_empty_run(here, monkeypatch, moment):
    helpers.make(here, snapshot="10", display="1")
    run_training.train(helpers.options())
    whole = losses(here / "out/s_run_001")
    for path in (here / "out").glob("s_iter_20*"):
        path.unlink()
    before = sorted((here / "out").rglob("*"))

    def full(*arguments, **named):
        raise OSError(errno.ENOSPC, "No space left on device", "out/s_run_002/x")

    with monkeypatch.context() as patch:
        patch.setattr(run_folder, "record", full) if moment == "record" else patch.setattr(MetricsFile, "open", full)
        with pytest.raises(OSError, match="No space left"):
            run_training.train(helpers.options(resume=True))
    assert sorted((here / "out").rglob("*")) == before
    run_training.train(helpers.options(resume=True))
    assert losses(here / "out/s_run_002") == whole


def test_two_runs_of_one_prefix_are_refused_and_named(here):
    helpers.make(here, max_iter="100000", display="0", snapshot="0")
    command = [sys.executable, "-m", "caffelungo", "train", "--solver", "solver.prototxt", "--device", "cpu"]
    first = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    with first:
        while not (here / "out/s_run_001/run.json").exists() and first.poll() is None:
            time.sleep(0.05)
        with pytest.raises(UserError) as caught:
            run_training.train(helpers.options())
        assert f"process {first.pid} on {os.uname().nodename}, since 20" in caught.value.problems[0].received
        assert not (here / "out/s_run_002").exists()
        first.send_signal(signal.SIGKILL)
    helpers.make(here)
    assert run_training.train(helpers.options()) == 0
    assert not list((here / "out").glob(".*"))


def test_fields_from_the_command_line_are_obeyed_and_recorded(here):
    helpers.make(here)
    given = ["base_lr=0.05", "max_iter=6", "snapshot_prefix=out/t", "lungo.keep_last=1", "snapshot=2"]
    run_training.train(helpers.options(set_solver=given))
    assert json.loads((here / "out/t_run_001/run.json").read_text())["set_solver"] == given
    assert re.search(r"base_lr: 0\.05", (here / "out/t_run_001/solver.prototxt").read_text())
    assert [path.name for path in (here / "out").glob("t_iter_*.solverstate")] == ["t_iter_6.solverstate"]
    told = solverstate.read(here / "out/t_iter_6.solverstate").extras
    assert "base_lr: 0.05" in told.solver
    with pytest.raises(UserError, match=r"--set-solver momentum=-1"):
        run_training.train(helpers.options(set_solver=["momentum=-1"]))


@pytest.mark.parametrize("form", ["caffemodel", "h5", "safetensors"])
def test_weights_of_snapshots_in_each_format(here, form):
    helpers.make(here, snapshot="5", max_iter="10", test_interval="5", extra="lungo { keep_best: true keep_last: 1 }")
    run_training.train(helpers.options(weights_format=form))
    names = snapshot.FORMS[form]
    found = {path.name for path in (here / "out").iterdir() if path.is_file()}
    assert found == {f"s_iter_10{names.weights}", f"s_iter_10{names.state}", f"s_best{names.weights}"}
    helpers.make(here, snapshot="5", max_iter="20", test_interval="5", extra="lungo { keep_best: true keep_last: 1 }")
    run_training.train(helpers.options(weights_format=form, resume=True))
    again = formats.read(here / f"out/s_iter_20{names.weights}").layers
    helpers.make(here, snapshot_prefix='"out/whole"')
    run_training.train(helpers.options())
    whole = formats.read(here / "out/whole_iter_20.caffemodel").layers
    assert all(np.array_equal(a, b) for name in whole for a, b in zip(whole[name], again[name], strict=True))


def test_an_unknown_format_is_a_mistake(here):
    helpers.make(here)
    with pytest.raises(UserError, match="did you mean safetensors"):
        run_training.train(helpers.options(weights_format="safetensor"))


@pytest.mark.parametrize("ending", ["done", "early", "SIGINT", "SIGTERM", "failed", "resumed"])
def test_the_best_weights_are_named_however_a_run_ends(here, capsys, monkeypatch, ending):
    extra = "lungo { keep_best: true early_stop: 2 }" if ending == "early" else "lungo { keep_best: true }"
    rate = {"early": "1e-12", "failed": "0.1"}.get(ending, "0.1")
    helpers.make(here, test_interval="4", snapshot="8", display="1", base_lr=rate, extra=extra)
    real = Reporter.displayed

    def displayed(self, iteration, *rest):
        real(self, iteration, *rest)
        if iteration == 10 and ending.startswith("SIG"):
            os.kill(os.getpid(), getattr(signal, ending))
        if iteration == 10 and ending == "failed":
            raise RunError("a value is not finite")

    monkeypatch.setattr(Reporter, "displayed", displayed)
    if ending == "failed":
        with pytest.raises(RunError, match="not finite"):
            run_training.train(helpers.options(quiet=False))
    else:
        assert run_training.train(helpers.options(quiet=False)) == (143 if ending == "SIGTERM" else 0)
    if ending == "resumed":
        capsys.readouterr()
        helpers.make(here, test_interval="400", max_iter="22", extra=extra)
        run_training.train(helpers.options(quiet=False, resume=True))
    told = capsys.readouterr()
    assert re.search(r"best weights in out/s_best\.caffemodel: accuracy \d+\.\d% at iteration \d+",
                     " ".join((told.out + told.err).split()))  # fmt: skip


def test_the_end_names_the_runs_own_weights(here, capsys):
    helpers.make(here, max_iter="20")
    run_training.train(helpers.options())
    helpers.make(here, max_iter="10", snapshot_after_train="false")
    run_training.train(helpers.options(quiet=False, overwrite=True))
    told = capsys.readouterr()
    assert "done at iteration 10; log and curves" in " ".join((told.out + told.err).split())
