"""A learning rate for each layer: by name, or falling with the distance from the classifier.

before:  conv1 (1) -> conv2 (1) -> fc3 (1) -> fc4_new (10)                    lr_mult in brackets
after:   --rate 'conv*=0.1'    conv1 (0.1) -> conv2 (0.1) -> fc3 (1)    -> fc4_new (10)
         --rate-decay 0.5      conv1 (0.125) -> conv2 (0.25) -> fc3 (0.5) -> fc4_new (10)
         biases keep their ratio to the weights; frozen layers stay frozen; decay_mult stays

Discriminative rates: Howard and Ruder 2018 (ULMFiT) divide by 2.6 a layer, which is a decay of 0.385. Layer-wise decay
as in fine-tuning of transformers takes 0.65 to 0.95. The depth of a layer is the number of weighted layers on the
longest way from it to a classifier, so branches of a block learn alike.
"""

from __future__ import annotations

from dataclasses import dataclass

from caffelungo.bounds import POSITIVE
from caffelungo.definition.edits import Edit
from caffelungo.layers.kinds import WEIGHTED
from caffelungo.passes import select
from caffelungo.passes.base import Note, Refusal, Rewrite
from caffelungo.passes.option_fields import option
from caffelungo.passes.param_blocks import set_rates
from caffelungo.passes.registry import REWRITE, register
from caffelungo.passes.view import Graph, View
from caffelungo.plan.plan import PlannedLayer


@dataclass(frozen=True)
class RatesOptions:
    """``rates``: (names, range or pattern; lr_mult of the weights) pairs, later ones over earlier ones.

    ``decay``: each layer learns by this factor slower than the one after it. Layers whose weights learn faster than 1
    are new, and those that ``rates`` names are set: both are left as they are by ``decay``.
    """

    rates: tuple[tuple[str, float], ...] = option(
        "A rate multiplier for layers, by name, range or pattern.", default=(), parts=("layer", "lr_mult"),
        recipe="rate", flag="--rate", asks=True, metavar="LAYERS=LR_MULT",
    )  # fmt: skip
    decay: float | None = option("Factor between the learning rates of a layer and of the next one.", default=None,
                                 bounds=POSITIVE, flag="--rate-decay", asks=True)  # fmt: skip


@register("rates", verb=REWRITE, order=210, in_recipe=False, help="A learning rate for each layer.")
def rates(view: View, options: RatesOptions) -> Rewrite:
    """The rewrite; Refusal for factors that make no sense or when there is nothing to set."""
    if options.decay is not None and not 0 < options.decay <= 1:
        raise Refusal(
            "the decay of rates must be above 0 and at most 1",
            received=f"--rate-decay {options.decay:g}",
            remedy="0.385 is ULMFiT's; 0.65 to 0.95 are usual",
        )
    wanted: dict[int, tuple[PlannedLayer, float, str]] = {}
    for word, rate in options.rates:
        if rate < 0:
            raise Refusal(
                "a rate multiplier cannot be negative", received=f"--rate {word}={rate:g}", remedy="write 0.1"
            )
        for one in select.select(view, [word], "--rate"):
            wanted[one.index] = (one, rate, f"named by `{word}`")
    if options.decay is not None:
        for one, depth in _depths(view).values():
            now = next((use.lr_mult for use in one.params if use.spec.learned), 0.0)
            if one.index not in wanted and 0 < now <= 1:
                rate = now * options.decay**depth
                wanted[one.index] = (one, rate, f"{depth} weighted layers before the classifier")
    edits: list[Edit] = []
    notes: list[Note] = []
    for index in sorted(wanted):
        one, rate, why = wanted[index]
        changes = _set(view, one, rate)
        edits += changes
        if changes:
            notes.append(Note(f"`{one.name}`: lr_mult {rate:g}", view.where(index), why))
    if not edits:
        raise Refusal(
            "no rate changes",
            received=", ".join(word for word, _ in options.rates) or f"--rate-decay {options.decay}",
            remedy="name layers with weights that are not frozen and have another rate",
        )
    return Rewrite(tuple(edits), (), tuple(notes))


def _set(view: View, one: PlannedLayer, rate: float) -> list[Edit]:
    learned = [use.spec.learned for use in one.params]
    if not any(learned):
        return []
    first = next(use.lr_mult for use in one.params if use.spec.learned)
    new = []
    for use in one.params:
        ratio = use.lr_mult / first if first else 1.0
        new.append((float(f"{rate * ratio:.6g}") if use.spec.learned else 0.0, use.decay_mult))
    edits = set_rates(one.index, view.net.layer[one.index], new)
    return [edit for edit in edits if not _says_the_default(edit)]


def _says_the_default(edit: Edit) -> bool:
    """Whether an edit only writes out that weights decay as usual, which a rate has nothing to do with."""
    return getattr(edit, "path", ("",))[-1] == "decay_mult" and getattr(edit, "value", None) == 1.0


def _depths(view: View) -> dict[int, tuple[PlannedLayer, int]]:
    """Layers with blobs, with the number of weighted layers from each to the farthest end, by position in the file."""
    found: dict[int, tuple[PlannedLayer, int]] = {}
    for graph in view.graphs.values():
        after = _after(graph)
        for one in graph.plan.layers:
            if one.params and any(use.spec.learned for use in one.params):
                found.setdefault(one.index, (one, after[one.key]))
    return found


def _after(graph: Graph) -> dict[str, int]:
    """For each layer the most weighted layers on a way from behind it to an end of the net."""
    result: dict[str, int] = {}
    for one in reversed(graph.plan.layers):
        readers = [reader for value in one.top_values for reader in graph.consumers(value)]
        result[one.key] = max((result[reader.key] + (reader.layer.type in WEIGHTED) for reader in readers), default=0)
    return result
