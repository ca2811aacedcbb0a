"""How deep a net is tuned: everything, only what is new, or also the top pre-trained layers (Growing a Brain, table 1).

    before:  conv1 -> ... -> fc6 -> fc7 -> fc8, and steps that add fc7_new
    after:   NEW: conv1 ... fc7 frozen    TOP: conv1 ... fc6 frozen    TOP_TWO: conv1 ... the layer before fc6 frozen
             ALL: nothing is frozen

What is pre-trained is what was there before any step ran, so the step looks at the net first.
"""

from __future__ import annotations

from dataclasses import dataclass

from caffelungo.errors import UserError, did_you_mean
from caffelungo.passes import joined_units, unit_places
from caffelungo.passes.base import Note, Rewrite, Step
from caffelungo.passes.default_layers import top_classifier
from caffelungo.passes.freeze import FreezeOptions, freeze
from caffelungo.passes.new_units import feeding
from caffelungo.passes.option_fields import option
from caffelungo.passes.recursive import below
from caffelungo.passes.registry import REWRITE, register
from caffelungo.passes.view import View

TUNE = ("ALL", "NEW", "TOP", "TOP_TWO")
"""How deep is learned: everything, only what is new, and the top pre-trained layer or two besides."""


def tune_step(tuned: str) -> Step:
    """The step that freezes what ``tuned`` (one of ``TUNE``) leaves out; it looks at the net as it was before growth.

    Raises UserError for another word.
    """
    if tuned not in TUNE:
        known = [word.lower() for word in TUNE]
        near = did_you_mean(tuned, known)
        raise UserError(
            "unknown value for tune",
            received=tuned.lower(),
            remedy=f"did you mean {near}?" if near else f"use one of: {', '.join(known)}",
        )
    return Tuning(tuned)


@dataclass(frozen=True)
class TuneOptions:
    """``depth``: one of ``TUNE``."""

    depth: str = option("What learns: all, new, top (also the layer below the new ones) or top_two (two layers).",
                        flag="--tune", asks=True)  # fmt: skip


@dataclass
class Tuning:
    """Freezes the pre-trained layers that should not learn.

    ``look`` is called with the view before anything is grown, and notes the name of the last layer that is held, or
    all ``layers`` that are, where a classifier reads features of several.
    """

    tuned: str
    to: str | None = None
    layers: tuple[str, ...] = ()
    looked: bool = False

    def look(self, view: View) -> None:
        """Find the last pre-trained layer that is held fixed, None when all learn."""
        self.looked, self.to, self.layers = True, None, ()
        graph = view.graph
        head = top_classifier(view)
        joined = joined_units.read_by(graph, head.head)
        top = joined[-1].name if joined else feeding(graph, head)
        if top is None or self.tuned == "ALL":
            return
        if self.tuned == "NEW" and joined:
            self.layers = tuple(one.name for one in graph.upstream(joined) if not one.layer.source)
        elif self.tuned == "NEW":
            target = view.find(top)
            chain = [one for one in graph.chain(target) if one.layer.type != "Dropout"]
            self.to = (chain or [target])[-1].name
            return
        place = unit_places.find_place(view, graph, top, "tune")
        lower = below(view, graph, place) if self.tuned == "TOP_TWO" else None
        maker = graph.producer.get((lower or place).reads)
        self.to = maker.name if maker is not None and not maker.layer.source else None

    def __call__(self, view: View) -> Rewrite:
        if not self.looked:
            self.look(view)
        if self.to is None and not self.layers:
            return Rewrite(notes=(Note("every layer learns", None, f"tune: {self.tuned}"),))
        return freeze(view, FreezeOptions(self.to, self.layers))


@register("tune", verb=REWRITE, order=180, in_recipe=False, bind=lambda options: tune_step(options.depth),
          help="Train only new layers, or also the top pre-trained ones.")  # fmt: skip
def tune(view: View, options: TuneOptions) -> Rewrite:
    """The rewrite of a net that nothing is added to; among other steps use ``tune_step``, which looks first."""
    return tune_step(options.depth)(view)
