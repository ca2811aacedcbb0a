"""Computing blobs of a ``Net``: from the blobs that are given to those that are wanted, layer by layer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from caffelungo.api import kinds
from caffelungo.errors import Location, UserError, did_you_mean
from caffelungo.layers.base import Shape
from caffelungo.plan.plan import Plan, PlannedLayer
from caffelungo.wording import counted

if TYPE_CHECKING:
    from caffelungo.api.net_module import NetModule

Values = dict[int, Tensor]
"""Tensors by the number of the value they are (see ``Plan.values``)."""


def forward(
    net: NetModule, tensors: Sequence[Any], named: Mapping[str, Any], blobs: str | Sequence[str] | None
) -> Tensor | dict[str, Tensor]:
    """See ``Net.forward``."""
    if not torch.compiler.is_compiling() and kinds.taken(blobs, str | Sequence[str] | None) is kinds.NOT_OF_KIND:
        raise UserError("`blobs` takes the name of a blob or a list of names", where=_file(net), received=repr(blobs),
                        remedy="`net.blobs` lists all")  # fmt: skip
    values = given(net, tensors, named)
    plan = net.plan
    if blobs is None:
        layers = following(plan, values)
        computed = [value for planned in layers for value in planned.top_values]
        read = {value for planned in layers for value in planned.bottom_values}
        wanted = {plan.values[value].blob: value for value in computed if value not in read}
        if not wanted:
            raise UserError(
                "nothing of the net can be computed from what is given",
                where=_file(net),
                received=", ".join(plan.values[value].blob for value in values) or "no input",
                remedy=f"give {', '.join(net.inputs)}",
            )
    else:
        names = [blobs] if isinstance(blobs, str) else list(blobs)
        wanted = {name: number_of(net, name) for name in names}
        layers = needed(net, wanted.values(), values)
    run(net, layers, values, wanted.values())
    if isinstance(blobs, str) or (blobs is None and len(wanted) == 1):
        return values[next(iter(wanted.values()))]
    return {name: values[value] for name, value in wanted.items()}


def loss(net: NetModule, tensors: Sequence[Any], named: Mapping[str, Any]) -> Tensor:
    """See ``Net.loss``."""
    weights = {
        value: weight
        for planned in net.plan.layers
        for value, weight in zip(planned.top_values, planned.loss_weights, strict=True)
        if weight
    }
    if not weights:
        raise UserError(
            f"the net has no loss in phase {'TRAIN' if net.training else 'TEST'}",
            where=_file(net),
            received=f"outputs {', '.join(net.outputs)}",
            remedy="compute one from what the net returns, or open a net for training",
        )
    values = given(net, tensors, named)
    run(net, needed(net, weights, values), values, weights)
    terms = [weight * values[value].sum() for value, weight in weights.items()]
    return torch.stack(terms).sum() if len(terms) > 1 else terms[0]


def given(net: NetModule, tensors: Sequence[Any], named: Mapping[str, Any]) -> Values:
    """What the caller gives, as float32 tensors on the net's device; UserError for what does not fit."""
    plan, inputs = net.plan, net.inputs
    if len(tensors) > len(inputs):
        raise UserError(
            f"the net takes {counted(len(inputs), 'input')} in this phase",
            where=_file(net),
            received=counted(len(tensors), "tensor"),
            remedy=f"give {', '.join(inputs)}, in this order or by name",
        )
    together = dict(zip(inputs, tensors, strict=False))
    if twice := [name for name in named if name in together]:
        raise UserError(f"blob `{twice[0]}` is given twice", where=_file(net), remedy="give it by place or by name")
    device = next((parameter.device for parameter in net.parameters()), None)
    values: Values = {}
    for name, value in (together | dict(named)).items():
        number = number_of(net, name, entering=True)
        try:
            tensor = torch.as_tensor(value, device=device)
        except (TypeError, ValueError, RuntimeError) as error:
            raise UserError(
                f"blob `{name}` takes a tensor or an array", where=_file(net),
                received=f"a value of type {type(value).__name__}", remedy="`net.preprocess` makes one of pictures",
            ) from error  # fmt: skip
        if tensor.dtype == torch.float64 and not any(one.dtype == torch.float64 for one in net.parameters()):
            tensor = tensor.float()  # what NumPy makes of numbers
        tensor = tensor if tensor.is_floating_point() else tensor.float()
        _check_shape(net, plan, number, tensor)
        values[number] = tensor
    return values


