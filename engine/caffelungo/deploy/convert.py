"""`lungo convert`: a Caffe net from anywhere and its weights to ONNX, without training or project.

All obstacles are found before the first byte is written: layers that only a fork has, weights that are
missing or of other shapes, an input of unknown size, preprocessing and labels that do not fit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from caffelungo import shell
from caffelungo.definition.filter import net_state
from caffelungo.definition.parser import ForeignField
from caffelungo.definition.reader import Definition, read_net
from caffelungo.definition.schema import TEST
from caffelungo.deploy import preprocessing_record, requested_size
from caffelungo.deploy.deploy_net import DeployNet, deploy_net, unsized_inputs
from caffelungo.deploy.export import Exported, checked_target, export
from caffelungo.deploy.exportable_net import fitted, load_weights
from caffelungo.deploy.exportable_part import Cut, cut
from caffelungo.deploy.infer_shape import picture_shape
from caffelungo.deploy.options import ConvertOptions, ExportOptions
from caffelungo.deploy.picture_operators import problems_of_resize
from caffelungo.deploy.stated_preprocessing import base_record, carries_record, check_mean_file, state, without_mean
from caffelungo.errors import Problem, UserError
from caffelungo.inference import metadata
from caffelungo.layers.base import shape_text
from caffelungo.plan import states
from caffelungo.plan.build_plan import build_plan
from caffelungo.weights.weights import Weights
from caffelungo.wording import counted


@dataclass
class Examined:
    """What is known of a conversion before anything is written: what prevents it, and what would be exported.

    ``part`` and ``net`` are None where the file could not be read, or does not fit together; ``net`` bears the names
    and shapes of all that a file of weights must hold. ``wanted`` is how ``part`` leaves.
    """

    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    part: Cut | None = None
    net: DeployNet | None = None
    weights: Weights | None = None
    wanted: ExportOptions = field(default_factory=ExportOptions)


def convert(
    model: str | Path,
    weights: Weights | str | Path,
    out: str | Path,
    options: ConvertOptions | None = None,
    *,
    progress: Callable[[str], None] | None = None,
) -> Exported:
    """Write the net in the file ``model`` with ``weights`` to ``out``, and prove it.

    ``model`` is a deploy, train_val or train_test file of any age, or a ``.caffemodel`` with its definition inside.
    Raises UserError with everything that prevents it, RunError when the proof does not hold; then ``out`` is as
    it was before.
    """
    if progress is not None:
        progress("reading the net and its weights")
    found = examine(model, weights, out, options)
    if found.problems or found.part is None or found.weights is None:
        raise UserError(found.problems)
    exported = export(found.part.definition, found.weights, out, found.wanted, progress=progress)
    notes = found.notes
    if "mean_value" in exported.metadata.record.assumed or "channel_order" in exported.metadata.record.assumed:
        notes.append("if the assumed preprocessing is wrong, set it: --mean, --scale, --channel-order, --resize")
    exported.notes[:] = [*notes[:-1], *exported.notes, *notes[-1:]]
    return exported


def examine(
    model: str | Path, weights: Weights | str | Path | None, out: str | Path, options: ConvertOptions | None = None
) -> Examined:
    """All that ``convert`` with the same arguments finds before it traces the graph; nothing is written.

    With ``weights`` None, what only they can tell is left out.
    """
    options = options or ConvertOptions()
    wanted = ExportOptions(
        opset=options.opset, preprocess=options.preprocess, labels=options.labels, outputs=tuple(options.outputs),
        batch=options.batch, pictures=options.pictures, tolerance=options.tolerance, device=options.device,
        free_size=options.free_size, layout=options.layout, resize_inside=options.resize_inside,
    )  # fmt: skip
    found = Examined(wanted=wanted)
    problems = found.problems
    with gathered(problems):
        checked_target(out, wanted)
    if weights is not None:
        with gathered(problems):
            found.weights = load_weights(weights)
    with gathered(problems):
        found.part = _part(model, options)
        problems += found.part.problems
        found.notes += found.part.notes
    part, given = found.part, found.weights
    if part is None:
        return found
    if options.size is not None and not part.problems:
        before = len(problems)
        with gathered(problems):
            _resize(part, options)
        if len(problems) > before:
            return found
    readable = False
    with gathered(problems):
        if not (options.mean or options.mean_file or carries_record(given)):
            check_mean_file(part.definition)
        readable = True
    shapes = _shapes(part, options, given, found.notes)
    if part.problems:
        problems += unsized_inputs(part.definition, shapes)
        return found
    with gathered(problems):
        found.net = net = _deployed(part.definition, shapes, options)
        if given is not None:
            problems += fitted(net, given, part.definition)[1]
        record = _record(net, part.definition, given, options, found) if readable else None
        if record is not None and options.resize_inside:
            problems += problems_of_resize(record)
        _check_labels(net, options, problems)
        known = {"record": record, "shapes": shapes, "size": _asked(options, net)}
        found.wanted = ExportOptions(**{**wanted.__dict__, **known})
    return found


@contextmanager
def gathered(problems: list[Problem]) -> Iterator[None]:
    """Put the problems of a UserError in the body to the others, and go on behind it."""
    try:
        yield
    except UserError as error:
        problems += error.problems


def _part(model: str | Path, options: ConvertOptions) -> Cut:
    foreign: list[ForeignField] = []
    notes: list[str] = []
    definition = read_net(model, options.variables or None, foreign).within(options.stages, options.level)
    definition = states.settled(definition, TEST, answering=True, notes=notes)
    definition = requested_size.placed(definition, options.shapes)
    with suppress(UserError):  # a place-holder's mistakes: reported when the exported net is resized
        definition = requested_size.sized(definition, options.size, options.shapes, options.outputs)
    part = cut(definition, foreign, options.outputs)
    part.notes[:0] = notes
    return part


def _resize(part: Cut, options: ConvertOptions) -> None:
    """``part`` at the size that was asked for."""
    shaped = requested_size.placed(part.definition, part.shapes)
    part.definition, part.shapes = requested_size.sized(shaped, options.size, options.shapes, options.outputs), {}


def _asked(options: ConvertOptions, net: DeployNet) -> tuple[int, int] | None:
    """The picture's size where it was asked for; what is in ``net`` otherwise came from a file."""
    given = [shape for blob, shape in options.shapes.items() if blob in net.inputs and len(shape) == 3]
    return options.size or ((int(given[0][1]), int(given[0][2])) if given else None)


