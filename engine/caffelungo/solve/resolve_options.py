"""What `lungo train` was asked for: the solver with its flags, where it goes on from, and the device."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from caffelungo import files, resources
from caffelungo.definition import solver_settings
from caffelungo.definition.definition import Definition
from caffelungo.definition.template import meant_for
from caffelungo.errors import UserError, did_you_mean
from caffelungo.report.console import Reporter
from caffelungo.solve import snapshot
from caffelungo.solve.engine import cuda_devices
from caffelungo.solve.options import TrainOptions
from caffelungo.solve.rate_policy import policies
from caffelungo.solve.read_solver import read_solver

CAFFES_POLICIES = ("fixed", "step", "exp", "inv", "multistep", "poly", "sigmoid")
"""The learning rate policies of the original. Caffe: SGDSolver::GetLearningRate."""


def definition_of(options: TrainOptions) -> Definition:
    """The solver with what --set-solver says; UserError for what does not go together."""
    if not options.solver:
        raise UserError("need a solver file to train", remedy="lungo train --solver FILE")
    if options.reset_state and not (options.snapshot or options.resume):
        raise UserError("--reset-state takes the weights of a snapshot, and none is named", received="--reset-state",
                        remedy="add --resume for the newest, or name a state with --snapshot")  # fmt: skip
    given = [name for name in ("weights", "snapshot", "resume") if getattr(options, name)]
    if len(given) > 1:
        raise UserError(
            "give a snapshot to resume training or weights to fine-tune, but not both",
            received=" and ".join(f"--{name}" for name in given),
            remedy="a snapshot has its own weights: remove --weights",
        )
    name = _card(str(options.solver))
    solver = files.find(name, what="solver")
    return solver_settings.with_settings(
        read_solver(name, meant_for(solver, options.variables) or None), options.set_solver
    )


def _card(name: str) -> str:
    """``name``, or the card of that name that comes with the program, where there is no such file."""
    card = resources.folder("solvers") / name
    return str(card) if Path(name).name == name and not Path(name).exists() and card.is_file() else name


def with_flags(definition: Definition, options: TrainOptions) -> None:
    """Flags that replace what the file's ``lungo`` block says go into the message, and so into the run's record."""
    for name in ("keep_last", "keep_best", "early_stop", "watch"):
        value = getattr(options, name)
        if value is not None:
            setattr(definition.message.lungo, name, value)
    extras = definition.message.lungo
    if options.weights_format:
        kind = type(extras).DESCRIPTOR.fields_by_name["weights_format"].enum_type
        if options.weights_format not in snapshot.FORMS:
            near = did_you_mean(options.weights_format, snapshot.FORMS)
            remedy = f"did you mean {near}?" if near else f"use one of: {', '.join(snapshot.FORMS)}"
            received = f"--weights-format {options.weights_format}"
            raise UserError("no such format of weights", received=received, remedy=remedy)
        extras.weights_format = kind.values_by_name[options.weights_format.upper()].number
    if options.caffe and extras.ByteSize():
        raise UserError(
            "--caffe turns off everything that the original Caffe does not have",
            where=definition.where("lungo"),
            received="lungo { ... } in the solver, or a flag that sets a field of it",
            remedy="remove the block, or remove --caffe",
        )
    policy = definition.message.lr_policy
    if options.caffe and policy in policies() and policy not in CAFFES_POLICIES:
        raise UserError(
            f'the original Caffe has no lr_policy "{policy}", and --caffe does what it does',
            where=definition.where("lr_policy"),
            received=f'lr_policy: "{policy}"',
            remedy=f"write one of {', '.join(CAFFES_POLICIES)}, or remove --caffe",
        )


def start_of(options: TrainOptions, prefix: Path, reporter: Reporter) -> Path | None:
    """The solverstate to go on from."""
    if options.snapshot:
        return Path(options.snapshot)
    if not options.resume:
        return None
    newest = snapshot.newest_complete(prefix, reporter.notice)
    if newest is None:
        raise UserError(
            "there is no complete snapshot to resume",
            received=f"--resume with snapshot prefix {prefix}",
            remedy="remove --resume to start from the beginning, or name a solverstate with --snapshot",
        )
    return newest.state


def iteration_of(start: Path | None) -> int | None:
    """The iteration of the state ``start``."""
    from caffelungo.weights import solverstate

    return None if start is None else solverstate.read(start).iter


def device_of(options: TrainOptions, param: Any) -> str:
    """``options.device``, or what the solver file says (solver_mode, device_id) where the options leave it open."""
    if options.device != "auto" or options.gpu not in (None, "") or not param.HasField("solver_mode"):
        return options.device
    if param.solver_mode == 0:
        return "cpu"
    return f"cuda:{param.device_id}" if param.device_id and cuda_devices() else "auto"
