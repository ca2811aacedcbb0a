"""GradMax's vectors into a net's weights, such that its answers stay; and where that cannot be, why not.

    zero incoming:  fc7_new = 0, bias EPSILON     columns of fc8 for fc7_new = vectors     bias of fc8 -= what they add
    zero outgoing:  fc7_new = vectors             columns of fc8 for fc7_new = 0
                    as long as makes the units a share as large as the old ones: the classifier learns at one pace

Caffe's ReLU has no gradient at exactly 0, so units whose incoming weights are zero would never learn. Their biases
start at EPSILON, where the ReLU is open, and the classifier's bias takes back what the units so add to it, which is one
number a class.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from caffelungo.errors import Problem
from caffelungo.layers.base import State
from caffelungo.layers.kinds import MIXING
from caffelungo.net.stepwise import StepNet
from caffelungo.plan.build_plan import Where
from caffelungo.plan.plan import PlannedLayer
from caffelungo.solve.init import gradmax
from caffelungo.solve.init.gradmax import Cross
from caffelungo.solve.init.newcomers import Newcomer, Outlet

Array = NDArray[np.float32]
Blobs = dict[str, list[Array]]

EPSILON = 1e-3
EVEN = 1e-4
"""What the units add to a map of classes may differ by this share between places, and still counts as one number."""
OTHERWISE = "--outgoing-zero (the reverse: the classifier's new columns are zero)"


def obstacles(groups: Sequence[Newcomer], outgoing_zero: bool, where: Where) -> list[Problem]:
    """What prevents GradMax in these groups."""
    found: list[Problem] = []
    for group in groups:
        found += _not_plain(group, where)
        if not outgoing_zero:
            found += _nothing_from_zero(group, where)
    return found


def _not_plain(group: Newcomer, where: Where) -> list[Problem]:
    """Where units or classifiers are not plain layers over channels."""
    units = group.units
    wrong = []
    if units.layer.options.axis != 1 or (units.layer.type == "Convolution" and _awkward(units)):
        wrong.append((f"`{group.name}`", units))
    for outlet in group.outlets:
        head = outlet.head
        windowed = head.layer.type == "Convolution" and (_awkward(head) or outlet.width != 1)
        if head.layer.options.axis != 1 or windowed:
            wrong.append((f"the classifier `{head.name}`", head))
    return [
        Problem(
            f"{name} is not a plain layer over channels, for which GradMax is defined",
            where("layer", one.index),
            "axis, group, or other than two spatial axes",
            "use --method lsuv",
        )
        for name, one in wrong
    ]


def _nothing_from_zero(group: Newcomer, where: Where) -> list[Problem]:
    """What behind units whose incoming weights are zero has no answer, or no slope, there."""
    found: list[Problem] = []
    for one in group.chain:
        if one.layer.type in MIXING:
            found.append(
                Problem(
                    f"`{one.name}` ({one.layer.type}) would divide by the length of what `{group.name}` gives, which "
                    "is 0 with zero incoming weights",
                    where("layer", one.index),
                    f"{one.layer.type} after new units",
                    f"grow with --no-normalize, or use {OTHERWISE}",
                )
            )
        elif one.layer.type == "BatchNorm":
            found.append(
                Problem(
                    f"`{one.name}` would divide by the spread of what `{group.name}` gives, which is 0 with zero "
                    "incoming weights",
                    where("layer", one.index),
                    "BatchNorm after new units",
                    f"use {OTHERWISE}",
                )
            )
    if not group.units.layer.options.bias_term and any(one.layer.shut_at_zero for one in group.chain):
        found.append(
            Problem(
                f"`{group.name}` has no bias, so the ReLU after it stays at 0, where its slope is 0",
                where("layer", group.units.index),
                "bias_term: false",
                f"remove bias_term, or use {OTHERWISE}",
            )
        )
    return found


def _awkward(one: PlannedLayer) -> bool:
    return one.layer.options.group != 1 or len(one.bottom_shapes[0] or ()) != 4


def zero_incoming(
    group: Newcomer, cross: Cross, blobs: Blobs, strength: float, seed: int, theirs: Mapping[str, Sequence[slice]]
) -> tuple[float, list[Problem]]:
    """Change ``blobs``: incoming weights of ``group`` to zero, outgoing ones to GradMax's, biases so that answers stay.

    ``strength`` times the mean norm of the columns of old units is the norm of new ones; ``theirs`` are the columns of
    all new units, by classifier. Returns how much larger the gradient is than with random columns, and what is wrong.
    """
    vectors = gradmax.outgoing(cross, group.size, seed)
    unit, *bias = blobs[group.name]
    unit[...] = 0
    if bias:
        bias[0][...] = EPSILON if any(one.layer.shut_at_zero for one in group.chain) else 0.0
    sizes = [_norms(outlet, blobs[outlet.head.name][0], theirs[outlet.head.name]) for outlet in group.outlets]
    norm = strength * float(np.sqrt(np.sum(np.square(sizes))))
    if norm == 0:
        heads = ", ".join(f"`{outlet.head.name}`" for outlet in group.outlets)
        return 0.0, [
            Problem(
                f"the weights of {heads} for old units are all zero, so there is no norm for new ones",
                None,
                heads,
                f"train the classifier first, or use {OTHERWISE}",
            )
        ]
    problems: list[Problem] = []
    first = 0
    for outlet in group.outlets:
        weight = blobs[outlet.head.name][0]
        count = _outputs(outlet, weight) * outlet.width
        columns = (norm * vectors[:, first : first + count]).astype(np.float32)
        first += count
        put(outlet, weight, group.size, columns)
        problems += _compensate(group, outlet, blobs)
    return gradmax.gain(cross, vectors, of_outgoing=True), problems


def zero_outgoing(group: Newcomer, cross: Cross, blobs: Blobs, seed: int) -> float:
    """Change ``blobs``: outgoing weights of ``group`` to zero, incoming ones to GradMax's, each of norm 1."""
    vectors = gradmax.incoming(cross, group.size, seed)
    unit, *bias = blobs[group.name]
    new = vectors.astype(np.float32)
    transposed = group.units.layer.type == "InnerProduct" and group.units.layer.options.transpose
    unit[...] = new.T if transposed else new.reshape(unit.shape)
    if bias:
        bias[0][...] = 0
    for outlet in group.outlets:
        weight = blobs[outlet.head.name][0]
        put(outlet, weight, group.size, np.zeros((group.size, _outputs(outlet, weight) * outlet.width), np.float32))
    return gradmax.gain(cross, vectors, of_outgoing=False)


