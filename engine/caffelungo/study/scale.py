"""How large the features are that a classifier reads: what the range of rates worth trying depends on.

A step of gradient descent on a linear classifier changes its answers in proportion to rate x lr_mult x |h|^2, where h
is what it reads. Features of another length therefore want other rates, and a comparison that tries the same rates on
all would compare lengths.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from caffelungo.study.cells import Cell, Place

VERSION = 1
PICTURES = 64
"""Pictures that are looked at."""
STEP = 5.0
"""rate x lr_mult x |h|^2 in the middle of the range: of SqueezeNet's features (|h| about 100) and a classifier at
lr_mult 10, the rate 5e-5; of two groups at length 20 each, 6e-4. Both are near the best ones measured."""


def measure(cell: Cell, place: Place) -> dict[str, Any]:
    """``energy``: the mean over pictures and places of |h|^2 (over channels); ``lr_mult`` of the classifier's weights.

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
    from caffelungo.solve.loading import Loaded

    fields: Mapping[str, Any] = cell.fields
    definition = read_net(place.inputs.path(fields["net"]))
    state = net_state(definition.message, TEST)
    text = nets.elsewhere(nets.from_definition(definition), state, place.inputs.path(fields["list"]))
    opened = nets.open_net(text, state, shuffle=False)
    store = Store(seed=0)
    names = [str(place.inputs.path(fields["weights"]))] if fields["weights"] else []
    loaded = Loaded(names, (), opened.plan, text.where)
    store.adopt(opened.plan, skip_filling=loaded.whole_layers(opened.plan))
    loaded.load(store)
    head = View(definition).heads()[-1].head
    reads = opened.plan.layer(head.name).bottom_values[0]
    steps, feed = StepNet(opened.plan, store), Feed(opened, Engine(torch.device("cpu")), 0)
    seen = 0
    total = 0.0
    batch = 0
    with torch.no_grad():
        while seen < PICTURES:
            steps.forward(*feed.one(batch))
            value = steps.data[reads].float()
            total += float((value * value).sum(dim=1).mean()) * len(value)
            seen += len(value)
            batch += 1
    lr_mult = next((use.lr_mult for use in head.params), 1.0)
    return {"energy": total / seen, "lr_mult": lr_mult, "head": head.name}


def centre(values: Mapping[str, Any]) -> float:
    """The middle of the range of rates for what ``measure`` found, to two digits."""
    rate = STEP / max(1e-12, float(values["energy"]) * max(1e-6, float(values["lr_mult"])))
    return float(f"{min(rate, 0.1):.1e}")
