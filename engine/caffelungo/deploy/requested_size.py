"""The requested input size, which overrides the file and the weights' record. No torch.

    --size 64, --shape data:3x64x64  >  Input and crop_size in the file  >  crop in the weights' record (227)

What is asked goes into the definition (Inputs, crops) and into the record, so that the exported file says it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from caffelungo import shell
from caffelungo.data import preprocess
from caffelungo.definition import editor
from caffelungo.definition.edits import ClearField, Edit, SetField
from caffelungo.definition.filter import net_state
from caffelungo.definition.reader import Definition
from caffelungo.definition.schema import TEST
from caffelungo.deploy.deploy_net import deploy_net
from caffelungo.errors import Problem, UserError
from caffelungo.layers.base import Shape, shape_text
from caffelungo.passes import picture_size
from caffelungo.passes.picture_size import Size
from caffelungo.passes.resize import ResizeOptions, at
from caffelungo.plan import memory_limits
from caffelungo.plan.build_plan import build_plan
from caffelungo.plan.plan import Plan
from caffelungo.weights.weights import Weights

Shapes = Mapping[str, Sequence[int]]
"""Inputs' shapes by blob, without the batch."""


def placed(definition: Definition, shapes: Shapes) -> Definition:
    """``definition`` whose Input layers have ``shapes`` instead of those in the file, which may be place-holders.

    Raises UserError for shapes that no input can have: sizes below 1, other axes than the file's, or more pixels than
    are ever decoded.
    """
    problems: list[Problem] = []
    edits: list[Edit] = []
    for index, layer in enumerate(definition.message.layer):
        if layer.type != "Input" or not any(top in shapes for top in layer.top):
            continue
        given = layer.input_param.shape
        known = [list(one.dim) for one in given]
        known = known * len(layer.top) if len(known) == 1 else known or [[] for _ in layer.top]
        if len(known) != len(layer.top):
            continue  # the plan tells
        wanted = []
        for top, own in zip(layer.top, known, strict=True):
            asked = shapes.get(top)
            if asked is not None:
                problems += _mistakes(definition, index, top, asked, own)
            wanted.append(own if asked is None else [own[0] if own else 1, *map(int, asked)])
        path = ("layer", index, "input_param", "shape")
        if wanted == known:
            continue
        if not all(wanted):
            continue  # another input of the layer is of unknown size, which is reported where it is needed
        for k, dims in enumerate(wanted):
            if k < len(given) and list(given[k].dim) != dims:
                edits += _dims((*path, k), list(given[k].dim), dims)
            elif k >= len(given):
                edits.append(SetField((*path, k, "dim"), dims))
    if problems:
        raise UserError(problems)
    return editor.apply(definition, edits) if edits else definition


def _dims(path: tuple[Any, ...], old: Sequence[int], new: Sequence[int]) -> list[Edit]:
    """Edits of the sizes that differ; the line of a shape with as many axes stays as it is written."""
    if len(old) != len(new):
        return [ClearField((*path, "dim")), SetField((*path, "dim"), list(new))]
    return [
        SetField((*path, "dim", k), value) for k, (was, value) in enumerate(zip(old, new, strict=True)) if was != value
    ]


def _mistakes(definition: Definition, index: int, top: str, asked: Sequence[int], own: Sequence[int]) -> list[Problem]:
    text, where = f"--shape {shell.word(f'{top}:{shape_text(tuple(asked))}')}", definition.where("layer", index)
    if not asked or any(size < 1 for size in asked):
        return [Problem(f"the shape given for input `{top}` has no size", where, text, "give sizes from 1")]
    if own and len(asked) != len(own) - 1:
        what = f"input `{top}` has {len(own) - 1} axes besides the batch"
        whole = shell.word(f"{top}:{shape_text(tuple(own[1:]))}")
        return [Problem(what, where, text, "give them all, as --shape " + whole)]
    if len(asked) == 3 and asked[1] * asked[2] > picture_size.MOST_PIXELS:
        return [Problem(f"a picture has at most {picture_size.MOST_PIXELS} pixels", where, text, "use a smaller shape")]
    return []


def sized(definition: Definition, size: Size | None, shapes: Shapes, outputs: Sequence[str] = ()) -> Definition:
    """``definition`` at ``size`` (None: as it is), where what leaves of it must fit; UserError as ``resize.resized``.

    Also where ``shapes`` give a picture's size, too.
    """
    if size is None:
        return definition
    picture_size.checked(size)
    twice = next((blob for blob, shape in shapes.items() if len(shape) == 3), None)
    if twice is not None:
        raise UserError(
            "the picture size is set twice",
            received=f"--size {picture_size.text(size)} and --shape {twice}:{shape_text(tuple(shapes[twice]))}",
            remedy="keep one of them",
        )
    return at(definition, ResizeOptions(size, phases=(TEST,), only=_kept(definition, shapes, outputs))).definition


def _kept(definition: Definition, shapes: Shapes, outputs: Sequence[str]) -> frozenset[str] | None:
    """The layers that leave; None where the size must be known to tell."""
    try:
        net = deploy_net(definition, shapes=shapes, outputs=outputs)
    except UserError:
        return None
    return frozenset(layer.name for layer in net.message.layer)


def plane(definition: Definition, size: Size | None, shapes: Shapes) -> Size | None:
    """Height and width given for the net's only picture, by an option or by its Input; None where only
    a data layer tells, or where it takes no picture or several."""
    if size is not None:
        return size
    plan = build_plan(definition.message, net_state(definition.message, TEST), problems=[])
    found = [one for one in _tops(plan, shapes) if one[1] is not None and len(one[1]) == 4 and one[1][1] in (1, 3)]
    if len(found) != 1:
        return None
    _, shape = found[0]
    assert shape is not None
    return (shape[2], shape[3]) if shape[2] and shape[3] else None


def _tops(plan: Plan, shapes: Shapes) -> list[tuple[str, Shape | None]]:
    """Inputs and the shapes given for them, batch included."""
    return [
        (top, (1, *shapes[top]) if top in shapes else known if one.layer.type == "Input" else None)
        for one in plan.sources
        for top, known in zip(one.tops, one.top_shapes, strict=True)
    ]


def recorded(record: Any | None, size: Size | None, who: str, weights: Weights | None) -> tuple[Any | None, list[str]]:
    """(record, notes): ``record`` for pictures of ``size`` (None: as it is), which ``who`` said: ``as asked``.

    The record is that of ``weights`` where they carry one, else the data layer's.
    """
    if record is None or size is None:
        return record, []
    old = preprocess.output_size(record, 0, 0)
    made, notes = preprocess.at_size(record, *size)
    if made is record:
        return record, []
    carried = weights is not None and weights.extras is not None and weights.extras.HasField("preprocessing")
    whose = "in the weights' record" if carried else "by the data layer"
    return made, [f"the picture's size is {_side(old)} {whose}, {_side(size)} {who}", *notes]


def _side(size: Size) -> str:
    return str(size[0]) if size[0] == size[1] else picture_size.text(size)


def room_for(plan: Plan, size: Size | None, shapes: Shapes) -> None:
    """UserError where a size was asked for at which the blobs of one picture do not fit into memory."""
    if size is not None:
        memory_limits.check(plan, f"--size {picture_size.text(size)}", every=True)
    elif shapes:
        blob, shape = next(iter(shapes.items()))
        memory_limits.check(plan, f"--shape {blob}:{shape_text(tuple(shape))}", every=True)
