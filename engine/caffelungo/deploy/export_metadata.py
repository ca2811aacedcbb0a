"""The metadata of an exported file: its input, preprocessing, labels and origin."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from caffelungo.definition.definition import Definition
from caffelungo.definition.schema import Preprocessing
from caffelungo.deploy.classifier_labels import (
    classifier_heads,
    classifier_labels,
    label_answer,
    label_thresholds,
    pair_embedding,
    predicted_numbers,
)
from caffelungo.deploy.exportable_net import ExportableNet
from caffelungo.deploy.options import ExportOptions
from caffelungo.deploy.picture_operators import INTERPOLATION, Front
from caffelungo.inference import metadata


def export_metadata(
    opened: ExportableNet, record: Any | None, front: Front | None, options: ExportOptions
) -> metadata.Metadata:
    net = opened.net
    blob, shape = next(iter(net.inputs.items()))
    colors = {1: "GRAY", 3: "RGB"}.get(shape[1] if len(shape) > 1 else 0, "")
    if front is not None:
        given = metadata.ImageInput(front.image, front.layout, "uint8", colors, INTERPOLATION if front.resize else "")
    else:
        given = metadata.ImageInput(blob, "NCHW", "float32", "" if record is None else _order(record))
    labels = classifier_labels(opened, options)
    several = classifier_heads(opened)
    for head in several:
        if head.labels is None:
            opened.notes.append(f"no labels are known for `{head.name}`; its classes are numbered")
    if labels is None and net.classes is not None:
        opened.notes.append("no labels are known; classes are numbered (labels: a text file with one name per line)")
    more = {"opset": str(options.opset), "prototxt_sha256": _text_hash(opened.definition), **options.more}
    if compared := pair_embedding(opened):
        more["embedding"] = compared
    if opened.definition.path:
        more["prototxt"] = Path(opened.definition.path).name
    paths = [Path(path) for path in opened.weights.path.split(", ") if path and Path(path).is_file()]
    if paths:
        more["weights"] = ",".join(path.name for path in paths)
        more["weights_sha256"] = ",".join(metadata.sha256(path) for path in paths)
    told = label_answer(opened)
    classifier = told.blob if told is not None else net.classes[0] if net.classes else None
    known = record if record is not None else Preprocessing()
    numbers = predicted_numbers(opened)
    return metadata.Metadata(given, known, labels, classifier, more, tuple(several), numbers, label_thresholds(opened))


def _order(record: Any) -> str:
    return str(Preprocessing.ChannelOrder.Name(record.channel_order))


def _text_hash(definition: Definition) -> str:
    if definition.path and Path(definition.path).is_file():
        return metadata.sha256(definition.path)
    return metadata.sha256_of(definition.text)
