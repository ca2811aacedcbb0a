"""`lungo inspect`, from options to a folder with a page and the numbers behind it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from caffelungo.errors import UserError
from caffelungo.solve.engine import out_of_memory
from caffelungo.study.inspect import embedding, filters, group_accuracy, single_units, snapshots, writing
from caffelungo.study.inspect.groups import find_top
from caffelungo.study.inspect.inspect_findings import (
    InspectFindings,
    classify,
    feature_maps,
    group_rows,
    hardest,
    layer_rows,
)
from caffelungo.study.inspect.inspected_nets import Before, Tuned, open_before, open_tuned
from caffelungo.study.inspect.options import InspectOptions, wanted_units
from caffelungo.study.inspect.reading import look
from caffelungo.study.inspect.samples import Samples

Progress = Callable[[str, int, int], None]


def inspect(options: InspectOptions, console: Any = None, progress: Progress = lambda what, done, count: None) -> Path:
    """Inspect, write everything into ``options.out``; the page's path. UserError and RunError as they come."""
    found, samples = find(options, console, progress)
    return writing.write(found, samples, options)


def find(
    options: InspectOptions, console: Any = None, progress: Progress = lambda what, done, count: None
) -> tuple[InspectFindings, Samples]:
    """Everything that there is to be found, and the pictures it was found on."""
    wanted = wanted_units(options.units)
    if options.per_class is not None and options.per_class < 1:
        raise UserError("--per-class must be at least 1", received=str(options.per_class), remedy="as 20")
    run = snapshots.find(options.snapshots, options.weights)
    tuned = open_tuned(options, console)
    single_units.check(wanted, tuned)
    notices: list[str] = []
    before = _before(options, tuned, notices)
    learned = {one.name for one in tuned.test.opened.plan.layers if one.params}
    new = learned - before.old if before is not None else set()
    top = find_top(tuned.runner.graph, tuned.head, new)
    samples = Samples(tuned.test, tuned.judge, options.per_class)
    answering = {*single_units.layers_of(top), *wanted}
    layers = list(dict.fromkeys([*(one.name for one in tuned.runner.learned), *answering]))
    size = samples.source.size or tuned.test.batches * tuned.test.opened.batch_size
    classes = tuned.runner.graph.shape(tuned.scores)
    expected = min(size, (options.per_class or size) * int((classes or (0, 1))[1] or 1))
    try:
        parts = samples.watched(lambda done, count: progress("running the nets on the pictures", done, count))
        readings = look(tuned, before, top, layers, answering, parts, expected)
        now = group_accuracy.by_groups(tuned, top, samples) if top.groups else []
        progress("evaluating the snapshots", 0, len(run))
        curves, left_out = group_accuracy.over_snapshots(
            tuned, top, samples, run if len(run) > 1 or options.snapshots is not None else [],
            options.snapshots is not None,
            lambda done, count: progress("evaluating the snapshots", done, count),
        )  # fmt: skip
    except RuntimeError as error:
        if readable := out_of_memory(error, f"a batch of {tuned.test.opened.batch_size} on {tuned.test.engine.device}"):
            raise readable from error
        raise
    logits = np.concatenate(readings.after.logits)
    names = tuned.test.names
    if len(names) != logits.shape[1]:
        names = [str(number) for number in range(logits.shape[1])]
    progress("comparing", 0, 1)
    found = InspectFindings(
        tuned, before, top, readings, names,
        classify(logits, readings.labels, names),
        layer_rows(tuned, before, readings), group_rows(top, readings), now, curves,
        single_units.chosen(wanted, readings, tuned, before, top),
        hardest(logits, readings), feature_maps(top, readings, options.seed),
        filters.first(tuned, before, _reads_bgr(samples)),
        embedding.method(len(readings.mapped)),
        [*notices, *left_out],
    )  # fmt: skip
    progress("comparing", 1, 1)
    return found, samples


def _before(options: InspectOptions, tuned: Tuned, notices: list[str]) -> Before | None:
    given = options.before
    if given is None:
        given = snapshots.began_with(options.weights)
        if given is None:
            if options.before_model is not None:
                raise UserError(
                    "--before-model needs the weights of that net",
                    received=f"--before-model {options.before_model}",
                    remedy="name them with --before",
                )
            notices.append(
                "The net before training is unknown, so only the tuned one is shown: give the "
                "weights that it began with as --before."
            )
            return None
        try:
            before = open_before(options, given, tuned)
        except UserError as error:
            notices.append(
                f"The training's record names {given} as the weights it began with, but they cannot be compared: "
                f"{error.problems[0].what}. Name others with --before."
            )
            return None
    else:
        before = open_before(options, given, tuned)
    notices += before.notices
    return before


def _reads_bgr(samples: Samples) -> bool:
    from caffelungo.definition.schema import Preprocessing

    record = samples.source.record
    return bool(record is None or record.channel_order != Preprocessing.RGB)
