"""The position of a training, to and from a solverstate: Caffe's fields, and what an exact resume needs besides.

Caffe: SGDSolver::SnapshotSolverState, Solver::Restore.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from caffelungo import files
from caffelungo.definition.schema import message_class
from caffelungo.errors import Location, Problem, UserError
from caffelungo.layers.base import shape_text
from caffelungo.plan.plan import ParamKey
from caffelungo.solve import class_counts, resume_changes
from caffelungo.solve.average_loss import SmoothedLoss
from caffelungo.solve.snapshot import names
from caffelungo.solve.training import Training
from caffelungo.solve.weight_average import averaged
from caffelungo.weights import copy_table, formats, match_layers, solverstate
from caffelungo.weights.solverstate import SolverState


def of(training: Training) -> SolverState:
    """The state of ``training`` as it is now; what it refers to besides is written."""
    tensors = [*training.update.history, *(training.average.last() if training.average is not None else ())]
    history = [tensor.detach().float().cpu().contiguous().numpy() for tensor in tensors]
    extras = message_class("lungo.StateExtras")(
        seed=training.seed,
        solver_type=training.param.type,
        train_batches=training.batches,
        recent_loss=[float(loss) for loss in training.smoothed.losses],
        smoothed_loss=float(training.smoothed.value),
        smoothing_start=training.smoothed.start,
        test_batches=[test.position for test in training.tests],
        batch_size=training.opened.batch_size,
    )
    resume_changes.record(extras, *_definitions(training))
    watch = training.watch
    if watch is not None and watch.best is not None:
        extras.best_value, extras.best_iter, extras.tests_since_best = watch.best, watch.iteration, watch.since
    if training.near_start is not None:
        training.near_start.save(training.prefix, extras, training.ledger)
    if training.average is not None:
        extras.averaged_iterations = training.average.iterations
    for name, value in training.engine.settings().items():
        extras.setting.add(name=name, value=value)
    return SolverState(training.iteration, "", training.schedule.current_step, history, extras)


def _definitions(training: Training) -> tuple[Any, Any, list[Any]]:
    """The messages of the solver, its train net and its test nets."""
    return training.param, training.opened.text.message, [test.opened.text.message for test in training.tests]


def seed_in(path: Path) -> int | None:
    """The seed of the run that wrote ``path``; None in a state of the original Caffe."""
    extras = solverstate.read(path).extras
    return int(extras.seed) if extras is not None and extras.HasField("seed") else None


def restore(training: Training, path: Path) -> list[str]:
    """Bring ``training`` to where ``path`` says; returns what a person should know. UserError when it does not fit."""
    state = solverstate.read(path)
    extras = state.extras
    last = _last_weights(training, state)
    problems = _problems(training, state, path)
    model = _learned_net(state, path)
    table = match_layers.match(training.plan, formats.read(model), (), training.opened.text.where)
    missing = table.layers(copy_table.NEW)
    if missing:
        problems.append(
            Problem(
                "the snapshot's weights lack layers of the net",
                Location(str(model)),
                ", ".join(missing),
                "resume with the net that was trained, or add --reset-state to start anew from these weights",
            )
        )
    if problems or table.problems:
        raise UserError([*problems, *table.problems])
    if training.near_start is not None:
        training.near_start.resume(extras, path)
    training.store.load(table.arrays)
    if training.average is not None:
        training.average.restart(int(extras.averaged_iterations) if last else 0)
    training.store.load(last)
    for tensor, array in zip(training.update.history, state.history, strict=True):
        with torch.no_grad():
            tensor.copy_(torch.from_numpy(np.ascontiguousarray(array)).reshape(tensor.shape))
    training.iteration = state.iter
    training.schedule.current_step = state.current_step
    training.smoothed = SmoothedLoss(training.param.average_loss, state.iter)
    training.batches = 0
    notes = []
    if extras is None:
        notes.append("a state of the original Caffe: the data starts again at its beginning, as Caffe does")
    elif not training.engine.caffe:
        notes = _continue(training, extras)
    training.batch_offset = training.batches - training.iteration * training.param.iter_size
    if path.absolute() == names(training.prefix, state.iter, training.form)[1].absolute():
        training.written = state.iter
    training.log.info("sgd_solver.cpp:336", "SGDSolver: restoring history")
    return notes


def _continue(training: Training, extras: Any) -> list[str]:
    """Positions and rings of our own state; what is different from then."""
    batch, before = training.opened.batch_size, int(extras.batch_size) or training.opened.batch_size
    training.batches = extras.train_batches * before // batch
    if len(extras.recent_loss) <= training.param.average_loss:
        training.smoothed = SmoothedLoss(
            training.param.average_loss, extras.smoothing_start, extras.recent_loss, extras.smoothed_loss
        )
    for test, position in zip(training.tests, extras.test_batches, strict=False):
        test.position = position
    if training.watch is not None and extras.HasField("best_value"):
        training.watch.best, training.watch.iteration = extras.best_value, extras.best_iter
        training.watch.since = extras.tests_since_best
    now = training.engine.settings()
    then = {setting.name: setting.value for setting in extras.setting}
    notes = class_counts.resume(training.opened, [test.opened for test in training.tests], extras.net)
    notes += resume_changes.differences(extras, *_definitions(training))
    if extras.train_batches * before % batch:
        notes.append("the data continues within a batch of the old size: some samples are used twice")
    notes += [
        f"{name} is {now[name]}, was {then[name]}: losses may differ in their last digits from the unbroken run"
        for name in now
        if name in then and then[name] != now[name]
    ]
    if extras.start_file and training.near_start is None:
        notes.append("the run was held near its start by l2_sp or delta, which the solver no longer has")
    if extras.HasField("averaged_iterations") and training.average is None:
        notes.append(
            "the run averaged its weights (ema_decay), which the solver no longer does: it continues from the last"
        )
    if training.average is not None and not extras.HasField("averaged_iterations"):
        notes.append("the average of the weights (ema_decay) begins here: the run did not average them before")
    if extras.HasField("seed") and extras.seed != training.seed:
        notes.append(
            f"the seed is {training.seed}, was {extras.seed}: the order of data and the dropout differ from here on"
        )
    return notes


def _last_weights(training: Training, state: SolverState) -> dict[ParamKey, np.ndarray]:
    """Take the weights themselves out of the history of ``state``, where the snapshot's weights are their average."""
    if state.extras is None or not state.extras.HasField("averaged_iterations"):
        return {}
    keys = averaged(training.plan)
    count = len(state.history) - len(keys)
    if count < 0:
        return {}  # of another net, which is reported by the length of the history
    last = dict(zip(keys, state.history[count:], strict=True))
    del state.history[count:]
    shapes = {key: training.store.tensors[key].shape for key in keys}
    return {key: array for key, array in last.items() if tuple(shapes[key]) == array.shape}


