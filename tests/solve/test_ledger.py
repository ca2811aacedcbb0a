"""Only files that runs have recorded are ever removed."""

from __future__ import annotations

import pytest

from caffelungo.errors import UserError
from caffelungo.solve import ledger, run_training, snapshot
from caffelungo.solve.ledger import BEGUN, GOING, GONE, WHOLE, Ledger
from tests.solve import helpers


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_record_is_read_back_and_newer_entries_win(tmp_path):
    one = Ledger(tmp_path / "files.json")
    one.note(["a", "b [1]*?", "c"], BEGUN)
    one.note(["a", "b [1]*?"], WHOLE)
    assert ledger.read(tmp_path) == {"a": WHOLE, "b [1]*?": WHOLE, "c": BEGUN}
    two = Ledger(None, [ledger.read(tmp_path), {"a": GONE}])
    assert [two.ours(tmp_path / name) for name in ("a", "b [1]*?", "c", "d")] == [False, True, True, False]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"files": 3}', '{"files": {"a": [1]}}', "null"])
def test_a_damaged_record_names_nothing_to_remove(tmp_path, content):
    (tmp_path / "files.json").write_text(content)
    assert not any(status in (BEGUN, WHOLE, GOING) for status in ledger.read(tmp_path).values())


@pytest.mark.parametrize("name", ["s", "s[1-9]", "s*", "s?", "[!a]", "run_001"])
def test_a_users_own_files_stay_whatever_they_are_called(here, name):
    extra = "weight_decay: 0.01 lungo { l2_sp: 0.1 keep_last: 1 keep_best: true }"
    helpers.make(here, snapshot_prefix='"out/first"', max_iter="3")
    run_training.train(helpers.options())
    changes = {"snapshot_prefix": f'"out/{name}"', "snapshot": "5", "max_iter": "10", "test_interval": "5",
               "extra": extra}  # fmt: skip
    helpers.make(here, **changes)
    weights = ["out/first_iter_3.caffemodel"]
    assert run_training.train(helpers.options(weights=weights)) == 0
    starts = [path.name for path in (here / "out").iterdir() if "_start_" in path.name]
    assert len(starts) == 1
    own = [
        f"{name}_start_mine.caffemodel", f"{name}_start_0123456789ab.caffemodel", f"{name}_iter_1.caffemodel",
        f"{name}_iter_2.solverstate", f"{name}_iter_2.caffemodel", "s1_iter_1.caffemodel", "sx_start_a.caffemodel",
        f".{name}_iter_7.x.tmp", f".{name}_best.mine.tmp", "_start_a.caffemodel", f"{name}_best_mine.caffemodel",
    ]  # fmt: skip
    for one in own:
        (here / "out" / one).write_text("mine")
    helpers.make(here, **{**changes, "base_lr": "0.05", "max_iter": "5"})
    weights = ["out/s2.caffemodel"]
    (here / "out/first_iter_3.caffemodel").rename(here / "out/s2.caffemodel")
    assert run_training.train(helpers.options(weights=weights, overwrite=True)) == 0
    assert all((here / "out" / one).read_text() == "mine" for one in own)
    left = {path.name for path in (here / "out").iterdir() if path.name.startswith(f"{name}_iter")} - set(own)
    assert left == {f"{name}_iter_5.caffemodel", f"{name}_iter_5.solverstate"}


def test_snapshots_that_no_run_recorded_stay_and_are_said(here, capsys):
    helpers.make(here, snapshot="5", max_iter="10")
    solver = helpers.solver()
    solver.step(15)
    solver.snapshot()
    run_training.train(helpers.options(overwrite=True))
    assert (here / "out/s_iter_15.solverstate").exists()
    assert "kept that no recorded run of this program wrote" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("keep_last", ["", "lungo { keep_last: 3 }"])
def test_rests_of_a_killed_snapshot_go_at_the_next_start(here, keep_last):
    """Weights without a state are a rest only where the kill came before the state, not where a user removed it."""
    helpers.make(here, snapshot="5", max_iter="15", extra=keep_last)
    run_training.train(helpers.options())
    record = here / "out/s_run_001/files.json"
    for iteration in (10, 15):
        (here / f"out/s_iter_{iteration}.solverstate").unlink()
    record.write_text(record.read_text().replace('"s_iter_15.caffemodel": "whole"', '"s_iter_15.caffemodel": "begun"'))
    (here / "out/s_iter_9.caffemodel").write_text("mine")
    helpers.make(here, snapshot="0", max_iter="6", extra=keep_last)
    assert run_training.train(helpers.options(resume=True)) == 0
    left = {path.name for path in (here / "out").glob("*.caffemodel")}
    expected = {"s_iter_5.caffemodel", "s_iter_6.caffemodel", "s_iter_9.caffemodel", "s_iter_10.caffemodel"}
    assert left == (expected if keep_last else expected | {"s_iter_15.caffemodel"})


@pytest.mark.parametrize(("status", "starts"), [("begun", True), ("whole", False)])
def test_a_run_killed_before_its_first_state_starts_anew(here, status, starts):
    """The weights of its first snapshot are no snapshot; those whose state a user removed are the user's."""
    helpers.make(here, snapshot="5", max_iter="10", extra="lungo { keep_last: 2 }")
    run_training.train(helpers.options())
    whole = (here / "out/s_iter_10.caffemodel").read_bytes()
    for path in [*(here / "out").glob("*.solverstate"), here / "out/s_iter_10.caffemodel"]:
        path.unlink()
    record = here / "out/s_run_001/files.json"
    record.write_text(record.read_text().replace('iter_5.caffemodel": "whole"', f'iter_5.caffemodel": "{status}"'))
    if not starts:
        with pytest.raises(UserError, match="snapshots of an earlier run"):
            run_training.train(helpers.options())
        return
    assert run_training.train(helpers.options()) == 0
    assert (here / "out/s_iter_10.caffemodel").read_bytes() == whole


def test_a_snapshot_that_was_going_goes(here):
    helpers.make(here, snapshot="5", max_iter="10")
    run_training.train(helpers.options())
    record = here / "out/s_run_001/files.json"
    record.write_text(record.read_text().replace('iter_5.caffemodel": "whole"', 'iter_5.caffemodel": "going"'))
    (here / "out/s_iter_5.solverstate").unlink()
    run_training.train(helpers.options(resume=True))
    assert {path.name for path in (here / "out").glob("*.caffemodel")} == {"s_iter_10.caffemodel"}
    assert snapshot.newest_complete(here / "out" / "s") is not None
