"""What follows a classifier taken away, where the net is to answer otherwise: numbers, or several labels.

before:  fc8_new -> drop8 -> loss (SoftmaxWithLoss), accuracy, prob
after:   fc8_new -> drop8                                            what has no reader any more is gone, too
"""

from __future__ import annotations

from collections.abc import Sequence

from caffelungo.definition.edits import DeleteLayer, SetField
from caffelungo.layers.kinds import NONLINEAR
from caffelungo.passes import replace_classifier
from caffelungo.passes.finetune_options import Work
from caffelungo.passes.view import ClassifierLayer, View, free_name


def without_ends(work: Work, heads: Sequence[ClassifierLayer], main: ClassifierLayer, why: str) -> set[int]:
    """Take out the losses, measures and softmaxes of ``heads``, what bends the outputs of ``main``, and what only
    served these; the positions of all of it. ``why`` is for the notes."""
    view = work.view
    bent = [one for one in main.between if one.layer.type in NONLINEAR | {"Softmax"}]
    gone = {end.index for one in heads for end in one.ends} | {one.index for one in bent}
    stay = {one.index for one in (main.head, *main.between)}.difference(gone)
    read = {phase: [one.top_values[0] for one in graph.plan.layers if one.index in stay]
            for phase, graph in view.graphs.items()}  # fmt: skip
    unread = replace_classifier.unread(view, gone, read)
    work.edits += replace_classifier.keep_rates(view, unread)
    work.edits += [DeleteLayer(index) for index in sorted(unread)]
    for index in sorted(unread):
        layer = view.net.layer[index]
        work.note(f"`{layer.name}` ({layer.type}) removed", index, why)
    return unread


def led(work: Work, main: ClassifierLayer, top: str, gone: set[int]) -> str:
    """The blob of the answers: that of the last layer behind the head which stays; each reads the one before it.

    ``top`` is what the head is called now.
    """
    blob = top
    for one in main.between:
        if one.index in gone:
            continue
        old = one.bottoms[0]
        was = top if old == main.head.tops[0] else old
        if was != blob:
            work.edits.append(SetField(("layer", one.index, "bottom", 0), blob))
        if one.tops[0] not in (old, main.head.tops[0]):
            blob = one.tops[0]
    return blob


class FreeNames:
    """Names that no layer and no blob has once the layers ``gone`` are out."""

    def __init__(self, view: View, gone: set[int], *more: str) -> None:
        kept = [layer for index, layer in enumerate(view.net.layer) if index not in gone]
        self.used = {name for layer in kept for name in (layer.name, *layer.bottom, *layer.top)}.union(more)

    def take(self, wanted: str) -> str:
        name = free_name(wanted, self.used)
        self.used.add(name)
        return name
