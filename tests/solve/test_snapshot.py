"""Snapshots: names, the order of writing, what is complete, and what a failing disk leaves."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from caffelungo.definition.schema import SolverParameter
from caffelungo.errors import RunError, UserError
from caffelungo.solve import run_training, snapshot
from caffelungo.weights import formats, solverstate
from tests.solve import helpers


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(snapshot, "PAUSE", 0.001)
    return tmp_path


@pytest.mark.parametrize(
    ("prefix", "path", "wanted"),
    [("a/b", "s.prototxt", "a/b"), ("", "x/s.prototxt", "x/s"), ("", "x/s.prototxt.j2", "x/s"),
     ("folder", "x/s.prototxt", "folder/s"),
     ("new/", "s.prototxt", "new/s")],
)  # fmt: skip
def test_prefix(here, prefix, path, wanted):
    (here / "folder").mkdir()
    assert snapshot.prefix_of(SolverParameter(snapshot_prefix=prefix), path) == Path(wanted)


def test_an_unwritable_prefix_names_the_nearest_folder(here):
    helpers.make(here, snapshot_prefix='"no/such/place/s"')
    with pytest.raises(UserError) as caught:
        run_training.train(helpers.options())
    problem = caught.value.problems[0]
    assert "cannot write to snapshot prefix" in problem.what
    assert problem.where.file.endswith("solver.prototxt")
    assert problem.where.line == 8
    assert f"mkdir -p {here / 'no/such/place'}" in problem.remedy
    assert str(here) in problem.remedy
    (here / "no/such/place").mkdir(parents=True)
    assert run_training.train(helpers.options()) == 0


def test_an_older_run_is_not_overwritten(here):
    helpers.make(here, snapshot="10")
    assert run_training.train(helpers.options()) == 0
    with pytest.raises(UserError, match="snapshots of an earlier run"):
        run_training.train(helpers.options())
    with pytest.raises(UserError, match="snapshots of an earlier run"):
        run_training.train(helpers.options(snapshot="out/s_iter_10.solverstate"))
    assert run_training.train(helpers.options(overwrite=True)) == 0
    assert run_training.train(helpers.options(resume=True)) == 0
    assert len(list((here / "out").glob("s_run_*"))) == 3


def test_overwriting_leaves_nothing_of_the_older_run_to_resume(here, capsys):
    helpers.make(here, snapshot="10")
    assert run_training.train(helpers.options()) == 0
    helpers.make(here, snapshot="5", max_iter="10", base_lr="0.05")
    assert run_training.train(helpers.options(overwrite=True)) == 0
    assert "removed, as --overwrite says" in capsys.readouterr().err
    assert sorted(path.name for path in (here / "out").glob("*.solverstate")) == [
        "s_iter_10.solverstate", "s_iter_5.solverstate",
    ]  # fmt: skip
    assert run_training.train(helpers.options(snapshot="out/s_iter_5.solverstate", overwrite=True)) == 0
    assert len(list((here / "out").glob("*.solverstate"))) == 2


def test_overwriting_keeps_the_older_run_until_there_is_a_new_snapshot(here, monkeypatch):
    helpers.make(here, max_iter="10")
    assert run_training.train(helpers.options()) == 0
    helpers.make(here, base_lr="1e38", max_iter="15")
    with pytest.raises(RunError, match="finite"):
        run_training.train(helpers.options(overwrite=True))
    assert (here / "out/s_iter_10.solverstate").exists()


def test_the_best_of_an_older_run_is_not_overwritten(here):
    helpers.make(here, test_interval="10", extra="lungo { keep_best: true }")
    assert run_training.train(helpers.options()) == 0
    for path in (here / "out").glob("s_iter_*"):
        path.unlink()
    with pytest.raises(UserError, match="best weights of an earlier run"):
        run_training.train(helpers.options())
    assert run_training.train(helpers.options(overwrite=True)) == 0


@pytest.mark.parametrize("moment", ["state", "weights' name", "state's name"])
def test_the_state_comes_last_and_completes_the_snapshot(here, monkeypatch, moment):
    """Stopped at any moment, there is no state without its weights, and no half file."""
    helpers.make(here)
    solver = helpers.solver()
    solver.step(3)
    real = os.replace

    def stop(*arguments):
        raise KeyboardInterrupt

    def replace(old, new, **place):
        if str(new).endswith(".caffemodel" if moment == "weights' name" else ".solverstate") and not place:
            raise KeyboardInterrupt
        real(old, new, **place)

    monkeypatch.setattr(*((solverstate, "write", stop) if moment == "state" else (os, "replace", replace)))
    with pytest.raises(KeyboardInterrupt):
        solver.snapshot()
    left = [path.name for path in (here / "out").iterdir()]
    assert left == (["s_iter_3.caffemodel"] if moment == "state's name" else [])
    assert snapshot.newest_complete(solver.training.prefix) is None


@pytest.mark.parametrize("broken", ["formats", "solverstate"])
def test_a_full_disk_keeps_the_older_snapshot_of_the_same_iteration(here, monkeypatch, broken):
    helpers.make(here, snapshot="10", max_iter="10")
    run_training.train(helpers.options())
    before = {path: path.read_bytes() for path in (here / "out").glob("s_iter*")}
    helpers.make(here, snapshot="10", max_iter="10", base_lr="0.2")
    monkeypatch.setattr(globals()[broken], "write", lambda *arguments: (_ for _ in ()).throw(OSError(28, "full")))
    with pytest.raises(RunError, match=r"s_iter_10.*the newest complete snapshot is|s_iter_10"):
        run_training.train(helpers.options(overwrite=True))
    assert {path: path.read_bytes() for path in (here / "out").glob("s_iter*")} == before
    assert not list((here / "out").glob(".*"))


def test_a_truncated_snapshot_is_passed_over(here):
    helpers.make(here, snapshot="5")
    run_training.train(helpers.options())
    newest = here / "out/s_iter_20.caffemodel"
    newest.write_bytes(newest.read_bytes()[:-9])
    heard: list[str] = []
    found = snapshot.newest_complete(Path("out/s"), heard.append)
    assert found is not None
    assert found.iteration == 15
    assert "s_iter_20" in heard[0]


def full_disk(error: int):
    """An open file system on which every fsync fails."""

    def fail(descriptor: int) -> None:
        raise OSError(error, os.strerror(error))

    return fail


def test_a_disk_that_fills_loses_nothing(here, monkeypatch):
    helpers.make(here, snapshot="10")
    solver = helpers.solver()
    solver.step(10)
    before = {path: path.read_bytes() for path in (here / "out").iterdir()}
    solver.step(5)
    monkeypatch.setattr(os, "fsync", full_disk(errno.ENOSPC))
    with pytest.raises(RunError) as caught:
        solver.snapshot()
    assert "No space left" in str(caught.value)
    assert "s_iter_10.solverstate" in str(caught.value)
    assert {path: path.read_bytes() for path in (here / "out").iterdir()} == before


def test_a_disk_that_fills_between_the_two_files_leaves_no_half(here, monkeypatch):
    helpers.make(here)
    solver = helpers.solver()
    solver.step(5)
    real = solverstate.write
    monkeypatch.setattr(solverstate, "write", lambda path, state: (_ for _ in ()).throw(OSError(errno.ENOSPC, "full")))
    with pytest.raises(RunError):
        solver.snapshot()
    assert list((here / "out").iterdir()) == []
    monkeypatch.setattr(solverstate, "write", real)
    solver.snapshot()
    assert snapshot.newest_complete(solver.training.prefix) is not None


def test_a_write_that_fails_once_is_tried_again(here, monkeypatch):
    helpers.make(here)
    solver = helpers.solver()
    real, calls = formats.write, []

    def flaky(*arguments):
        calls.append(1)
        if len(calls) == 1:
            raise OSError(errno.EIO, "Input/output error")
        return real(*arguments)

    monkeypatch.setattr(formats, "write", flaky)
    solver.snapshot()
    assert len(calls) == 2


def test_keep_last_and_best(here):
    helpers.make(here, snapshot="4", test_interval="4", extra="lungo { keep_last: 2 keep_best: true }")
    assert run_training.train(helpers.options()) == 0
    assert sorted(path.name for path in (here / "out").glob("*.caffemodel")) == [
        "s_best.caffemodel", "s_iter_16.caffemodel", "s_iter_20.caffemodel",
    ]  # fmt: skip
    assert len(list((here / "out").glob("*.solverstate"))) == 2


def test_hdf5_snapshots_resume(here):
    helpers.make(here, snapshot="10", snapshot_format="HDF5")
    run_training.train(helpers.options())
    whole = (here / "out/s_iter_20.caffemodel.h5").read_bytes()
    for path in (here / "out").glob("s_iter_20*"):
        path.unlink()
    run_training.train(helpers.options(resume=True))
    a = formats.read(here / "out/s_iter_20.caffemodel.h5").layers
    (here / "whole.h5").write_bytes(whole)
    b = formats.read(here / "whole.h5").layers
    assert all((x == y).all() for name in a for x, y in zip(a[name], b[name], strict=True))


def test_a_full_disk_in_the_middle_of_a_run(here, capsys):
    """The limit on a file's size stands for the disk: the log has outgrown it, the snapshot does too."""
    resource = pytest.importorskip("resource")
    net = helpers.NET.replace("num_output: 6", "num_output: 4000")
    helpers.make(here, net, snapshot="10", display="1")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, before[1]))
    try:
        with pytest.raises(RunError, match="cannot be written"):
            run_training.train(helpers.options())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not list((here / "out").glob("*.caffemodel"))
    assert not list((here / "out").glob(".*.tmp"))


def test_a_log_that_cannot_grow_does_not_end_the_run(here, capsys):
    resource = pytest.importorskip("resource")
    helpers.make(here, display="1", max_iter="100")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (12_000, before[1]))
    try:
        assert run_training.train(helpers.options()) == 0
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "the log cannot be written any more" in capsys.readouterr().err.replace("\n", " ")
    assert (here / "out/s_iter_100.solverstate").exists()
