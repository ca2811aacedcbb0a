"""The bar of a comparison: cells that fit linear classifiers on the frozen net, and their results. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from caffelungo.definition.reader import Definition
from caffelungo.passes.stage_ends import stage_ends
from caffelungo.passes.view import View
from caffelungo.study.arms import PROBE, REFERENCE, Configuration
from caffelungo.study.cells import Cell, CellResult
from caffelungo.study.comparison_task import Task
from caffelungo.study.search import ArmCandidate, Outcome

KIND = "caffelungo.study.probe_cell:probe"
DEPTH = "PROBE"
"""Stands where a trained arm has its depth of tuning."""


def reference(candidates: Sequence[ArmCandidate]) -> ArmCandidate | None:
    """The net as it is, with a fresh classifier: what is probed. None when it could not be built."""
    found = [one for one in candidates if one.configuration.arm.name == REFERENCE and one.refusal is None]
    return found[0] if found else None


def cells(one: ArmCandidate, net: Definition, batch: int) -> list[Cell]:
    """A cell a seed; UserError for a net whose stages are not known. ``net`` is that of ``one``."""
    blobs = stage_ends(View(net))
    return [
        Cell(
            KIND,
            {"net": one.net, "weights": weights, **one.task.fields(seed), "seed": seed, "batch": batch, "blobs": blobs},
            title=f"linear classifiers, seed {seed}",
        )
        for seed, weights in enumerate(one.weights)
    ]


def outcomes(task: Task, asked: Sequence[Cell], results: Mapping[str, CellResult]) -> list[Outcome]:
    """One for each blob, and one for all; a single one that says why where a cell failed."""
    found = [results[cell.key] for cell in asked if cell.key in results]
    failed = [result.error for result in found if not result.done]
    if failed or len(found) < len(asked) or not found:
        return [Outcome(Configuration(PROBE, DEPTH), failure=failed[0] if failed else "not run")] if asked else []
    made = []
    for number, first in enumerate(found[0].values["probes"]):
        each = [result.values["probes"][number] for result in found]
        labels = [result.values["labels"] for result in found]
        right = [np.equal(one["predictions"], true) for one, true in zip(each, labels, strict=True)]
        made.append(
            Outcome(
                Configuration(PROBE, DEPTH, blobs=tuple(first["blobs"])), right=task.table(right),
                validation=_mean(each, "validation_accuracy"), loss=_mean(each, "loss"),
                seconds=_mean(each, "seconds"), parameters=int(first["parameters"]),
            )
        )  # fmt: skip
    return made


def best(found: Sequence[Outcome]) -> Outcome | None:
    """The linear classifier with the least loss in the cross-validation; None where there is none.

    Neither validation nor test pictures have a say in it.
    """
    probes = [one for one in found if one.configuration.tune == DEPTH and one.right is not None]
    return min(probes, key=lambda one: one.loss, default=None)


def _mean(probes: Sequence[Mapping[str, float]], name: str) -> float:
    return float(np.mean([probe[name] for probe in probes]))
