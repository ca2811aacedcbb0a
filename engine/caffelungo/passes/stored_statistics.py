"""BatchNorm on its stored statistics in training, too: what was measured on many pictures is kept where there are few.

    before:  bn1: BatchNorm                     batch statistics in TRAIN, and the stored ones drift towards them
    after:   bn1: batch_norm_param { use_global_stats: true }

A classifier that was fitted to the net in phase TEST reads what it was fitted to in TRAIN as well. Scales and shifts
behind BatchNorm go on learning.
"""

from __future__ import annotations

from dataclasses import dataclass

from caffelungo.definition.edits import SetField
from caffelungo.passes.base import Note, Rewrite
from caffelungo.passes.view import View


@dataclass(frozen=True)
class StatisticsOptions:
    """``why``: the reason for ``--explain``."""

    why: str = "the classifier was fitted to features of the stored statistics"


def stored_statistics(view: View, options: StatisticsOptions) -> Rewrite:
    """The rewrite; without BatchNorm layers that gather statistics it changes nothing."""
    found = [
        index
        for index, layer in enumerate(view.net.layer)
        if layer.type == "BatchNorm" and not layer.batch_norm_param.use_global_stats
    ]
    edits = [SetField(("layer", index, "batch_norm_param", "use_global_stats"), True) for index in found]
    if not found:
        return Rewrite()
    names = ", ".join(f"`{view.net.layer[index].name}`" for index in found[:3]) + (" ..." if len(found) > 3 else "")
    notes = [
        Note(
            f"{names} use{'s' if len(found) == 1 else ''} stored statistics in training, too",
            view.where(found[0]),
            options.why,
        )
    ]
    return Rewrite(tuple(edits), (), tuple(notes))
