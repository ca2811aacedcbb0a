"""A training that begins without weights although all about it says that some were meant. No torch."""

from __future__ import annotations

import re
import statistics

from caffelungo import shell
from caffelungo.definition import catalogue
from caffelungo.definition.definition import Definition
from caffelungo.definition.reader import read_net, read_solver
from caffelungo.errors import LungoError
from caffelungo.plan.plan import Plan
from caffelungo.wording import counted

FINE_TUNING = 1e-3
"""A base_lr up to this is one for fine-tuning, unless the net's own training from scratch has it."""
FASTER = 10.0
"""How much faster than the others a fresh classifier learns in nets that are made for fine-tuning."""
SLACK = 0.999
"""What float32 may take from a number that a file states."""
ALIKE = 0.7
"""Share of the layers of two nets, by name, that both must have to be one net."""

# A command, or the further line of one: prose may speak of --weights, too.
_COMMENT = re.compile(
    r"^[ \t]*#(?:.*?\b(?:lungo|caffe|train)\s.*?)?[ \t]+--?weights[ =]+('[^']*'|\"[^\"]*\"|[^\s#]+)", re.MULTILINE
)


def notice(solver: Definition, plan: Plan) -> str | None:
    """What to say when the train net ``plan`` is to start without weights; None where nothing speaks for any."""
    named = in_comment(solver)
    why = f"a comment of the solver names some (--weights {shell.word(named)})" if named else None
    why = why or _held(plan) or _rates(plan) or _known_net(solver.message.base_lr, plan)
    if why is None:
        return None
    return f"no weights are named, so every layer starts from its filler, but {why}: is --weights FILE missing?"


def in_comment(solver: Definition) -> str | None:
    """The weights that a comment of ``solver`` names, as in "# lungo train ... --weights FILE"; None without any."""
    found = _COMMENT.search(solver.text)
    return None if found is None or found[1] == "none" else found[1].strip("'\"")


def _multipliers(plan: Plan) -> list[float]:
    """lr_mult of the weights of each layer that has any."""
    return [
        use.lr_mult for planned in plan.layers for use in planned.params[:1] if use.owner and use.spec.name == "weight"
    ]


def _held(plan: Plan) -> str | None:
    rates = _multipliers(plan)
    held = sum(rate == 0 for rate in rates)
    # With every rate at 0 nothing is learned at all, which is reported as such.
    if not held or held == len(rates):
        return None
    return f"{held} of {counted(len(rates), 'layer')} are frozen (lr_mult: 0)"


def _rates(plan: Plan) -> str | None:
    rates = _multipliers(plan)
    most = statistics.median(rates) if len(rates) > 2 else 0.0
    times = max(rates) / most if most else 0.0
    if times < FASTER * SLACK:
        return None
    return f"the net is made for fine-tuning: some layers learn {times:.3g} times as fast as most"


def _known_net(base_lr: float, plan: Plan) -> str | None:
    if not 0 < base_lr <= FINE_TUNING / SLACK:
        return None
    mine = {planned.name for planned in plan.layers}
    best, found = ALIKE, None
    for name in catalogue.names():
        net = catalogue.find(name)
        try:
            theirs = {layer.name for layer in read_net(net.train_val, dict(net.variables) or None).message.layer}
        except LungoError:
            continue
        if (alike := len(mine & theirs) / len(mine | theirs)) > best:
            best, found = alike, net
    if found is None:
        return None
    rate = read_solver(found.solver, found.solver_variables or None).message.base_lr
    if base_lr > rate / FASTER / SLACK:
        return None
    return (
        f"base_lr {base_lr:g} is usual for fine-tuning: {found.name}, which this net resembles, is trained at {rate:g}"
    )
