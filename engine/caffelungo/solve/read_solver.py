"""A solver's file -> its definition, or everything that is wrong with it: what cannot be read, and what of the rest is
no solver. No torch."""

from __future__ import annotations

from pathlib import Path

from caffelungo.definition import reader
from caffelungo.definition.definition import Definition
from caffelungo.definition.faults import Harm
from caffelungo.definition.partial import Rest, UnreadableError
from caffelungo.definition.reader import Variables
from caffelungo.errors import Problem, UserError
from caffelungo.solve.validate import solver_problems


def read_solver(path: str | Path, variables: Variables | None = None) -> Definition:
    """As ``definition.reader.read_solver``; a mistake in the text does not hide those of the solver."""
    try:
        return reader.read_solver(path, variables)
    except UnreadableError as error:
        reported = {(problem.where, problem.received) for problem in error.problems}
        more = [one for one in problems_of(error.rest) if (one.where, one.received) not in reported]
        raise UserError([*error.problems, *more]) from None


def problems_of(rest: Rest | None) -> list[Problem]:
    """What is wrong with the solver in ``rest``; where fields of Caffe's may lack, nothing is said to lack."""
    if rest is None:
        return []
    definition = rest.definition
    whole = not any(fault.harm is Harm.FIELD for fault in rest.faults)
    return solver_problems(definition.message, definition.where, whole=whole)
