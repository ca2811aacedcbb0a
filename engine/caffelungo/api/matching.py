"""What weights give to the layers of a net: which of them are filled, and what does not fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from caffelungo.errors import UserError
from caffelungo.plan.plan import Plan
from caffelungo.weights.copy_table import COPIED, RESHAPED, SHARED, CopyTable


def refuse(tables: Sequence[CopyTable]) -> None:
    """UserError with everything that does not fit in ``tables``."""
    problems = [problem for table in tables for problem in table.problems]
    if problems:
        raise UserError(list(dict.fromkeys(problems)))


def fresh_layers(plans: Mapping[int, Plan], tables: Sequence[CopyTable]) -> tuple[str, ...]:
    """The layers with parameters that no weights were copied to, in the order of the file."""
    copied = {name for table in tables for name in table.layers(COPIED, RESHAPED, SHARED)}
    names = (planned.name for plan in plans.values() for planned in plan.layers if planned.params)
    return tuple(name for name in dict.fromkeys(names) if name not in copied)


def whole_layers(plan: Plan, table: CopyTable | None) -> frozenset[str]:
    """Keys of the layers of ``plan`` all of whose own blobs are in ``table``, which need no filling."""
    arrays = table.arrays if table is not None else {}
    return frozenset(
        planned.key
        for planned in plan.layers
        if planned.params and all(use.key in arrays for use in planned.params if use.owner)
    )
