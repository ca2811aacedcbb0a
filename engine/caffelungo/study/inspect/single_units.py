"""Single units: which ones are worth a look, and the pictures to which they answer most."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from caffelungo.errors import UserError
from caffelungo.passes.unknown_layer import suggestion
from caffelungo.plan.plan import PlannedLayer
from caffelungo.study.inspect.groups import Top
from caffelungo.study.inspect.inspected_nets import Before, PlanRunner, Tuned
from caffelungo.study.inspect.reading import Readings
from caffelungo.study.inspect.similarity import Floats, correlation
from caffelungo.wording import counted

SHOWN = 6
"""Units of each kind that are chosen."""
BEST = 5
"""Pictures of a unit."""


@dataclass(frozen=True)
class Unit:
    """Unit ``index`` of ``layer``. ``after`` and ``before`` are the positions of the pictures to which it answers most,
    highest first, without those to which it does not answer; ``before`` is None where it did not exist.

    ``correlation`` is that of its answers to all pictures before and after, ``weight_change`` the length of
    its weights' change over that of the weights before.
    """

    layer: str
    index: int
    new: bool
    after: NDArray[np.int64]
    before: NDArray[np.int64] | None
    correlation: float
    weight_change: float
    mean: float

    @property
    def name(self) -> str:
        return f"{self.layer}:{self.index}"


def layers_of(top: Top) -> list[str]:
    """The layers whose units are at the top."""
    return list(dict.fromkeys(leaf.maker.name for leaf in top.leaves))


def check(wanted: Mapping[str, Sequence[int]], tuned: Tuned) -> None:
    """UserError with every layer or unit of ``wanted`` that is not there."""
    from caffelungo.errors import Problem

    known = {one.name: one for one in tuned.runner.layers if len(one.top_shapes[0] or ()) > 1}
    problems = []
    for layer, indices in wanted.items():
        if layer not in known:
            problems.append(
                Problem(
                    f"the net has no layer called `{layer}` before its outputs",
                    received=f"--units {layer}:{','.join(map(str, indices))}",
                    remedy=suggestion(layer, list(known)),
                )
            )
            continue
        count = _count(known[layer])
        beyond = [index for index in indices if index >= count]
        if beyond:
            problems.append(
                Problem(
                    f"layer `{layer}` has {counted(count, 'unit')}, counted from 0",
                    received=f"--units {layer}:{','.join(map(str, beyond))}",
                    remedy=f"use 0 to {count - 1}",
                )
            )
    if problems:
        raise UserError(problems)


def _count(planned: PlannedLayer) -> int:
    shape = planned.top_shapes[0]
    return int(shape[1] or 0) if shape is not None else 0


def chosen(
    wanted: Mapping[str, Sequence[int]], found: Readings, tuned: Tuned, before: Before | None, top: Top
) -> list[Unit]:
    """The units ``wanted``; where none is, the old ones that changed most and the new ones that answer most."""
    if wanted:
        return [
            unit for layer, indices in wanted.items() for unit in _of_layer(layer, indices, found, tuned, before, top)
        ]
    old: list[tuple[float, str, int]] = []
    new: list[tuple[float, str, int]] = []
    for layer in layers_of(top):
        fresh = _is_new(layer, top, before)
        answers, earlier = _answers(found, layer)
        mean = np.abs(answers).mean(0)
        active = (mean > 0) & (mean >= np.median(mean))
        if fresh or earlier is None:
            ranks = mean / max(float(mean.max()), 1e-12)
        else:
            # An answer that was always the same, as that of a unit that was dead, goes with no other.
            ranks = 1 - np.nan_to_num(correlation(earlier, answers))
        into = new if fresh else old
        into += [(float(ranks[index]), layer, int(index)) for index in np.flatnonzero(active)]
    picked = [one for group in (old, new) for one in sorted(group, key=lambda one: -one[0])[:SHOWN]]
    return [unit for _, layer, index in picked for unit in _of_layer(layer, [index], found, tuned, before, top)]


def _is_new(layer: str, top: Top, before: Before | None) -> bool:
    if any(leaf.maker.name == layer and leaf.new for leaf in top.leaves):
        return True
    return before is not None and layer not in before.known


def _answers(found: Readings, layer: str) -> tuple[Floats, Floats | None]:
    after = np.concatenate(found.after.answers[layer])
    earlier = found.before.answers.get(layer) if found.before is not None else None
    return after, np.concatenate(earlier) if earlier else None


def _of_layer(
    layer: str, indices: Sequence[int], found: Readings, tuned: Tuned, before: Before | None, top: Top
) -> list[Unit]:
    answers, earlier = _answers(found, layer)
    if earlier is not None and earlier.shape != answers.shape:
        earlier = None
    changes = weight_changes(layer, tuned.runner, before.runner) if before is not None and earlier is not None else None
    result = []
    for index in indices:
        one, past = answers[:, index], None if earlier is None else earlier[:, index]
        result.append(
            Unit(
                layer, index, _is_new(layer, top, before), best(one), None if past is None else best(past),
                float("nan") if past is None else float(correlation(past[:, None], one[:, None])[0]),
                float("nan") if changes is None else float(changes[index]), float(one.mean()),
            )
        )  # fmt: skip
    return result


def best(answers: Floats, count: int = BEST) -> NDArray[np.int64]:
    """Positions of the ``count`` highest of ``answers`` that are above zero, highest first; of equal ones the first.

    Where no answer is above zero because the unit passes no ReLU, those of the highest.
    """
    order = np.argsort(-answers, kind="stable")[:count]
    if answers.min() < 0:
        return order
    return order[answers[order] > 0]


def weight_changes(layer: str, after: PlanRunner, before: PlanRunner) -> Floats | None:
    """For each unit the length of its weights' change over that of its weights before; None without weights."""
    pair = [_weights(layer, runner) for runner in (before, after)]
    if pair[0] is None or pair[1] is None or pair[0].shape != pair[1].shape:
        return None
    size = np.linalg.norm(pair[0], axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(size > 0, np.linalg.norm(pair[1] - pair[0], axis=1) / size, np.nan))


def layer_change(layer: str, after: PlanRunner, before: PlanRunner) -> float:
    """The length of the change of a layer's weights (blob 0) over that of the weights before; NaN without weights."""
    pair = [_weights(layer, runner) for runner in (before, after)]
    if pair[0] is None or pair[1] is None or pair[0].shape != pair[1].shape or not np.linalg.norm(pair[0]):
        return float("nan")
    return float(np.linalg.norm(pair[1] - pair[0]) / np.linalg.norm(pair[0]))


def _weights(layer: str, runner: PlanRunner) -> Floats | None:
    """Units x inputs, float64."""
    found = runner.units(layer)
    if found is None or not found[0].params:
        return None
    planned = found[0]
    blob = runner.step.store.blobs(planned.key)[0].detach().cpu().numpy().astype(np.float64)
    if blob.ndim < 2:
        return None
    if planned.layer.type == "InnerProduct" and planned.layer.options.transpose:
        blob = blob.T
    return np.asarray(blob.reshape(len(blob), -1))


def commonest(labels: NDArray[np.int64]) -> tuple[int, int] | None:
    """(class, how many of ``labels`` are of it); None for none."""
    return Counter(labels.tolist()).most_common(1)[0] if len(labels) else None
