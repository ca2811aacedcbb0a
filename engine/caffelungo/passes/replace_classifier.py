"""A classifier taken out, and what read it led to another blob: what a pass needs that puts in another.

    before:  fire5/concat -> ... fire9/concat -> drop9 -> conv10 -> relu_conv10 -> pool10 -> loss, accuracy
    after:   fire5/concat                                          (the new blob) -> loss, accuracy
             the old classifier, what passed its answers on, and every layer that nothing reads any more are gone

Other classifiers on the same label (GoogLeNet's auxiliary ones) go with their losses. A layer that was an output of the
net before stays one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from caffelungo import shell
from caffelungo.definition.edits import Edit, SetField
from caffelungo.layers.kinds import CLASS_LOSSES, LABEL_LOSSES, OBSERVING, PASSING
from caffelungo.passes.base import Refusal
from caffelungo.passes.view import ClassifierLayer, Graph, View
from caffelungo.plan.plan import PlannedLayer

ENDS = CLASS_LOSSES | LABEL_LOSSES | OBSERVING | {"Softmax"}
"""What may read a classifier's answers and go on with those of another one."""


@dataclass
class Swap:
    """What goes and what is led elsewhere, by positions in the file.

    ``gone``: the classifiers and what stood behind them alone. ``rewired``: (layer, bottom) pairs that have to read the
    new classifier. ``behind``: all that depends on it then, in the order of the file.
    """

    gone: set[int] = field(default_factory=set)
    rewired: list[tuple[int, int]] = field(default_factory=list)
    behind: list[int] = field(default_factory=list)


def chosen(view: View, name: str | None) -> tuple[list[ClassifierLayer], list[ClassifierLayer]]:
    """The classifier called ``name`` (its copies in both phases), and all that go: every one on its label.

    Without a name it is the last one on the label. Refusal where there are several and no label tells them apart.
    """
    heads = view.heads(name)
    main = heads[-1]
    if main.label is not None:
        heads = [one for one in view.classifiers if one.label == main.label]
    elif name is None and len({one.name for one in heads}) > 1:
        raise Refusal(
            "the net has several outputs that could be the classifier",
            view.where(heads[0].head.index),
            received=", ".join(one.name for one in heads),
            remedy=f"name one: --head {shell.word(main.name)}",
        )
    return [one for one in heads if one.name == main.name], heads


def take_out(view: View, main: Sequence[ClassifierLayer], heads: Iterable[ClassifierLayer]) -> Swap:
    """What goes with ``heads``, and what reads ``main``; Refusal when anything but losses and their like reads one."""
    swap = Swap()
    wanted = {one.head.index for one in main}
    behind: set[int] = set()
    rewired: dict[tuple[int, int], None] = {}
    for graph in view.every:
        for one in heads:
            for planned in (layer for layer in graph.plan.layers if layer.index == one.head.index):
                swap.gone.add(planned.index)
                ends = _walk(view, graph, planned, planned.index in wanted, swap.gone)
                rewired.update(dict.fromkeys((end.index, k) for end, k in ends))
                behind.update(layer.index for layer in graph.downstream(end for end, _ in ends))
    swap.rewired = list(rewired)
    swap.behind = sorted(behind - swap.gone)
    return swap


def _walk(view: View, graph: Graph, head: PlannedLayer, kept: bool, gone: set[int]) -> list[tuple[PlannedLayer, int]]:
    """The (layer, bottom) pairs that read the answers of ``head``; layers on the way there are added to ``gone``.

    With ``kept`` False all that is behind ``head`` goes.
    """
    own = {end.index for one in view.classifiers if one.head.index == head.index for end in one.ends}
    ends: list[tuple[PlannedLayer, int]] = []
    queue = list(head.top_values)
    while queue:
        value = queue.pop()
        for reader in graph.consumers(value):
            passes_on = reader.layer.type in PASSING and reader.layer.type != "Softmax" and len(reader.bottoms) == 1
            passes_on = passes_on and reader.index not in own
            if not passes_on and reader.layer.type not in ENDS and reader.index not in own:
                raise Refusal(
                    f"`{reader.name}` ({reader.layer.type}) reads the output of classifier "
                    f"`{head.name}`, which is replaced",
                    view.where(reader.index),
                    received=f"bottom `{graph.plan.values[value].blob}`",
                    remedy=f"remove `{reader.name}` first",
                )
            if passes_on or not kept:
                gone.add(reader.index)
                queue += reader.top_values
            else:
                ends += [(reader, k) for k, one in enumerate(reader.bottom_values) if one == value]
    return ends


def unread(view: View, gone: Iterable[int], read: Mapping[int, Iterable[int]]) -> set[int]:
    """``gone`` and every layer whose tops nothing reads any more once those are gone.

    ``read`` are values that get new readers, by phase. A layer stays where one phase needs it. One whose top nobody
    read before is an output of the net, and stays.
    """
    dead = set(gone)
    needed = {phase: set(values) for phase, values in read.items()}
    layers: dict[int, list[tuple[int, Graph, PlannedLayer]]] = {}
    others = [(len(view.graphs) + k, graph) for k, graph in enumerate(view.others)]
    for phase, graph in (*view.graphs.items(), *others):
        for one in graph.plan.layers:
            layers.setdefault(one.index, []).append((phase, graph, one))
    changed = True
    while changed:
        changed = False
        for index in sorted(layers.keys() - dead, reverse=True):
            if all(_lost(graph, one, dead, needed.get(phase, set())) for phase, graph, one in layers[index]):
                dead.add(index)
                changed = True
    return dead


def _lost(graph: Graph, one: PlannedLayer, dead: set[int], needed: set[int]) -> bool:
    """Whether ``one`` had readers and has none left."""
    if any(one.loss_weights) or needed.intersection(one.top_values):
        return False
    readers = [reader.index for value in one.top_values for reader in graph.consumers(value)]
    return bool(readers) and dead.issuperset(readers)


def keep_rates(view: View, gone: set[int]) -> list[Edit]:
    """Edits that write the rate of a shared blob into a layer that stays, where a layer that goes had stated it."""
    wanted: dict[tuple[str | int, ...], float] = {}
    for graph in view.every:
        owners = {one.key for one in graph.plan.layers if one.index in gone}
        for one in graph.plan.layers:
            for k, use in enumerate(one.params):
                if one.index in gone or use.key[0] not in owners:
                    continue
                shared, block = graph.plan.params[use.key], one.layer.param.param[k]
                for name, rate in (("lr_mult", shared.lr_mult), ("decay_mult", shared.decay_mult)):
                    if getattr(block, name) != rate:
                        wanted["layer", one.index, "param", k, name] = rate
    return [SetField(path, rate) for path, rate in wanted.items()]
