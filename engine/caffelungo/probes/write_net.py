"""What `lungo probe -o DIR` leaves: the chosen classifier as a net that trains, grows, exports and serves.

DIR/train_val.prototxt deploy.prototxt probe.caffemodel labels.txt train.txt [test.txt] probe.json layers.png
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from caffelungo import drafts, files
from caffelungo.data.image_list import Target, write_list
from caffelungo.definition import editor
from caffelungo.definition.definition import Definition
from caffelungo.definition.edits import ClearField, Edit, SetField
from caffelungo.definition.filter import included, net_state
from caffelungo.definition.schema import TEST, message_class
from caffelungo.errors import UserError
from caffelungo.passes.base import Result, run, step
from caffelungo.passes.deploy import DeployOptions, deploy
from caffelungo.passes.join import JoinedOptions, joined, weights_for
from caffelungo.passes.moves import Blobs
from caffelungo.passes.view import ClassifierLayer, View
from caffelungo.probes import table as report
from caffelungo.probes.candidates import ProbeCandidate
from caffelungo.probes.choose_candidate import LinearHead, TriedCandidate
from caffelungo.probes.penalty_path import PenaltyRow
from caffelungo.probes.picture_entries import Entry
from caffelungo.rewriting import folder_texts
from caffelungo.rewriting.folder_files import staged
from caffelungo.solve import nets
from caffelungo.weights import formats
from caffelungo.weights.load import load
from caffelungo.weights.weights import Weights

MODEL = "probe.caffemodel"
FILES = (
    "train_val.prototxt", "deploy.prototxt", MODEL, "labels.txt", "train.txt", "test.txt", "probe.json", "layers.png",
)  # fmt: skip


@dataclass(frozen=True)
class Chosen:
    """A net pointed at pictures, and the classifier ``head`` for it: written by the pass ``joined``, or put into the
    place of the weights of its ``classifier`` (None). ``filled`` are blobs that the classifier was fitted on and
    the weights lack: those of new units."""

    definition: Definition
    weights: str
    joined: JoinedOptions | None
    head: LinearHead
    classifier: ClassifierLayer
    classes: tuple[str, ...]
    entries: Sequence[Entry]
    test: Sequence[Entry] | None
    net: str
    filled: Blobs = field(default_factory=dict)


def with_head(
    definition: Definition,
    weights: Weights,
    options: JoinedOptions | None,
    head: LinearHead,
    classifier: ClassifierLayer,
) -> tuple[Result, Weights]:
    """The net with ``head`` in the place of ``classifier``, and its weights; layers that are gone are left out."""
    if options is None:
        result = Result(definition)
        made = own_blobs(classifier, head)
    else:
        view = View(definition)
        result = run(definition, [step(joined, options)])
        made = weights_for(view, options, head.weight, head.bias)
    plans = [graph.plan for graph in View(result.definition).graphs.values()]
    kinds = {one.name: one.layer.type for plan in plans for one in plan.layers}
    layers = {name: arrays for name, arrays in {**weights.layers, **made}.items() if name in kinds}
    return result, replace(weights, layers=layers, types=kinds)


def own_blobs(classifier: ClassifierLayer, head: LinearHead) -> Blobs:
    """``head`` as the blobs of the layer that ``classifier`` is. UserError where that lacks the bias of ``head``."""
    planned = classifier.head
    shapes = [use.shape for use in planned.params]
    if len(shapes) != 2 and head.bias.any():
        raise UserError(
            f"`{planned.name}` has no bias, which a converged classifier needs",
            received="bias_term: false",
            remedy="remove bias_term from the layer",
        )
    weight = head.weight.T if planned.layer.type == "InnerProduct" and planned.layer.options.transpose else head.weight
    shape = tuple(int(size or 1) for size in shapes[0])
    return {planned.name: [np.ascontiguousarray(weight.reshape(shape)), head.bias][: len(shapes)]}


def write(
    out: Path, chosen: Chosen, found: dict[str, Any], rows: Sequence[TriedCandidate], best: ProbeCandidate
) -> list[Path]:
    """All files, into place together; their paths."""
    weights = load(chosen.weights)
    weights = replace(weights, layers={**weights.layers, **chosen.filled})
    source = chosen.definition if chosen.joined is not None else listed(chosen.definition, chosen.test is not None)
    result, made = with_head(source, weights, chosen.joined, chosen.head, chosen.classifier)
    definition = result.definition
    made.extras = extras(definition, chosen.classes, chosen.entries)
    answering = run(definition, [step(deploy, DeployOptions())]).definition
    with staged(out) as folder:
        write_list(folder / "train.txt", chosen.entries)
        if chosen.test is not None:
            write_list(folder / "test.txt", chosen.test)
        files.write_text(folder / "labels.txt", "".join(f"{name}\n" for name in chosen.classes))
        again = "its classifier as trained" if found.get("kept_as_trained") else "its classifier refitted"
        what = f"a linear classifier on {best.name}" if best.blobs else again
        line = f"# {Path(chosen.net).name} with {what}, by `lungo probe`.\n"
        files.write_text(folder / "train_val.prototxt", line + definition.text)
        files.write_text(folder / "deploy.prototxt", answering.text)
        files.write_text(folder / "probe.json", json.dumps(found, indent=2) + "\n")
        formats.write(folder / MODEL, made, definition.message)
        if rows:
            report.draw(rows, next(row for row in rows if row.candidate == best), folder / "layers.png")
        names = sorted(path.name for path in folder.iterdir())
    return [out / name for name in names]


def listed(definition: Definition, judged: bool) -> Definition:
    """``definition`` with data layers that read the lists written beside it."""
    edits: list[Edit] = []
    for index, layer in enumerate(definition.message.layer):
        if layer.type == "ImageData":
            test = included(layer, net_state(definition.message, TEST)) and judged
            place = ("layer", index, "image_data_param")
            edits.append(SetField((*place, "source"), "test.txt" if test else "train.txt"))
            if layer.image_data_param.HasField("root_folder"):
                edits.append(ClearField((*place, "root_folder")))
    return editor.apply(definition, edits)


def extras(definition: Definition, classes: Sequence[str], entries: Sequence[tuple[str, Target]]) -> Any:
    """The record of preprocessing and the class names that go into the weights."""
    text = nets.from_definition(definition)
    state = net_state(text.message, TEST)
    with drafts.scratch() as name:
        path = name / "pictures.txt"
        write_list(path, entries[:1])
        opened = nets.open_net_with_data(nets.elsewhere(text, state, path), state, once=True, shuffle=False)
        made = nets.extras(opened) or message_class("lungo.NetExtras")()
    del made.label[:]
    made.label.extend(classes)
    return made


def commands(out: Path) -> list[tuple[str, str]]:
    """What to run next, quoted for a shell."""
    net, model = str(out / "train_val.prototxt"), str(out / MODEL)
    export = ["lungo", "export", "--model", net, "--weights", model, "-o", str(out / "model.onnx")]
    classify = ["lungo", "classify", str(out / "model.onnx"), "photo.jpg"]
    return folder_texts.quoted([(export, "one file with weights, labels and preprocessing"), (classify, "use it")])


# -- rows of the table, kept


def save_row(path: Path, row: TriedCandidate) -> None:
    """Keep what cross-validation of a candidate found."""
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write_text(path, json.dumps({**vars(row), "candidate": None, "rows": [vars(each) for each in row.rows]}))


def load_row(path: Path, candidate: ProbeCandidate) -> TriedCandidate | None:
    """The row in ``path``, for ``candidate``; None where there is none that can be read."""
    try:
        kept = json.loads(path.read_text())
        return TriedCandidate(
            **{**kept, "candidate": candidate, "rows": tuple(PenaltyRow(**each) for each in kept["rows"])}
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
