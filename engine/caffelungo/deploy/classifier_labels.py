"""The names of the classes of a net that leaves: those given, else those that the net and its weights carry.

And what the numbers are that it predicts, if it does.
"""

from __future__ import annotations

import json
from pathlib import Path

from caffelungo.deploy.deploy_net import Answer
from caffelungo.deploy.exportable_net import ExportableNet
from caffelungo.deploy.options import ExportOptions
from caffelungo.errors import Location, UserError
from caffelungo.inference import metadata
from caffelungo.layers.base import count
from caffelungo.layers.label_measures import EVEN
from caffelungo.weights.task_heads import heads_of
from caffelungo.wording import counted


def classifier_heads(opened: ExportableNet) -> list[metadata.Head]:
    """The classifiers of a net that has several answers, each with its task and labels where they are known; else none.

    Labels of another number than the classes are left out, and a note says so.
    """
    extras = opened.weights.extras
    named = heads_of(opened.definition.message.lungo, extras)
    if len(opened.net.answers) < 2:
        return []
    unnamed = [answer.layer for answer in opened.net.answers if answer.layer not in named]
    found = []
    for answer in opened.net.answers:
        entry = named.get(answer.layer)
        labels = list(entry.label) if entry is not None else []
        if unnamed == [answer.layer] and extras is not None and len(extras.label) == answer.classes:
            labels = list(extras.label)  # a classifier that was given to the net since
        if labels and len(labels) != answer.classes:
            opened.notes.append(
                f"`{answer.layer}` has {counted(len(labels), 'label')} for "
                f"{counted(answer.classes, 'class')}; they are ignored"
            )
            labels = []
        task = entry.task if entry is not None and entry.task else answer.layer
        found.append(metadata.Head(answer.blob, answer.layer, task, tuple(labels) or None))
    return found


def classifier_labels(opened: ExportableNet, options: ExportOptions) -> list[str] | None:
    """Class names of the one classifier: those given, else those of the net and its weights; None without any.

    Raises UserError for a wrong number of names.
    """
    net, weights, notes = opened.net, opened.weights, opened.notes
    told = label_answer(opened)
    classes = (told.blob, told.classes) if told is not None else net.classes
    named = heads_of(opened.definition.message.lungo, weights.extras)
    several = len(net.answers) > 1
    if several and options.labels is not None:
        raise UserError(
            "the net has several classifiers with different classes",
            received="--labels",
            remedy='write the names into the net: lungo { head { name: "fc8" label: "cat" label: "dog" } }',
        )
    if options.labels is not None:
        given = options.labels
        labels = metadata.read_labels(given) if isinstance(given, (str, Path)) else list(given)
        if classes is not None and len(labels) != classes[1]:
            raise UserError(
                f"{counted(len(labels), 'label')} for {classes[1]} classes",
                where=Location(str(given)) if isinstance(given, (str, Path)) else None,
                received=counted(len(labels), "name"),
                remedy=f"write one name for each of the {classes[1]} outputs of `{classes[0]}`",
            )
        return labels
    if several:
        return None
    head = named.get(net.answers[0].layer) if net.classes is not None else None
    if head is not None and len(head.label):
        carried = list(head.label)
    elif told is not None:
        return _names_of_labels(opened)
    else:
        carried = list(weights.extras.label) if weights.extras is not None else []
    if carried and classes is not None and len(carried) != classes[1]:
        notes.append(f"the weights contain {counted(len(carried), 'label')} for {classes[1]} classes; they are ignored")
        return None
    return carried or None


def label_answer(opened: ExportableNet) -> Answer | None:
    """The output with a probability for each of several labels, where the net or its weights say of as many what they
    are called or from which probability on they are given; None else: a Sigmoid may be anything."""
    found, extras = opened.net.labelled, opened.weights.extras
    if found is None:
        return None
    known = len(_names_of_labels(opened) or ()), len(extras.threshold) if extras is not None else 0
    return found if found.classes in known else None


def label_thresholds(opened: ExportableNet) -> tuple[float, ...] | None:
    """From which probability on each of several labels is given; None for a net that tells none.

    A half, and a note, where the weights keep no thresholds.
    """
    told, extras = label_answer(opened), opened.weights.extras
    if told is None:
        return None
    if extras is not None and len(extras.threshold) == told.classes:
        return tuple(extras.threshold)
    opened.notes.append(
        f"the weights keep no thresholds for the {counted(told.classes, 'label')}, which are given from {EVEN:g} on: "
        "those of keep_best do (solver_best.caffemodel)"
    )
    return (EVEN,) * told.classes


def _names_of_labels(opened: ExportableNet) -> list[str] | None:
    """The names of several labels, of the net or its weights, where these are as many; else None."""
    extras, found = opened.weights.extras, opened.net.labelled
    for names in (opened.definition.message.lungo.label, extras.label if extras is not None else ()):
        if found is not None and len(names) == found.classes:
            return list(names)
    return None


def predicted_numbers(opened: ExportableNet) -> metadata.NumberAnswer | None:
    """The output with the numbers that the net predicts, by what the net or its weights say of them; None without any.

    Where no output has as many numbers they are left out, and a note says so.
    """
    extras = opened.weights.extras
    named = list(opened.definition.message.lungo.number) or (list(extras.number) if extras is not None else [])
    if not named:
        return None
    fields = tuple(metadata.NumberField(one.name, one.unit) for one in named)
    for planned in reversed(opened.net.plan.layers):
        for blob, shape in zip(planned.tops, planned.top_shapes, strict=True):
            if blob in opened.net.outputs and shape is not None and count(shape[1:]) == len(fields):
                return metadata.NumberAnswer(blob, fields)
    opened.notes.append(
        f"the net says what {counted(len(fields), 'number')} are that it predicts, and has no output of as many"
    )
    return None


def pair_embedding(opened: ExportableNet) -> str | None:
    """The entry `embedding` of a net that compares pictures, as JSON: its output, and the distance up to which two
    pictures belong together, where the weights keep it; None for other nets."""
    kinds = {layer.type for layer in opened.definition.message.layer}
    if "PairScore" not in kinds or len(opened.net.outputs) != 1:
        return None
    extras = opened.weights.extras
    kept = list(extras.threshold) if extras is not None else []
    return json.dumps({"output": opened.net.outputs[0], "threshold": kept[0] if len(kept) == 1 else None})