def sizes(steps: StepNet, group: Newcomer, theirs: Sequence[slice]) -> tuple[float, float]:
    """The root mean squares of what a classifier reads of ``group`` and of old units, in the last forward pass.

    ``theirs`` are the inputs of all new units.
    """
    outlet = group.outlets[0]
    read = steps.data[outlet.head.bottom_values[0]].double()
    if outlet.head.layer.type == "InnerProduct":
        read = read.flatten(1)
    old = torch.ones(read.shape[1], dtype=torch.bool)
    for span in theirs:
        old[span] = False
    return (
        float(read[:, columns_of(group, outlet)].square().mean().sqrt()),
        float(read[:, old].square().mean().sqrt()),
    )


def columns_of(group: Newcomer, outlet: Outlet) -> slice:
    """The inputs of the classifier that belong to ``group``."""
    return slice(outlet.start, outlet.start + group.size * outlet.width)


def put(outlet: Outlet, weight: Array, units: int, columns: Array) -> None:
    """Write ``columns``, units x (outgoing weights of a unit), into a classifier's ``weight``."""
    span = slice(outlet.start, outlet.start + units * outlet.width)
    if outlet.head.layer.type == "Convolution":
        outputs, _inputs, *kernel = weight.shape
        weight[:, span] = columns.reshape(units, outputs, *kernel).swapaxes(0, 1)
        return
    block = columns.reshape(units, -1, outlet.width).swapaxes(0, 1).reshape(-1, units * outlet.width)
    if outlet.head.layer.options.transpose:
        weight[span] = block.T
    else:
        weight[:, span] = block


