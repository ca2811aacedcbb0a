"""What of a net cannot learn, found from its plan and its solver before anything runs. No torch.

Each function gives notices: all of this is allowed, and Caffe does not mention it.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from caffelungo.errors import Problem
from caffelungo.layers.kinds import NEURONS
from caffelungo.passes.view import Graph
from caffelungo.plan import namesakes
from caffelungo.plan.build_plan import Where
from caffelungo.plan.plan import ParamKey, ParamUse, Plan, PlannedLayer
from caffelungo.solve.learning_rate import Schedule
from caffelungo.wording import counted, listed

FEW = 4
"""Batches of at most this size give BatchNorm statistics that differ much from batch to batch."""
POINTS = 2000
"""Iterations of a schedule that are looked at."""
NAMED = 3
"""Layers that a notice names one by one."""

_FILL = 'Write `weight_filler { type: "xavier" }`, or train from weights that have'


def train_notices(plan: Plan, loaded: Collection[ParamKey] = (), *, settled: bool = True) -> list[str]:
    """What of the train net ``plan`` cannot learn; ``loaded`` are the blobs that come from a weights file.

    Without ``settled``, weights may still be named later: a net that is written without any filler, or with stored
    statistics, is meant for some. Nothing is said of a net with shapes that are not known yet.
    """
    if not any(any(planned.loss_weights) for planned in plan.layers):
        return []
    if any(None in planned.bottom_shapes for planned in plan.layers):
        return []
    graph = Graph(plan)
    found = [*namesakes.notices(plan), *_rates(plan), *_unreached(graph), *_small_batches(plan)]
    if settled or not _awaits_weights(plan):
        found += [*_zeros(graph, loaded), *_blank(plan, loaded)]
    return found


def test_notices(plan: Plan) -> list[str]:
    """What of the test net ``plan`` makes its answers depend on what else is in the batch."""
    names = [
        one.name for one in plan.layers
        if one.layer.type == "BatchNorm" and one.layer.options.HasField("use_global_stats") and not one.layer.stored  # type: ignore[attr-defined]
    ]  # fmt: skip
    if not names:
        return []
    return [
        f"{_layers(names)} (BatchNorm) {_has(names)} `use_global_stats: false` in TEST: answers depend on the other "
        "samples of a batch; leave the field out, and TEST uses the stored statistics"
    ]


def loss_problem(plan: Plan, where: Where) -> Problem | None:
    """What to say when a net is to be trained and nothing in it is a loss; None when something is."""
    if any(any(planned.loss_weights) for planned in plan.layers):
        return None
    losses = [planned for planned in plan.layers if planned.layer.loss]
    if losses:
        names = ", ".join(f"`{one.name}`" for one in losses)
        return Problem(
            "the train net has no loss: every loss_weight is 0", where("layer", losses[0].index, "loss_weight"),
            f"loss_weight: 0 in {names}", "leave loss_weight out, which means 1, or give one a weight above 0",
        )  # fmt: skip
    return Problem(
        "the train net has no loss", where(), f"outputs {', '.join(plan.outputs) or '(none)'}",
        "add a loss layer such as SoftmaxWithLoss, or give a layer a loss_weight",
    )  # fmt: skip


def rate_notices(solver: Any) -> list[str]:
    """Whether the learning rate of ``solver`` (without problems) is 0 throughout, or from somewhere on."""
    last = int(solver.max_iter)
    if last <= 0:
        return []
    schedule = Schedule(solver)
    points = sorted({*range(0, last, max(1, last // POINTS)), last - 1})
    try:
        moving = [iteration for iteration in points if schedule.rate(iteration) != 0]
    except (OverflowError, ValueError, ZeroDivisionError):
        return []
    if not moving:
        why = "base_lr is 0" if solver.base_lr == 0 else f'the rate of lr_policy "{solver.lr_policy}" is 0'
        return [f"{why}, so nothing is learned; write `base_lr: 0.001` for fine-tuning, `base_lr: 0.01` from scratch"]
    if moving[-1] < last // 2:
        return [
            f'the rate of lr_policy "{solver.lr_policy}" is 0 from about iteration {moving[-1] + 1} of {last} on, so '
            "nothing is learned after it; look at gamma, and at the iterations where the rate falls"
        ]
    return []


def _awaits_weights(plan: Plan) -> bool:
    """Whether no layer with weights says how they start, or statistics are used before there are any."""
    weights = [use for planned in plan.layers for use in planned.params if use.spec.name == "weight"]
    if any(planned.layer.type == "BatchNorm" and planned.layer.stored for planned in plan.layers):  # type: ignore[attr-defined]
        return True
    return all(_constant(use.spec.filler) == 0 for use in weights)


def _learning(plan: Plan) -> Iterator[tuple[PlannedLayer, ParamUse]]:
    """The blobs that a solver changes, each where it is owned."""
    for planned in plan.layers:
        for use in planned.params:
            if use.owner and use.spec.learned and use.lr_mult != 0:
                yield planned, use


def _rates(plan: Plan) -> list[str]:
    if any(True for _ in _learning(plan)):
        return []
    if not any(use.spec.learned for planned in plan.layers for use in planned.params):
        return ["no layer of the train net has weights, so there is nothing to learn"]
    return [
        "lr_mult is 0 for all layers of the train net, so nothing is learned; write `param { lr_mult: 1 }` into "
        "those that should learn, or remove their `param` blocks"
    ]


def _unreached(graph: Graph) -> list[str]:
    """Layers with a rate that no gradient of a loss arrives at."""
    arrive, without_stops = _reached(graph, stops=True), _reached(graph, stops=False)
    stopped: list[str] = []
    apart: list[str] = []
    for planned, use in _learning(graph.plan):
        if use.key not in arrive:
            (stopped if use.key in without_stops else apart).append(planned.name)
    found = []
    if names := list(dict.fromkeys(stopped)):
        found.append(
            f"no gradient reaches {_layers(names)}: `propagate_down: false` stops it; write `lr_mult: 0` into "
            f"{_them(names)} if that is intended, otherwise remove propagate_down"
        )
    if names := list(dict.fromkeys(apart)):
        found.append(
            f"no loss depends on {_layers(names)}, so nothing is learned there; write `lr_mult: 0`, leave "
            f"{_them(names)} out of TRAIN, or join {_them(names)} to a loss"
        )
    return found


def _reached(graph: Graph, stops: bool) -> set[ParamKey]:
    """The blobs that get a gradient; ``stops``: propagate_down is obeyed."""
    values: set[int] = set()
    keys: set[ParamKey] = set()
    for planned in reversed(graph.plan.layers):
        if not (any(planned.loss_weights) or values.intersection(planned.top_values)):
            continue
        if not planned.layer.differentiable:
            continue
        keys.update(use.key for use in planned.params)
        for position, value in enumerate(planned.bottom_values):
            passes = planned.propagate_down[position] if position < len(planned.propagate_down) else True
            if (passes or not stops) and position not in planned.layer.labels:
                values.add(value)
    return keys


def _zeros(graph: Graph, loaded: Collection[ParamKey]) -> list[str]:
    """Layers whose weights all start at one value in such a way that they, or the differences of their units, stay."""
    dead: list[str] = []
    alike: list[str] = []
    for planned in graph.plan.layers:
        value = _start(planned, loaded)
        if value is None:
            continue
        zero = value == 0 and _start_of_bias(planned, loaded) == 0
        readers, steps = _next_weights(graph, planned)
        starts = [_start(reader, loaded) for reader in readers]
        if zero and _meets_relu(graph, planned):
            dead += [planned.name, *(one.name for one, start in zip(readers, starts, strict=True) if start == 0)]
        elif readers and all(start is not None for start in starts):
            if zero and all(start == 0 for start in starts) and all(_keeps_zero(step) for step in steps):
                dead += [planned.name, *(reader.name for reader in readers)]
            elif planned.top_shapes[0] is not None and (planned.top_shapes[0][1:2] or (1,))[0] != 1:
                alike.append(planned.name)
    found = []
    if names := list(dict.fromkeys(dead)):
        found.append(
            f"{_layers(names)} start{_s(names)} at zero weights (no weight_filler means constant 0), which pass no "
            f"gradient: the weights never change. {_FILL} {_them(names)}"
        )
    if names := [name for name in dict.fromkeys(alike) if name not in dead]:
        found.append(
            f"all units of {_layers(names)} start alike, and so do the layers that read them: they stay alike, as one "
            f"unit. {_FILL} {_them(names)}"
        )
    return found


def _start(planned: PlannedLayer, loaded: Collection[ParamKey]) -> float | None:
    """The one value that all weights of a layer that learns start at; None when they differ, or are loaded or held."""
    for use in planned.params:
        if use.spec.name == "weight" and use.key not in loaded and use.lr_mult != 0:
            return _constant(use.spec.filler)
    return None


def _start_of_bias(planned: PlannedLayer, loaded: Collection[ParamKey]) -> float | None:
    """As ``_start``, for the bias; 0 for a layer without one."""
    bias = next((use for use in planned.params if use.spec.name == "bias"), None)
    if bias is None:
        return 0.0
    return None if bias.key in loaded else _constant(bias.spec.filler)


def _constant(filler: Any) -> float | None:
    """The value that ``filler`` gives every element; None when they differ."""
    if filler.type == "constant":
        return float(filler.value)
    if filler.type == "gaussian" and filler.std == 0:
        return float(filler.mean)
    if filler.type == "uniform" and filler.min == filler.max:
        return float(filler.min)
    return None


def _meets_relu(graph: Graph, planned: PlannedLayer) -> bool:
    """Whether zeros of ``planned`` come to a ReLU as zeros, whose gradient there is its negative_slope."""
    for one in graph.chain(planned):
        if one.layer.type == "ReLU":
            return one.layer.slope == 0  # type: ignore[attr-defined,no-any-return]
        if not _keeps_zero(one):
            return False
    return False


def _keeps_zero(planned: PlannedLayer) -> bool:
    """Whether a layer gives zeros for zeros."""
    if planned.layer.type == "Scale":
        return len(planned.bottoms) == 1 and _start_of_bias(planned, ()) == 0
    return planned.layer.zero_stays or planned.layer.type not in NEURONS


def _next_weights(graph: Graph, planned: PlannedLayer) -> tuple[list[PlannedLayer], list[PlannedLayer]]:
    """The next layers with weight matrices that read ``planned``, and what is between. No layers at all where another
    branch joins in: what comes from there tells units apart."""
    found: list[PlannedLayer] = []
    between: list[PlannedLayer] = []
    queue, seen = list(planned.top_values), set(planned.top_values)
    while queue:
        for reader in graph.consumers(queue.pop()):
            if reader in found or reader in between or any(reader.loss_weights):
                continue
            if any(use.spec.name == "weight" for use in reader.params):
                found.append(reader)
                continue
            if len(reader.bottoms) > 1:
                return [], []
            between.append(reader)
            queue += [value for value in reader.top_values if value not in seen]
            seen.update(reader.top_values)
    return found, between


def _small_batches(plan: Plan) -> list[str]:
    small: dict[int, list[str]] = {}
    single = []
    for planned in plan.layers:
        shape = planned.bottom_shapes[0] if planned.bottom_shapes else None
        if planned.layer.type != "BatchNorm" or planned.layer.stored or not shape or shape[0] is None:  # type: ignore[attr-defined]
            continue
        if math.prod(size or 0 for axis, size in enumerate(shape) if axis != 1) == 1:
            single.append(planned.name)
        elif shape[0] <= FEW:
            small.setdefault(shape[0], []).append(planned.name)
    found = []
    if single:
        found.append(
            f"{_layers(single)} (BatchNorm) see{_s(single)} one value per channel in a batch of 1, "
            "and its difference from its own mean is always 0: use larger batches, or `use_global_stats: true` with "
            "pre-trained statistics"
        )
    for batch, names in small.items():
        found.append(
            f"{_layers(names)} (BatchNorm) take{_s(names)} mean and variance from batches of "
            f"{batch} in TRAIN, which differ much from those that TEST uses: use larger batches, or in fine-tuning "
            "`use_global_stats: true`"
        )
    return found


def _blank(plan: Plan, loaded: Collection[ParamKey]) -> list[str]:
    names = blank_statistics(plan, loaded)
    if not names:
        return []
    return [
        f"{_layers(names)} (BatchNorm) {_has(names)} `use_global_stats: true` and no statistics: with "
        "mean and variance 0 the values grow hundreds of times. Train from weights that have "
        f"{_them(names)}, or remove the field"
    ]


def blank_statistics(plan: Plan, loaded: Collection[ParamKey] = ()) -> list[str]:
    """The BatchNorm layers of ``plan`` that normalize by stored statistics which nothing has filled yet."""
    return [
        planned.name for planned in plan.layers
        if planned.layer.type == "BatchNorm" and planned.layer.stored  # type: ignore[attr-defined]
        and all(use.key not in loaded for use in planned.params)
    ]  # fmt: skip


def _layers(names: Sequence[str]) -> str:
    word = "layer" if len(names) == 1 else f"{counted(len(names), 'layer')}:" if len(names) > NAMED else "layers"
    return f"{word} {listed([f'`{name}`' for name in names], NAMED)}"


def _s(names: Sequence[str]) -> str:
    return "s" if len(names) == 1 else ""


def _has(names: Sequence[str]) -> str:
    return "has" if len(names) == 1 else "have"


def _them(names: Sequence[str]) -> str:
    return "it" if len(names) == 1 else "them"
