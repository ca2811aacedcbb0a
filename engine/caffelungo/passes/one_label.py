"""One label of several: what answers on the others is taken out, so that data with one label can train the net.

before:  data, a, b -> fc7 -> fc_a -> loss_a(a)
                         `-> fc_b -> loss_b(b)
after:   data, a, b -> fc7 -> fc_a -> loss_a(a)
         with what served `fc_b` alone gone, data layers too
"""

from __future__ import annotations

from dataclasses import dataclass

from caffelungo.definition.edits import DeleteLayer
from caffelungo.passes import replace_classifier
from caffelungo.passes.base import Note, Rewrite
from caffelungo.passes.view import View


@dataclass(frozen=True)
class OneLabelOptions:
    """``head``: the classifier whose label stays; None: all stay."""

    head: str | None = None


def one_label(view: View, options: OneLabelOptions) -> Rewrite:
    """The rewrite; nothing for a net of one label. UserError when there is no such classifier."""
    main = view.heads(options.head)[-1] if options.head is not None else None
    others = [one for one in view.classifiers if one.label is not None]
    others = [one for one in others if main is not None and one.label != main.label and main.label is not None]
    ends = {end.index for one in others for end in one.ends}
    if not ends or main is None:
        return Rewrite()
    gone = replace_classifier.unread(view, ends, {})
    notes = [
        Note(
            f"`{view.net.layer[index].name}` ({view.net.layer[index].type}) removed",
            view.where(index),
            f"it belongs to another label than `{main.name}`",
        )
        for index in sorted(gone)
    ]
    return Rewrite(
        (*replace_classifier.keep_rates(view, gone), *(DeleteLayer(index) for index in sorted(gone))), (), tuple(notes)
    )