def number_of(net: NetModule, name: str, entering: bool = False) -> int:
    """The number of the value that the blob ``name`` is: as its last writer leaves it, or as it enters the net."""
    plan = net.plan
    if entering:
        for planned in plan.sources:
            if name in planned.tops:
                return planned.top_values[planned.tops.index(name)]
    found = [number for number, value in enumerate(plan.values) if value.blob == name]
    if found:
        return found[-1]
    near = did_you_mean(name, [*plan.blobs, *(["blobs"] if entering else [])])  # net(x, blob="conv1") means blobs=
    raise UserError(
        f"the net has no blob called `{name}` in phase {'TRAIN' if net.training else 'TEST'}",
        where=_file(net),
        received=name,
        remedy=f"did you mean `{near}`?" if near else f"its inputs are {', '.join(net.inputs)}; `net.blobs` lists all",
    )


def following(plan: Plan, values: Mapping[int, Tensor]) -> list[PlannedLayer]:
    """The layers that can be computed from ``values``, in order."""
    known, found = set(values), []
    for planned in plan.layers:
        if not planned.layer.source and known.issuperset(planned.bottom_values) and planned.bottom_values:
            if known.issuperset(planned.top_values):
                continue
            found.append(planned)
            known.update(planned.top_values)
    return found


def needed(net: NetModule, wanted: Iterable[int], values: Mapping[int, Tensor]) -> list[PlannedLayer]:
    """The layers that ``wanted`` depend on beyond ``values``, in order; UserError for inputs that are missing."""
    plan = net.plan
    maker = {value: planned for planned in plan.layers for value in planned.top_values}
    found: dict[int, PlannedLayer] = {}
    missing: dict[str, None] = {}
    queue, seen = list(wanted), set(values)
    while queue:
        value = queue.pop()
        if value in seen:
            continue
        seen.add(value)
        planned = maker[value]
        if planned.layer.source:
            missing[plan.values[value].blob] = None
        elif planned.index not in found:
            found[planned.index] = planned
            queue += planned.bottom_values
    if missing:
        raise UserError(
            f"blob `{next(iter(missing))}` is needed and not given",
            where=_file(net),
            received=", ".join(plan.values[value].blob for value in values) or "no input",
            remedy=f"give {', '.join(net.inputs)}, in this order or by name",
        )
    return [planned for planned in plan.layers if planned.index in found]


def run(net: NetModule, layers: Sequence[PlannedLayer], values: Values, wanted: Collection[int]) -> None:
    """Compute ``layers`` one after the other; their tops are added to ``values``.

    Values that no further layer reads and that are not ``wanted`` are taken out, so that their memory is free.
    """
    reads = Counter(value for planned in layers for value in planned.bottom_values)
    entered = frozenset(values)
    for planned in layers:
        bottoms = [values[value] for value in planned.bottom_values]
        if torch.compiler.is_compiling():
            tops = net.child_of(planned)(*bottoms)
        else:
            tops = _computed(net, planned, bottoms, entered)
        del bottoms
        values.update(zip(planned.top_values, [tops] if len(planned.tops) == 1 else tops, strict=True))
        del tops
        reads.subtract(planned.bottom_values)
        for value in {*planned.bottom_values, *planned.top_values}:
            if not reads[value] and value not in wanted:
                values.pop(value, None)


