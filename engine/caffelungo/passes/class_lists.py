"""Numbers that a loss holds for each class, once the classes are others: weights given by hand, and counts of samples.

before:  loss { class_weights: inverse  class_count: 100  class_count: 25 }
after:   loss { class_weights: inverse }                   the training data are counted anew
"""

from __future__ import annotations

from caffelungo.definition import layer_options
from caffelungo.definition.edits import ClearField
from caffelungo.passes.base import Note
from caffelungo.passes.view import View
from caffelungo.plan.plan import PlannedLayer
from caffelungo.wording import listed


def cleared(view: View, end: PlannedLayer) -> tuple[list[ClearField], list[Note]]:
    """Edits that take the lists of the old classes out of ``end``, and a note that says so; none without any."""
    found = [name for name in end.layer.class_lists if getattr(end.layer.own, name)]
    if not found:
        return [], []
    block = ("layer", end.index, "lungo", layer_options.key(end.layer.type))
    note = Note(
        f"`{end.name}` loses {listed(found)}", view.where(end.index), "the numbers are those of the old classes"
    )
    return [ClearField((*block, name)) for name in found], [note]
