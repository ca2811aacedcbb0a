"""Blobs of a net by the names that a user gives: which there are, and what is wrong with the others. No torch."""

from __future__ import annotations

from collections.abc import Sequence

from caffelungo.definition.schema import PHASE_NAMES, TEST
from caffelungo.errors import Location, Problem, UserError, did_you_mean
from caffelungo.layers.base import shape_text
from caffelungo.passes.view import View
from caffelungo.plan.plan import Plan
from caffelungo.wording import counted


def find_blobs(view: View, words: Sequence[str]) -> list[str]:
    """``words`` as blobs of the net in phase TEST; UserError with every word that is none, and the nearest name."""
    plan = (view.graphs.get(TEST) or view.graph).plan
    known_blobs(plan, words, Location(str(view.definition.path)))
    return list(words)


def known_blobs(plan: Plan, blobs: Sequence[str], where: Location | None) -> list[int]:
    """The last value of each of ``blobs``: a blob is what its in-place neurons leave of it.

    UserError with every blob that there is none of, that is named twice, or that holds no row for each picture.
    """
    phase, shapes, batch = PHASE_NAMES[plan.phase], plan.blobs, _batch(plan)
    problems = []
    for position, blob in enumerate(blobs):
        if blob in blobs[:position]:
            problems.append(Problem(f"blob `{blob}` is listed twice", where, ", ".join(blobs), "list it once"))
        elif blob not in shapes:
            near = did_you_mean(blob, shapes)
            last = ", ".join(list(shapes)[-8:])
            problems.append(
                Problem(f"the net has no blob `{blob}` in phase {phase}", where, blob,
                        f"did you mean `{near}`?" if near else f"the last of {counted(len(shapes), 'blob')}: {last}")
            )  # fmt: skip
        elif (shape := shapes[blob]) is not None and (not shape or shape[0] != batch):
            problems.append(
                Problem(f"blob `{blob}` does not have one row per picture", where,
                        f"shape {shape_text(shape)} for a batch of {batch}",
                        "name a blob whose first axis is the batch")
            )  # fmt: skip
    if not blobs:
        problems.append(Problem("no blob is named", where, "an empty list", "name at least one blob of the net"))
    if problems:
        raise UserError(problems)
    return [plan.value_of(blob) for blob in blobs]


def _batch(plan: Plan) -> int | None:
    for planned in plan.sources:
        if planned.top_shapes and planned.top_shapes[0]:
            return planned.top_shapes[0][0]
    return None
