"""Augmentations of the pictures that a net trains on, as `lungo finetune --augment` names them.

before:  augmentation { type: "RandomResizedCrop" }                               TRAIN
after:   augmentation { type: "RandomResizedCrop" } augmentation { type: "RandAugment" }
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from caffelungo.definition.edits import Edit, SetField
from caffelungo.definition.schema import TEST, TransformationParameter
from caffelungo.passes.base import Note, Rewrite
from caffelungo.passes.view import View


@dataclass(frozen=True)
class AugmentOptions:
    """``augmentations``: lungo.Augmentation messages, each of which takes the place of one of its type or comes behind
    all; None: the net keeps none."""

    augmentations: tuple[Any, ...] | None


def augment(view: View, options: AugmentOptions) -> Rewrite:
    """The rewrite of the data layers of TRAIN that read pictures with labels (Data, ImageData)."""
    edits: list[Edit] = []
    notes = []
    for phase, graph in view.graphs.items():
        for planned in graph.plan.sources if phase != TEST else ():
            if "transform_param" not in planned.layer.more_options:
                continue
            path = ("layer", planned.index, "transform_param")
            before = view.net.layer[planned.index].transform_param
            transform = TransformationParameter()
            transform.CopyFrom(before)
            _change(transform.lungo.augmentation, options.augmentations)
            if view.net.layer[planned.index].HasField("transform_param"):
                edits.append(SetField((*path, "lungo"), transform.lungo))
            else:
                edits.append(SetField(path, transform))
            names = ", ".join(one.type for one in transform.lungo.augmentation) or "none"
            notes.append(Note(f"augmentations of `{planned.name}`: {names}", view.where(planned.index), "--augment"))
    return Rewrite(tuple(edits), (), tuple(notes))


def _change(written: Any, wanted: tuple[Any, ...] | None) -> None:
    if wanted is None:
        del written[:]
    for one in wanted or ():
        same = next((old for old in written if old.type == one.type), None)
        (written.add() if same is None else same).CopyFrom(one)
