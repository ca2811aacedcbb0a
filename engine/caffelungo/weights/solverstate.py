"""`.solverstate` and `.solverstate.h5`: the position of a training.

Caffe: SGDSolver::SnapshotSolverStateToBinaryProto, ...ToHDF5, Restore... . What an exact resume needs besides is in
``extras`` (lungo.StateExtras): field 20160 of the message, an attribute of the HDF5 file.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from caffelungo.definition import schema
from caffelungo.definition.schema import SolverState as SolverStateMessage
from caffelungo.weights import caffemodel, hdf5_file, sniff, wire
from caffelungo.weights.weights import Array

MAX_ITER = 2**31 - 1
MAX_PATH = 2**16


@dataclass
class SolverState:
    """Iteration, path of the weights as written, position among the rate's steps, and the update rule's history.

    ``history`` has one array a learnable parameter blob in the plan's order (two rounds of it for AdaDelta and Adam).
    """

    iter: int = 0
    learned_net: str = ""
    current_step: int = 0
    history: list[Array] = field(default_factory=list)
    extras: Any = None


def read(path: str | Path) -> SolverState:
    """The solver state in ``path``; UserError when it is damaged or another kind of file (a .caffemodel, say)."""
    container = sniff.container(path)
    if container == sniff.HDF5:
        return _read_hdf5(path)
    if container == sniff.SAFETENSORS:
        raise sniff.wrong_kind(path, sniff.WEIGHTS, sniff.STATE)
    if container == sniff.NUMPY:
        raise sniff.wrong_kind(path, sniff.MEAN, sniff.STATE)
    message, arrays = caffemodel.parse(path, sniff.STATE, SolverStateMessage, wire.STATE)
    if not message.HasField("iter"):
        raise caffemodel.damaged(path, Path(path).stat().st_size, ValueError("no iteration number"))
    history = [arrays[blob.num] for blob in message.history]
    extras = schema.from_bytes("lungo.StateExtras", message.lungo.SerializeToString())
    return SolverState(
        message.iter,
        message.learned_net,
        message.current_step,
        history,
        extras if message.HasField("lungo") else None,
    )


def write(path: str | Path, state: SolverState) -> None:
    """Write ``state`` to ``path``, as HDF5 when it ends in `.h5`, whole or not at all."""
    if str(path).endswith((".h5", ".hdf5")):
        _write_hdf5(path, state)
        return
    head = SolverStateMessage(iter=state.iter, learned_net=state.learned_net, current_step=state.current_step)
    pieces: list[bytes | memoryview] = [head.SerializeToString()]
    for array in state.history:
        pieces += wire.encode_bytes(3, *wire.encode_blob(array))
    if state.extras is not None:
        pieces += wire.encode_bytes(20160, state.extras.SerializeToString())
    caffemodel.save(path, pieces)


def _read_hdf5(path: str | Path) -> SolverState:
    with hdf5_file.opened(path) as reader:
        found = hdf5_file.file_kind(reader)
        if found == sniff.WEIGHTS:
            raise sniff.wrong_kind(path, sniff.WEIGHTS, sniff.STATE)
        if found is None:
            raise reader.problem(
                "the HDF5 file has no dataset /iter, so it is no solver state",
                f"at its root: {', '.join(list(reader.file)[:5]) or 'nothing'}",
                "give a .solverstate.h5 that a training wrote",
            )
        state = SolverState(iter=_number(reader, "iter"), extras=reader.extras("lungo.StateExtras"))
        if "current_step" in reader.file:
            state.current_step = _number(reader, "current_step")
        if "learned_net" in reader.file:
            state.learned_net = _string(reader, "learned_net")
        group = reader.member(reader.file, "history") if "history" in reader.file else None
        if not isinstance(group, h5py.Group):
            raise reader.problem("the solver state has no group /history", remedy="copy the file again")
        blobs = reader.numbered(group)
        if sorted(blobs) != list(range(len(blobs))):
            raise reader.problem("blobs of /history are missing", ", ".join(map(str, sorted(blobs)[:10])))
        state.history = [blobs[index] for index in range(len(blobs))]
    return state


def _number(reader: hdf5_file.Reader, name: str) -> int:
    dataset = reader.member(reader.file, name)
    if isinstance(dataset, h5py.Dataset) and dataset.size == 1:
        value = int(reader.array(dataset).reshape(-1)[0])
        if 0 <= value <= MAX_ITER:
            return value
    raise reader.problem(f"/{name} is not one number from 0 to {MAX_ITER}")


def _string(reader: hdf5_file.Reader, name: str) -> str:
    dataset = reader.member(reader.file, name)
    one = isinstance(dataset, h5py.Dataset) and dataset.size == 1
    if one and dataset.dtype.kind == "S" and dataset.dtype.itemsize < MAX_PATH:
        return bytes(np.asarray(dataset[()]).reshape(-1)[0]).decode("utf-8", "backslashreplace")
    raise reader.problem(f"/{name} is not one string of a fixed length")


def _write_hdf5(path: str | Path, state: SolverState) -> None:
    with hdf5_file.created(path) as file:
        for name, value in (("iter", state.iter), ("current_step", state.current_step)):
            file.create_dataset(name, data=np.array([value], np.int32))
        _put_string(file, "learned_net", state.learned_net)
        group = file.create_group("history")
        for index, array in enumerate(state.history):
            group.create_dataset(str(index), data=np.asarray(array, np.float32))
        if state.extras is not None:
            hdf5_file.put_extras(file, state.extras)


def _put_string(file: h5py.File, name: str, text: str) -> None:
    """A string with its closing zero inside, which is how Caffe's reader takes it."""
    content = text.encode() + b"\0"
    kind = h5py.h5t.C_S1.copy()
    kind.set_size(len(content))
    kind.set_strpad(h5py.h5t.STR_NULLTERM)
    dataset = h5py.h5d.create(file.id, name.encode(), kind, h5py.h5s.create(h5py.h5s.SCALAR))
    dataset.write(h5py.h5s.ALL, h5py.h5s.ALL, np.array(content, f"S{len(content)}"), kind)
