"""What to run after a rewrite: training of the new net, and verification against the old one. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from caffelungo import files
from caffelungo.definition.reader import Definition, read_solver
from caffelungo.definition.schema import TRAIN
from caffelungo.errors import UserError
from caffelungo.plan import states
from caffelungo.plan.build_plan import build_plan
from caffelungo.rewriting.rewrite import SOLVER, Rewritten


def training(done: Rewritten) -> list[str]:
    """The words of the command that trains the new net; none where it cannot learn, or its solver is not known.

    It takes the solver that was written with the new net, else the one beside the old net that names that one, with
    the new net in its place.
    """
    if not _learns(done.after):
        return []
    own = next((path for path in done.written if path.name.endswith(SOLVER)), None)
    if own is not None:
        named = bool(read_solver(own).message.weights)
        return ["lungo", "train", "--solver", str(own), *([] if named else _weights(done))]
    solver = _solver_of(done.before)
    if solver is None:
        return []
    net = done.written[0]
    changes = ["--set-solver", f"net={net}", "--set-solver", f"snapshot_prefix={net.with_suffix('')}"]
    return ["lungo", "train", "--solver", str(solver), *changes, *_weights(done)]


def verifying(done: Rewritten, net: str | None, given: Mapping[str, Sequence[str]]) -> list[str]:
    """The words of the command that runs both nets and says what of the old one is kept.

    ``net`` is the old one as it was named, ``given`` the options by which it is read; a recipe's own are left out.
    """
    words = ["lungo", "verify", net or str(done.before.path), str(done.written[0])]
    words += _weights(done, moved=False)
    if moved := _moved(done):
        words += ["--after-weights", moved]
    for flag, values in given.items():
        if flag == "--set":
            values = [value for value in values if value.partition("=")[0] in done.before.variables]
        words += [word for value in values for word in (flag, value)]
    return words


def _weights(done: Rewritten, moved: bool = True) -> list[str]:
    found = (_moved(done) if moved else None) or done.weights
    return ["--weights", found] if found else []


def _moved(done: Rewritten) -> str | None:
    """The weights that were written with the net, where old blobs changed."""
    return next((str(path) for path in done.written if path.suffix == ".caffemodel"), None)


def _learns(net: Definition) -> bool:
    """Whether ``net`` has data and a loss in phase TRAIN."""
    plan = build_plan(net.message, states.state_of(net, TRAIN), problems=[])
    data = [one for one in plan.sources if one.layer.type != "Input"]
    return bool(data) and any(any(one.loss_weights) for one in plan.layers)


def _solver_of(net: Definition) -> Path | None:
    """A solver in the folder of ``net`` that names it in its field ``net``."""
    path = Path(net.path)
    for one in sorted(path.parent.glob("*solver*.prototxt"), key=lambda one: (len(one.name), one.name)):
        try:
            named = read_solver(one).message.net
            if named and files.find(named, one).samefile(path):
                return one
        except (UserError, OSError):
            continue
    return None
