"""A net's file -> its definition, or everything that is wrong with it: what cannot be read, and what of the rest is no
net. Whoever reads a net that a person wrote reads it here; ``definition.reader`` alone knows no layers."""

from __future__ import annotations

from pathlib import Path

from caffelungo.definition import reader
from caffelungo.definition.definition import Definition
from caffelungo.definition.partial import Rest, UnreadableError
from caffelungo.definition.reader import Variables
from caffelungo.errors import Problem, UserError, key_of
from caffelungo.plan import misread_layers, states
from caffelungo.plan.build_plan import build_plan


def read_net(path: str | Path, variables: Variables | None = None) -> Definition:
    """As ``definition.reader.read_net``; a mistake in the text does not hide those of the layers."""
    try:
        return reader.read_net(path, variables)
    except UnreadableError as error:
        raise UserError([*error.problems, *problems_of(error.rest, error.problems)]) from None


def problems_of(rest: Rest | None, reported: list[Problem]) -> list[Problem]:
    """What is wrong with the net in ``rest`` in the states that it is made for, besides what is ``reported``."""
    if rest is None:
        return []
    found: list[Problem] = []
    try:
        judged = states.worth(states.judged(rest.definition))
    except UserError as error:
        return error.problems
    for one in judged:
        net = one.definition
        build_plan(net.message, one.state, where=net.where, problems=found, doubt=misread_layers.of(net, rest))
    seen = {key_of(problem) for problem in reported}
    first = {key_of(problem): problem for problem in reversed(found)}
    return [one for key, one in reversed(first.items()) if key not in seen]