def _computed(net: NetModule, planned: PlannedLayer, bottoms: Sequence[Tensor], entered: frozenset[int]) -> Any:
    """The tops of one layer; UserError for given labels that are no classes of it, and for sizes that do not fit."""
    if entered.intersection(planned.bottom_values):
        _check_labels(net, planned, bottoms)
    try:
        return net.child_of(planned)(*bottoms)
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        if fits(planned, bottoms):
            raise
        raise UserError(
            f"layer `{planned.name}` ({planned.layer.type}) cannot read blobs of these sizes",
            where=_file(net),
            received=", ".join(
                f"`{blob}` {' x '.join(map(str, bottom.shape))}"
                for blob, bottom in zip(planned.bottoms, bottoms, strict=True)
            ),
            remedy="give inputs of "
            + ", ".join(
                f"`{name}` {sizes(shape)}"
                for source in net.plan.sources
                for name, shape in zip(source.tops, source.top_shapes, strict=True)
                if shape
            ),
        ) from error


def fits(planned: PlannedLayer, bottoms: Sequence[Tensor]) -> bool:
    """Whether ``bottoms`` have the sizes that the plan knows, whatever the batch."""
    return all(
        shape is None
        or (
            len(shape) == bottom.dim()
            and all(known in (None, size) for known, size in zip(shape[1:], bottom.shape[1:], strict=True))
            and len(bottom) == len(bottoms[0])
        )
        for shape, bottom in zip(planned.bottom_shapes, bottoms, strict=True)
    )


def _check_labels(net: NetModule, planned: PlannedLayer, bottoms: Sequence[Tensor]) -> None:
    """UserError for class numbers among ``bottoms`` that the layer has no class for, which would give NaN."""
    from caffelungo.solve import labels_outside

    if len({len(bottom) if bottom.dim() else 1 for bottom in bottoms}) == 1 and (
        what := labels_outside.found(planned, bottoms)
    ):
        raise UserError(what, where=_file(net), remedy="correct the labels, or give the classifier more outputs")


def param_groups(net: NetModule, lr: float, weight_decay: float) -> list[dict[str, Any]]:
    """See ``Net.param_groups``."""
    groups: dict[tuple[float, float], list[Any]] = {}
    seen: set[int] = set()
    for planned in net.plan.layers:
        if planned.layer.source:
            continue
        for use, blob in zip(planned.params, net.child_of(planned).blobs, strict=True):
            if blob.requires_grad and id(blob) not in seen:
                seen.add(id(blob))
                groups.setdefault((use.lr_mult, use.decay_mult), []).append(blob)
    return [
        {"params": blobs, "lr": lr * rate, "weight_decay": weight_decay * decay}
        for (rate, decay), blobs in groups.items()
    ]


def no_module(net: NetModule, name: str) -> UserError:
    """What to say of a layer that only gives data."""
    return UserError(
        f"layer `{name}` gives data to the net and computes nothing",
        where=_file(net),
        received=name,
        remedy="name a layer with a bottom",
    )


def _check_shape(net: NetModule, plan: Plan, number: int, tensor: Tensor) -> None:
    """UserError for another number of axes or channels than the file says."""
    known = plan.values[number].shape
    if known is None or len(known) < 2:
        return
    channels = known[1]
    if len(known) != tensor.dim() or (channels is not None and tensor.shape[1] != channels):
        raise UserError(
            f"blob `{plan.values[number].blob}` takes {sizes(known)}",
            where=_file(net),
            received=" x ".join(map(str, tensor.shape)),
            remedy="give batch x channels x height x width; `net.preprocess` makes that of pictures",
        )


def sizes(shape: Shape) -> str:
    """A shape for people, for batches of any size: ``N x 3 x 227 x 227``."""
    return " x ".join(["N", *("?" if size is None else str(size) for size in shape[1:])]) if shape else "scalar"


def _file(net: NetModule) -> Location:
    return Location(str(net.definition.path))
