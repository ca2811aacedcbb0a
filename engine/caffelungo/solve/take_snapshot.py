"""A snapshot of a training as it is now: refused when it is not finite, written whole, logged as Caffe does.

Caffe: Solver::Snapshot, SGDSolver::SnapshotSolverState.
"""

from __future__ import annotations

from pathlib import Path

import torch

from caffelungo.solve import nets, nonfinite, resume_state, snapshot
from caffelungo.solve.training import Training


def take_snapshot(training: Training) -> snapshot.Snapshot:
    """Write weights and state; RunError when they are not finite or cannot be written."""
    _refuse_non_finite(training)
    hdf5 = training.form is snapshot.FORMS["h5"]

    def log(what: str, path: Path) -> None:
        kind = "HDF5" if hdf5 else "binary proto"
        if what == "weights":
            line = "solver.cpp:474" if hdf5 else "solver.cpp:464"
            training.log.info(line, f"Snapshotting to {kind} file {path}")
        else:
            line = "sgd_solver.cpp:296" if hdf5 else "sgd_solver.cpp:284"
            training.log.info(line, f"Snapshotting solver state to {kind} file {path}")

    kept = snapshot.write(
        training.prefix, training.iteration, training.form, training.weights(), resume_state.of(training),
        nets.filtered(training.opened), nets.shared_blobs(training.plan), log, training.ledger,
    )  # fmt: skip
    training.written = training.iteration
    return kept


def _refuse_non_finite(training: Training) -> None:
    """RunError where a weight or a history is not finite; the original saves them."""
    if training.engine.caffe:
        return
    with torch.no_grad():
        tensors = [*training.store.tensors.values(), *training.update.history]
        largest = torch.stack([t.float() for t in torch._foreach_norm(tensors, float("inf"))])
        good = bool(torch.isfinite(largest).all())
    if not good:
        left = snapshot.listed(training.prefix)
        raise nonfinite.in_weights(training, left[-1].state if left else None)
