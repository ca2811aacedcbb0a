"""A classifier for other classes, and nothing else: the plain fine-tuning of a net whose data layers are right already.

    before:  ... -> fc7 -> fc8 (1000, lr_mult 1/2)
    after:   ... -> fc7 -> fc8_pets (37, lr_mult 10/20)
             every other layer keeps its name, and so its pre-trained weights

All classifiers on the label are renamed (GoogLeNet has three) unless one is named.
"""

from __future__ import annotations

from dataclasses import dataclass

from caffelungo.bounds import WHOLE
from caffelungo.definition.edits import DeleteLayer, Edit
from caffelungo.passes import class_lists
from caffelungo.passes.base import Note, Refusal, Rewrite, Step, step
from caffelungo.passes.fresh_head import fresh_head
from caffelungo.passes.option_fields import option
from caffelungo.passes.param_blocks import NEW, Rate
from caffelungo.passes.registry import REWRITE, Given, register
from caffelungo.passes.view import View
from caffelungo.wording import counted


@dataclass(frozen=True)
class HeadOptions:
    """``classes`` (None: as many as before), ``name`` of one classifier, ``suffix`` of its new name, its ``rates``."""

    classes: int | None = option("Number of classes of a fresh classifier.", default=None, bounds=WHOLE,
                                 flag="--classes", asks=True)  # fmt: skip
    name: str | None = option("The classifier (default: all on the label).", default=None)
    suffix: str = option("Suffix for the new classifier's name.", default="new", flag="--suffix")
    rates: tuple[Rate, Rate] = NEW


def _asked(given: Given) -> list[Step]:
    """A classifier on joined features is made by ``join``."""
    if given.get("join") or given.get("classes") is None:
        return []
    return [step(head, HeadOptions(given["classes"], suffix=given.get("suffix") or HeadOptions.suffix))]


@register("head", verb=REWRITE, order=110, in_recipe=False, asked=_asked, help="A fresh classifier for other classes.")
def head(view: View, options: HeadOptions) -> Rewrite:
    """The rewrite; Refusal when there is no classifier, or one class."""
    if options.classes is not None and options.classes < 2:
        raise Refusal(
            "a classifier needs at least two classes",
            received=counted(options.classes, "class"),
            remedy="write 2 or more; pictures of neither can be a class, too",
        )
    edits: list[Edit] = []
    notes: list[Note] = []
    for one in view.heads(options.name):
        fresh = fresh_head(view, one.head, options.suffix, options.classes, options.rates)
        edits += fresh.edits
        notes += fresh.notes
        for end in one.ends:
            if options.classes is not None:
                taken, said = class_lists.cleared(view, end)
                edits += taken
                notes += said
            top_k = int(end.layer.param.accuracy_param.top_k) if end.layer.type == "Accuracy" else 1
            if options.classes is not None and top_k > 1 and top_k >= options.classes:
                edits.append(DeleteLayer(end.index))
                why = f"top {top_k} of {options.classes} is always right"
                notes.append(Note(f"`{end.name}` removed", view.where(end.index), why))
    return Rewrite(tuple(edits), (), tuple(notes))