def _problems(training: Training, state: SolverState, path: Path) -> list[Problem]:
    place = Location(str(path))
    written = state.extras.solver_type if state.extras is not None else ""
    problems = []
    if written and written != training.param.type:
        problems.append(
            Problem(
                "the state was written by another solver type",
                place,
                f'{written}, now type: "{training.param.type}"',
                f'write type: "{written}", or add --reset-state to start anew from the weights',
            )
        )
    wanted = [tuple(tensor.shape) for tensor in training.update.history]
    got = [tuple(array.shape) for array in state.history]
    if len(wanted) != len(got):
        problems.append(
            Problem(
                "incorrect length of history blobs: the state belongs to another net or solver type",
                place,
                f"{len(got)}, where {training.param.type} on this net has {len(wanted)}",
                "resume with the solver and net that wrote it, or add --reset-state to start anew from the weights",
            )
        )
        return problems
    keys: list[ParamKey] = list(training.plan.params) * max(1, training.update.histories)
    for key, want, have in zip(keys, wanted, got, strict=True):
        if want != have and not _same_legacy(want, have):
            problems.append(
                Problem(
                    f"the history of blob {key[1]} of layer `{key[0]}` has another shape",
                    place,
                    f"{shape_text(have)}, where the net has {shape_text(want)}",
                    "resume with the net that was trained, or add --reset-state to start anew from the weights",
                )
            )
    return problems


def _same_legacy(want: tuple[int, ...], have: tuple[int, ...]) -> bool:
    """Whether ``have`` is ``want`` with leading axes of 1, as old Caffe wrote every blob with four axes."""
    return len(have) == 4 and have == (1,) * (4 - len(want)) + want


def weights_of_state(path: Path) -> Path:
    """The weights of the snapshot whose state is ``path``."""
    return _learned_net(solverstate.read(path), path)


def _learned_net(state: SolverState, path: Path) -> Path:
    """The weights of ``state``: the path as written, or the file of that name beside the state."""
    if not state.learned_net:
        raise UserError(
            "the state names no weights",
            where=Location(str(path)),
            remedy="start anew from a .caffemodel with --weights",
        )
    beside = path.parent / Path(state.learned_net).name
    return beside if beside.exists() else files.find(state.learned_net, path, what="weights of the snapshot")
