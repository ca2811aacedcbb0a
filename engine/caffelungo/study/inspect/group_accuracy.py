"""Accuracy with one group of units alone: what is read of the others is set to zero (Growing a Brain, figure 6)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from caffelungo.errors import UserError
from caffelungo.report.classification_score import wilson
from caffelungo.study.inspect.groups import Top, UnitGroup
from caffelungo.study.inspect.inspected_nets import Tuned
from caffelungo.study.inspect.samples import SampleBlock, Samples
from caffelungo.study.inspect.snapshots import Weighed
from caffelungo.weights import copy_table, formats, match_layers

ALL = "all units"


@dataclass(frozen=True)
class Right:
    """``right`` of ``samples`` with the units ``units`` alone, at ``iteration`` (None: the net that is inspected)."""

    iteration: int | None
    units: str
    right: int
    samples: int

    @property
    def share(self) -> float:
        return self.right / self.samples if self.samples else float("nan")

    @property
    def interval(self) -> tuple[float, float]:
        return wilson(self.right, self.samples)


def by_groups(tuned: Tuned, top: Top, parts: Iterable[SampleBlock], iteration: int | None = None) -> list[Right]:
    """Accuracy with each group alone, and with all."""
    graph = tuned.runner.graph
    after = {one.index for one in graph.downstream([top.reader])}
    rest = [one for one in tuned.runner.layers if one.index in after]
    counts = dict.fromkeys((*(group.name for group in top.groups), ALL), 0)
    samples = 0
    for part in parts:
        data = tuned.runner.forward(part.tensors)
        labels = torch.from_numpy(part.labels)
        samples += len(labels)
        counts[ALL] += _right(data[tuned.scores], labels)
        whole = data[top.value]
        for group in top.groups:
            data[top.value] = alone(whole, group)
            counts[group.name] += _right(tuned.runner.again(rest)[tuned.scores], labels)
    return [Right(iteration, name, right, samples) for name, right in counts.items()]


def alone(value: Tensor, group: UnitGroup) -> Tensor:
    """``value`` with every channel outside of ``group`` zero."""
    kept = torch.zeros_like(value)
    for start, stop in group.spans:
        kept[:, start:stop] = value[:, start:stop]
    return kept


def over_snapshots(
    tuned: Tuned, top: Top, samples: Samples, snapshots: list[Weighed], given: bool,
    each: Callable[[int, int], None] = lambda done, count: None,
) -> tuple[list[Right], list[str]]:  # fmt: skip
    """(accuracies, notices) at each of ``snapshots``; the net has its own weights again afterwards.

    A snapshot that does not fit is an error where the user named it (``given``), else it is left out.
    """
    found: list[Right] = []
    notices: list[str] = []
    store, plan = tuned.test.net.store, tuned.test.opened.plan
    own = {key: array.copy() for key, array in store.arrays().items()}
    try:
        for done, snapshot in enumerate(snapshots):
            try:
                table = match_layers.match(plan, formats.read(snapshot.path), where=tuned.test.opened.text.where)
                if table.problems:
                    raise UserError(table.problems)
                if missing := table.layers(copy_table.NEW):
                    raise UserError(
                        "the snapshot belongs to another net",
                        received=f"{snapshot.path} has no weights for {', '.join(missing[:3])}",
                        remedy="name the snapshots of the run that made the weights: --snapshots PREFIX",
                    )
            except UserError as error:
                if given:
                    raise
                notices.append(f"{snapshot.path.name} is skipped: {error.problems[0].what}")
                continue
            store.load(table.arrays)
            found += by_groups(tuned, top, samples, snapshot.iteration)
            each(done + 1, len(snapshots))
    finally:
        store.load(own)
    return found, notices


def _right(scores: Tensor, labels: Tensor) -> int:
    """How many are right; a tie with the true class is wrong, as in Caffe's Accuracy."""
    flat = scores.float().reshape(len(scores), -1).cpu()
    true = flat.gather(1, labels[:, None])
    return int(((flat >= true).sum(1) == 1).sum())


def shares(found: Iterable[Right], units: str) -> tuple[list[int], np.ndarray]:
    """(iterations, accuracies) of ``units`` over the snapshots."""
    points = sorted((one.iteration, one.share) for one in found if one.units == units and one.iteration is not None)
    return [iteration for iteration, _ in points], np.array([share for _, share in points])
