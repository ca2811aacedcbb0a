"""A net pointed at the user's pictures: found, with its weights, given a new classifier and data layers. No torch.

NET or a name of `lungo nets`, weights, classes  ->  a train_val definition whose data layers read lists of pictures
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isqrt
from pathlib import Path
from typing import Any

from caffelungo import files
from caffelungo.definition import catalogue
from caffelungo.definition.definition import Definition
from caffelungo.definition.filter import net_state
from caffelungo.definition.schema import TEST, TRAIN
from caffelungo.errors import Location, Problem, UserError
from caffelungo.passes import picture_size
from caffelungo.passes.base import Result, Step, run, step
from caffelungo.passes.finetune import finetune
from caffelungo.passes.finetune_options import FinetuneOptions
from caffelungo.passes.one_label import OneLabelOptions, one_label
from caffelungo.passes.predict_numbers import NumberColumn, NumberOptions, predict_numbers
from caffelungo.passes.suggested_solver import activations, batch_size
from caffelungo.passes.view import View
from caffelungo.plan import memory_limits, states
from caffelungo.plan.build_plan import build_plan
from caffelungo.plan.read_net import read_net
from caffelungo.rewriting.folder_files import size_elsewhere
from caffelungo.weights import sniff

NONE = "none"
"""What `--weights` says for training from scratch."""


@dataclass(frozen=True)
class Pictures:
    """What a net is pointed at: the number of ``classes``, how its data layers name the lists, and how many pictures
    there are to train on and to test on.

    ``augmented``: training sees random parts of each picture, of this share of its area at least; None: the whole.
    ``numbers``: what is predicted in the place of classes, with the ``loss`` (``passes.predict_numbers``); ``instead``
    gives the step that comes in the place of ``finetune`` otherwise. ``pairs``: each line names two pictures.
    """

    classes: int
    train: int
    tested: int
    train_source: str = "train.txt"
    val_source: str = "val.txt"
    root_folder: str = ""
    augmented: float | None = None
    numbers: tuple[NumberColumn, ...] = ()
    loss: str = "euclidean"
    instead: Callable[[FinetuneOptions], Step] | None = None
    pairs: bool = False


@dataclass(frozen=True)
class PointOptions:
    """``net`` is a path or a name of the catalogue. ``weights`` None: those that come with it; "none": from scratch.

    The rest is as in ``passes.finetune.FinetuneOptions``; ``batch_size`` None: as fits ``device`` and the pictures.
    """

    net: str
    weights: str | None = None
    head: str | None = None
    suffix: str = "new"
    size: int | None = None
    resize: int | None = None
    mean_value: tuple[float, ...] | None = None
    batch_size: int | None = None
    device: str = "cpu"
    variables: Mapping[str, Any] = field(default_factory=dict)
    stages: Sequence[str] = ()
    level: int = 0


@dataclass(frozen=True)
class Opened:
    """A net as it is in its file, and the ``weights`` that go with it, as they are named; None without."""

    definition: Definition
    path: Path
    weights: str | None


def open_net(options: PointOptions) -> Opened:
    """The net and the name of its weights; UserError for files that are not there, or are no weights, and for sizes
    that no picture has."""
    _refuse_sizes(options)
    path, variables = catalogue.resolve(options.net, options.variables)
    notes: list[str] = []
    read = read_net(path, variables or None).within(options.stages, options.level)
    definition = states.phased(read, notes)
    definition = replace(definition, notes=[*definition.notes, *notes])
    return Opened(definition, path, weights_of(options.net, options.weights, options.variables))


def weights_of(net: str, weights: str | None, variables: Mapping[str, Any]) -> str | None:
    """The weights as commands name them: those given, else those that come with a net of the catalogue."""
    if weights == NONE:
        return None
    if weights is not None:
        for name in weights.split(","):
            if ":" not in name.strip():
                sniff.container(files.find(name.strip(), what="weights file"))
        return weights
    return catalogue.weights_with(net, variables)


def needed(opened: Opened, net: str) -> str:
    """The weights of ``opened``; UserError where none are named."""
    if opened.weights is None:
        raise UserError(
            "reading features needs weights",
            where=Location(str(opened.path)),
            received=f"{net}, which ships without weights",
            remedy="name them: --weights net.caffemodel",
        )
    return opened.weights


def point(opened: Opened, options: PointOptions, pictures: Pictures, more: tuple[Step, ...] = ()) -> Result:
    """``opened`` with a classifier and data layers for ``pictures``, and the steps ``more`` behind that.

    Raises Refusal when the net has no classifier, or inputs that pictures cannot give; UserError for sizes that
    this machine has no memory for.
    """
    view = View(opened.definition)
    batch = batch_of(view, options, pictures.train)
    size, channels = options.size, None
    if size is None:
        size, channels = size_elsewhere(view, opened.path)
    pointed = FinetuneOptions(
        classes=pictures.classes, train_source=pictures.train_source, val_source=pictures.val_source,
        root_folder=pictures.root_folder, head=options.head, suffix=options.suffix, batch_size=batch,
        test_batch_size=min(batch, pictures.tested), size=size, resize=options.resize, channels=channels,
        mean_value=options.mean_value, preprocessing=record_of(opened.weights), fresh=opened.weights is None,
        augmented=pictures.augmented, label_size=len(pictures.numbers), pairs=pictures.pairs,
    )  # fmt: skip
    new = step(finetune, pointed)
    if pictures.numbers:
        new = step(predict_numbers, NumberOptions(pictures.numbers, pointed, pictures.loss))
    elif pictures.instead is not None:
        new = pictures.instead(pointed)
    result = run(opened.definition, [step(one_label, OneLabelOptions(options.head)), new, *more])
    _refuse_large(result.definition, options)
    return result


def _refuse_sizes(options: PointOptions) -> None:
    """UserError when `--size` or `--resize` asks for more pixels than are ever decoded."""
    most = isqrt(picture_size.MOST_PIXELS)
    problems = [
        Problem(f"a picture has at most {picture_size.MOST_PIXELS:,} pixels", None, f"{flag} {side}",
                f"write at most {flag} {most}")
        for flag, side in (("--size", options.size), ("--resize", options.resize))
        if side is not None and side > most
    ]  # fmt: skip
    if problems:
        raise UserError(problems)


def _refuse_large(pointed: Definition, options: PointOptions) -> None:
    """UserError when the data layers or the memory of this machine cannot serve ``pointed``: no run could start."""
    given = {"--size": options.size, "--resize": options.resize, "--batch-size": options.batch_size}
    asked = " ".join(f"{flag} {value}" for flag, value in given.items() if value is not None)
    net, problems = pointed.message, []
    for layer in net.layer:
        height, width = layer.image_data_param.new_height, layer.image_data_param.new_width
        if height * width > picture_size.MOST_PIXELS:
            what = f"before the crop, pictures would be resized to more than {picture_size.MOST_PIXELS:,} pixels"
            problems.append(Problem(what, None, f"{asked}: {height}x{width}".lstrip(": "), "use a smaller size"))
    for phase in (TRAIN, TEST):
        plan = build_plan(net, net_state(net, phase), problems=[])
        for one in memory_limits.problems(plan, lambda *path: None):
            problems.append(replace(one, received=f"{asked}: {one.received}".lstrip(": ")))
    if problems:
        raise UserError(list({one.what: one for one in reversed(problems)}.values())[::-1])


def mirrors(definition: Definition) -> bool:
    """Whether training sees mirrored pictures, too: they are worth as much to a linear classifier."""
    return any(layer.transform_param.mirror for layer in definition.message.layer)


def batch_of(view: View, options: PointOptions, pictures: int) -> int:
    """The batch size asked for, else one that suits the device and the number of pictures."""
    return options.batch_size or batch_size(pictures, activations(view), options.device)


def record_of(weights: str | None) -> Any:
    """The preprocessing record inside a weights file, or None; a mean picture fits the net it was made for only."""
    if weights is None or not weights.endswith(".caffemodel") or not Path(weights).is_file():
        return None
    from caffelungo.definition.schema import message_class
    from caffelungo.weights import caffemodel

    extras = caffemodel.read_net(weights).lungo
    if not extras.HasField("preprocessing") or extras.preprocessing.mean_image:
        return None
    return message_class("lungo.Preprocessing").FromString(extras.preprocessing.SerializeToString())