def _outputs(outlet: Outlet, weight: Array) -> int:
    """Outgoing weights to one place of the unit's map."""
    if outlet.head.layer.type == "Convolution":
        return weight.size // weight.shape[1]
    return int(outlet.head.layer.options.num_output)


def _norms(outlet: Outlet, weight: Array, theirs: Sequence[slice]) -> float:
    """The mean norm of the outgoing weights of old units."""
    if outlet.head.layer.type == "Convolution":
        rows = weight.swapaxes(0, 1).reshape(weight.shape[1], -1)
    else:
        rows = weight if outlet.head.layer.options.transpose else weight.T
    old = np.ones(len(rows), bool)
    for span in theirs:
        old[span] = False
    squares = np.square(rows[old].astype(np.float64)).sum(1)
    if not len(squares):
        return 0.0
    if len(squares) % outlet.width:
        return float(np.sqrt(squares.mean() * outlet.width))
    return float(np.sqrt(squares.reshape(-1, outlet.width).sum(1)).mean())


def _compensate(group: Newcomer, outlet: Outlet, blobs: Blobs) -> list[Problem]:
    """Take what idle units add to the classifier out of its bias; a Problem where that is not one number a class."""
    head = outlet.head
    with torch.no_grad():
        added = _added(group, outlet, blobs)
    flat = added.reshape(added.shape[1], -1)
    size = float(np.abs(flat).max())
    if size == 0:
        return []
    if len(blobs[head.name]) < 2:
        what, remedy = "has no bias to cancel what its new columns add", "remove bias_term"
    elif float((flat.max(1) - flat.min(1)).max()) > EVEN * size:
        what = "pads its input, so what its new columns add differs at the border and no bias can cancel it"
        remedy = "remove the padding"
    else:
        blobs[head.name][1] -= flat.mean(1).astype(np.float32).reshape(blobs[head.name][1].shape)
        return []
    return [Problem(f"the classifier `{head.name}` {what}", None, f"`{group.name}`", f"{remedy}, or use {OTHERWISE}")]


def _added(group: Newcomer, outlet: Outlet, blobs: Blobs) -> Array:
    """What the classifier's outputs get from units that all have their bias as their sum, for one sample; float64."""
    shape = [size or 1 for size in group.units.top_shapes[0] or ()]
    bias = blobs[group.name][1] if len(blobs[group.name]) > 1 else np.zeros(group.size, np.float32)
    values = torch.from_numpy(bias.astype(np.float64)).reshape(1, -1, *[1] * (len(shape) - 2))
    values = values.expand(1, *shape[1:]).contiguous()
    for one in group.chain:
        if one.layer.type != "Dropout":
            own = [torch.from_numpy(blob.astype(np.float64)) for blob in blobs.get(one.name, [])]
            values = one.layer.compute([values], own, State())[0]
    values = gradmax.along(outlet.path, values)
    weight = torch.from_numpy(blobs[outlet.head.name][0].astype(np.float64))
    inputs = weight.shape[0] if _transposed(outlet.head) else weight.shape[1]
    bottom = [1, inputs, *values.shape[2:]] if outlet.head.layer.type == "Convolution" else [1, inputs]
    read = torch.zeros(bottom, dtype=torch.float64)
    read[:, columns_of(group, outlet)] = values.reshape(1, -1, *bottom[2:])
    zero = [torch.zeros_like(torch.from_numpy(one).double()) for one in blobs[outlet.head.name][1:]]
    found: Array = outlet.head.layer.compute([read], [weight, *zero], State())[0].numpy()
    return found


def _transposed(head: PlannedLayer) -> bool:
    return head.layer.type == "InnerProduct" and bool(head.layer.options.transpose)