def _who(options: ConvertOptions, net: DeployNet) -> str:
    return "as asked" if _asked(options, net) is not None else "in the net's input"


def _shapes(part: Cut, options: ConvertOptions, weights: Weights | None, notes: list[str]) -> dict[str, Sequence[int]]:
    """Inputs' shapes: those given, what a data layer's crop says, what the weights admit."""
    shapes: dict[str, Sequence[int]] = {**part.shapes, **options.shapes}
    found = preprocessing_record.data_layer(part.definition)
    if found is not None and found[1].top and found[1].top[0] not in shapes:
        layer = found[1]
        height = layer.transform_param.crop_size or layer.image_data_param.new_height
        width = layer.transform_param.crop_size or layer.image_data_param.new_width
        height = height or layer.transform_param.lungo.resize_height
        width = width or layer.transform_param.lungo.resize_width
        if height and width:
            grey = options.channel_order in ("gray", "grey") or preprocessing_record.takes_grey(layer)
            shapes[str(layer.top[0])] = (1 if grey else 3, int(height), int(width))
    if weights is not None and not shapes:
        guess = picture_shape(part.definition, weights)
        if guess is not None:
            blob, shape = guess
            shapes[blob] = shape
            text = shape_text(shape)
            notes.append(
                f"`{blob}` is taken to be {text}, as the weights suggest; to change it, add --shape "
                + shell.word(f"{blob}:{text}")
            )
    return shapes


def _deployed(definition: Definition, shapes: Mapping[str, Sequence[int]], options: ConvertOptions) -> DeployNet:
    """The net that leaves; where it fits together only with the file's own number of pictures, that is the remedy."""
    try:
        return deploy_net(definition, shapes=shapes, outputs=options.outputs, batch=options.batch or 1)
    except UserError as error:
        own = _own_batch(definition)
        if options.batch or own < 2:
            raise
        try:
            deploy_net(definition, shapes=shapes, outputs=options.outputs, batch=own)
        except UserError:
            raise error from None
        way = Problem("the net works only with its own batch size", remedy=f"add --batch {own}")
        raise UserError([*error.problems, way]) from None


def _own_batch(definition: Definition) -> int:
    plan = build_plan(definition.message, net_state(definition.message, TEST), problems=[])
    known = [shape[0] for one in plan.sources for shape in one.top_shapes if shape]
    return int(known[0] or 1) if known else 1


def _record(
    net: DeployNet, definition: Definition, weights: Weights | None, options: ConvertOptions, found: Examined
) -> Any | None:
    """The record that ``options`` state, over what weights or data layer say; None when they state nothing."""
    if not options.states_preprocessing:
        return None
    if not preprocessing_record.takes_pictures(net.inputs):
        found.problems.append(
            Problem(
                "preprocessing options need a net with one input of 1 or 3 channels",
                received=", ".join(f"{blob} {shape_text(shape)}" for blob, shape in net.inputs.items()),
                remedy="remove --mean, --mean-file, --scale, --channel-order and --resize",
            )
        )
        return None
    blob, shape = next(iter(net.inputs.items()))
    record = base_record(definition, weights, shape, stated_mean=bool(options.mean or options.mean_file))
    if options.mean or options.mean_file:
        without_mean(record)
    with gathered(found.problems):
        record, notes = requested_size.recorded(record, (shape[2], shape[3]), _who(options, net), weights)
        found.notes += notes
        state(record, shape, options)
        return preprocessing_record.completed(record, blob, shape)
    return None


def _check_labels(net: DeployNet, options: ConvertOptions, problems: list[Problem]) -> None:
    if options.labels is None:
        return
    with gathered(problems):
        labels = options.labels
        names = metadata.read_labels(labels) if isinstance(labels, (str, Path)) else list(labels)
        if net.classes is None:
            problems.append(
                Problem(
                    "--labels needs a net with a classifier",
                    received=f"outputs {', '.join(net.outputs)}",
                    remedy="remove --labels",
                )
            )
        elif len(names) != net.classes[1]:
            problems.append(
                Problem(
                    f"{counted(len(names), 'label')} for {net.classes[1]} classes",
                    received=str(labels) if isinstance(labels, (str, Path)) else counted(len(names), "name"),
                    remedy=f"write one name for each of the {net.classes[1]} outputs of `{net.classes[0]}`",
                )
            )
