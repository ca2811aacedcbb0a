"""How large the features are that a classifier reads: what the range of rates worth trying depends on.

Features of another length want other rates (``solve.step_size``), and a comparison that tries the same rates on all
would compare lengths.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from caffelungo.solve import step_size

if TYPE_CHECKING:
    from caffelungo.study.cells import Cell, CellPlace

VERSION = 2
AVE = 1
PICTURES = 64
"""Pictures that are looked at."""


def measure(cell: Cell, place: CellPlace) -> dict[str, Any]:
    """``energy``: the mean over pictures of |h|^2; ``lr_mult`` of the classifier's weights; new ``layers``.

    Where the classifier's answers are averaged over places, h is averaged too, else |h|^2 is. ``layers`` counts those
    with weights that learn as fast as the classifier, itself included: their steps add up.
    Fields: ``net``, ``weights`` and ``list`` (inputs). The net is run in phase TEST.
    """
    import torch

    from caffelungo.definition.filter import net_state
    from caffelungo.definition.reader import read_net
    from caffelungo.definition.schema import TEST
    from caffelungo.net.stepwise import StepNet
    from caffelungo.net.store import Store
    from caffelungo.passes.view import View
    from caffelungo.solve import nets
    from caffelungo.solve.engine import Engine
    from caffelungo.solve.feed import Feed
    from caffelungo.solve.load_weights import Loaded

    fields: Mapping[str, Any] = cell.fields
    definition = read_net(place.inputs.path(fields["net"]))
    state = net_state(definition.message, TEST)
    text = nets.elsewhere(nets.from_definition(definition), state, place.inputs.path(fields["list"]))
    opened = nets.open_net_with_data(text, state, shuffle=False)
    store = Store(seed=0)
    names = [str(place.inputs.path(fields["weights"]))] if fields["weights"] else []
    loaded = Loaded(names, (), opened.plan, text.where)
    store.adopt(opened.plan, skip_filling=loaded.whole_layers(opened.plan))
    loaded.load(store)
    classifier = View(definition).heads()[-1]
    head = classifier.head
    averaged = any(one.layer.type == "Pooling" and one.layer.options.pool == AVE for one in classifier.between)
    reads = opened.plan.layer(head.name).bottom_values[0]
    steps, feed = StepNet(opened.plan, store), Feed(opened, Engine(torch.device("cpu")), 0)
    seen = 0
    total = 0.0
    batch = 0
    with torch.no_grad():
        while seen < PICTURES:
            steps.forward(*feed.one(batch))
            value = steps.data[reads].float()
            if head.layer.type == "InnerProduct":
                value = value.flatten(1)
            elif averaged and value.dim() == 4:
                value = value.mean(dim=(2, 3))
            total += float((value * value).sum(dim=1).mean()) * len(value)
            seen += len(value)
            batch += 1
    lr_mult = next((use.lr_mult for use in head.params), 1.0)
    fast = {
        planned.name
        for planned in opened.plan.layers
        for use in planned.params
        if use.spec.learned and use.key[1] == 0 and use.lr_mult >= max(lr_mult, 1.0) and len(use.shape) > 1
    }
    layers = len(fast) if lr_mult > 1 else 1
    return {"energy": total / seen, "lr_mult": lr_mult, "layers": max(1, layers), "head": head.name}


def centre(values: Mapping[str, Any], fitted: bool = False) -> float:
    """The middle of the range of rates for what ``measure`` found; ``fitted``: the classifier starts so."""
    effect = float(values["energy"]) * float(values["lr_mult"]) * float(values["layers"])
    return step_size.rate(effect, fitted=fitted)
