"""What the projects of `lungo finetune` do alike with a net: freeze, refine a fitted start, choose what is watched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from caffelungo.definition.definition import Definition
from caffelungo.passes.base import Note, Result, Step, run, step
from caffelungo.passes.freeze import FreezeOptions, freeze
from caffelungo.passes.stored_statistics import StatisticsOptions, stored_statistics
from caffelungo.passes.view import View
from caffelungo.projects.project_options import ProjectOptions
from caffelungo.rewriting.retarget import Opened

if TYPE_CHECKING:
    from caffelungo.probes.start_candidates import StartedNet


def freezing(options: ProjectOptions) -> tuple[Step, ...]:
    """The step for `--freeze-to`; none where it was not given."""
    return () if options.freeze_to is None else (step(freeze, FreezeOptions(options.freeze_to)),)


def refined(options: ProjectOptions, pointed: Result, started: StartedNet[Any]) -> tuple[Definition, list[Note]]:
    """The net that is trained from a fitted start, and what all passes did. Its BatchNorms keep their statistics."""
    result = run(started.definition, [step(stored_statistics, StatisticsOptions()), *freezing(options)])
    return result.definition, [*pointed.notes, *started.notes, *result.notes]


def loss_blob(definition: Definition, head: str | None = None) -> str:
    """The blob of the loss of ``head`` (None: the main one) in phase TEST, by which the best weights are chosen."""
    main = View(definition).heads(head)[-1]
    return next(end.tops[0] for end in main.ends if any(end.loss_weights))


def assumed(result: Result) -> list[str]:
    """What the passes assumed for want of knowledge."""
    return [f"{note.what} ({note.why})" for note in result.notes if "assumed:" in note.why]


def notices(opened: Opened, result: Result) -> list[str]:
    """What is worth a look in the net that was made."""
    given = assumed(result)
    if opened.weights is None:
        given.append("no weights are named, so every layer starts from its filler: --weights net.caffemodel")
    return given
