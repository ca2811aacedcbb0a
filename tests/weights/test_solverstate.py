"""Solver states: the original's are read, ours carry the same fields, and other files are told apart."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from caffelungo.definition.schema import SolverState as Message
from caffelungo.definition.schema import message_class
from caffelungo.errors import UserError
from caffelungo.weights import formats, solverstate
from caffelungo.weights.solverstate import SolverState
from tests.support import SHARED, needs_shared, shared
from tests.weights.samples import blobs, small, survives

STATES = sorted(file for file in SHARED.rglob("*.solverstate*") if file.is_file()) if SHARED else []


def assert_same(a: SolverState, b: SolverState) -> None:
    assert (a.iter, a.learned_net, a.current_step, a.extras) == (b.iter, b.learned_net, b.current_step, b.extras)
    assert [x.shape for x in a.history] == [x.shape for x in b.history]
    assert all(x.tobytes() == y.tobytes() for x, y in zip(a.history, b.history, strict=True))


@needs_shared
@pytest.mark.parametrize("path", STATES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_the_originals_states_are_read_and_written_alike(path, tmp_path):
    state = solverstate.read(path)
    assert f"_iter_{state.iter}." in path.name
    assert state.learned_net
    assert state.extras is None
    for name in ("x.solverstate", "x.solverstate.h5"):
        solverstate.write(tmp_path / name, state)
        assert_same(solverstate.read(tmp_path / name), state)
    if path.suffix != ".h5":
        original = Message.FromString(path.read_bytes())
        ours = Message.FromString((tmp_path / "x.solverstate").read_bytes())
        assert original.HasField("current_step") or not ours.current_step
        original.current_step = original.current_step
        for blob in original.history:
            if blob.HasField("num"):
                blob.shape.dim.extend([blob.num, blob.channels, blob.height, blob.width])
                for field in ("num", "channels", "height", "width"):
                    blob.ClearField(field)
        assert ours == original


@needs_shared
def test_the_hdf5_layout_is_the_originals(tmp_path):
    original = shared("reference/caffe/train/adam_plain/snap_iter_30.solverstate.h5")
    solverstate.write(tmp_path / "x.solverstate.h5", solverstate.read(original))
    with h5py.File(original) as theirs, h5py.File(tmp_path / "x.solverstate.h5") as ours:
        assert sorted(theirs) == sorted(ours)
        for name in ("iter", "current_step", "learned_net"):
            assert theirs[name].dtype == ours[name].dtype
            assert theirs[name].shape == ours[name].shape
            assert theirs[name][()] == ours[name][()]
            assert theirs[name].id.get_type().get_size() == ours[name].id.get_type().get_size()
        assert sorted(theirs["history"]) == sorted(ours["history"])


@given(
    st.integers(0, 2**31 - 1),
    st.text("ab/_.ü", max_size=20),
    st.integers(0, 100),
    st.lists(blobs, max_size=4),
    st.booleans(),
    st.sampled_from(["x.solverstate", "x.solverstate.h5"]),
)
def test_what_is_written_is_read_back(tmp_path_factory, iteration, learned, step, history, more, name):
    path = tmp_path_factory.getbasetemp() / name
    extras = message_class("lungo.StateExtras")(seed=7, recent_loss=[0.5, 0.25]) if more else None
    state = SolverState(iteration, learned, step, history, extras)
    solverstate.write(path, state)
    assert_same(solverstate.read(path), state)


@pytest.mark.parametrize("name", ["x.solverstate", "x.solverstate.h5"])
def test_a_weights_file_is_told_with_the_state_beside_it(tmp_path, name):
    weights = tmp_path / name.replace("solverstate", "caffemodel")
    formats.write(weights, small())
    with pytest.raises(UserError) as error:
        solverstate.read(weights)
    assert "this is a weights file, not a solver state" in str(error.value)
    assert "found next to it" not in str(error.value)
    solverstate.write(tmp_path / name, SolverState(3, "x"))
    with pytest.raises(UserError) as error:
        solverstate.read(weights)
    message = str(error.value)
    assert "to resume, use its .solverstate; to start from these weights, pass it to --weights" in message
    assert f"(found next to it: {tmp_path / name})" in message


@pytest.mark.parametrize("name", ["x.solverstate", "x.solverstate.h5"])
def test_a_state_is_told_where_weights_are_wanted(tmp_path, name):
    state = tmp_path / name
    solverstate.write(state, SolverState(3, "x.caffemodel", 0, [np.ones(2, np.float32)]))
    weights = tmp_path / "x.caffemodel"
    formats.write(weights, small())
    with pytest.raises(UserError) as error:
        formats.read(state)
    assert "this is a solver state, not a weights file" in str(error.value)
    assert f"(found next to it: {weights})" in str(error.value)


def test_safetensors_and_means_are_no_states(tmp_path):
    formats.write(tmp_path / "x.safetensors", small())
    np.save(tmp_path / "m.npy", np.ones((3, 2, 2), np.float32))
    for name in ("x.safetensors", "m.npy"):
        with pytest.raises(UserError, match="not a solver state"):
            solverstate.read(tmp_path / name)


@pytest.mark.parametrize("cuts", [150])
def test_damaged_files_are_told(tmp_path, cuts):
    path = tmp_path / "x.solverstate"
    solverstate.write(path, SolverState(3, "x.caffemodel", 1, [np.ones((3, 2), np.float32)] * 3))
    assert survives(path, solverstate.read, cuts=cuts) > 80
    path = tmp_path / "x.solverstate.h5"
    solverstate.write(path, SolverState(3, "x.caffemodel", 1, [np.ones((3, 2), np.float32)] * 3))
    assert survives(path, solverstate.read, flips=0, cuts=cuts) >= 150


def without_history(file):
    del file["history"]


def with_a_gap(file):
    del file["history/0"]


def with_a_wrong_number(file):
    del file["iter"]
    file["iter"] = np.array([-4], np.int32)


def with_a_list_for_a_name(file):
    del file["learned_net"]
    file["learned_net"] = np.ones(3)


def with_another_root(file):
    del file["iter"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without_history, "no group /history"),
        (with_a_gap, "blobs of /history are missing"),
        (with_a_wrong_number, "/iter is not one number"),
        (with_a_list_for_a_name, "/learned_net is not one string"),
        (with_another_root, "no dataset /iter"),
    ],
)
def test_an_incomplete_hdf5_state_is_told(tmp_path, change, message):
    path = tmp_path / "x.solverstate.h5"
    solverstate.write(path, SolverState(3, "x", 1, [np.ones(2, np.float32)] * 2))
    with h5py.File(path, "a") as file:
        change(file)
    with pytest.raises(UserError, match=message):
        solverstate.read(path)
