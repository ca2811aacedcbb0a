"""How large a net's features are on its own data: where the learned scale of Normalize should start.

ParseNet and Growing a Brain start at 10 or 20; at the measured norm, old features stay as large as they were, so that
rates that suited the old net suit the grown one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from caffelungo.definition import catalogue
from caffelungo.definition.schema import TEST, TRAIN
from caffelungo.errors import UserError
from caffelungo.net.stepwise import StepNet
from caffelungo.net.store import Store
from caffelungo.passes.unit_places import find_place
from caffelungo.passes.view import View
from caffelungo.plan import states
from caffelungo.plan.read_net import read_net
from caffelungo.solve import nets
from caffelungo.solve.engine import Engine
from caffelungo.solve.feed import Feed
from caffelungo.solve.load_weights import Loaded

BATCHES = 8
"""Batches of the net's data that are looked at."""


def channel_norm(
    net: str | Path,
    weights: str,
    layer: str,
    option: str = "--widen",
    variables: Mapping[str, Any] | None = None,
    stages: Sequence[str] = (),
    level: int = 0,
) -> float:
    """The mean over samples and places of the L2 norm over channels of what leaves ``layer``'s neurons.

    ``net`` is a file or a name of the catalogue whose data can be opened. UserError when it has no data, the layer is
    none that can grow, or the weights do not fit.
    """
    path, given = catalogue.resolve(net, variables)
    definition = states.checked(read_net(path, given or None).within(stages, level))
    view = View(definition)
    place = find_place(view, view.graph, layer, option)
    watched = (place.before or [place.target])[-1].name
    text = nets.from_definition(definition)
    phase = TEST if any(graph.plan.phase == TEST for graph in view.graphs.values()) else TRAIN
    opened = nets.open_net_with_data(text, states.state_of(definition, phase), shuffle=False)
    if error := nets.input_without_data(text, opened.plan):
        raise error
    store = Store(seed=0)
    loaded = Loaded([weights], (), opened.plan, text.where, beside=path)
    store.adopt(opened.plan, skip_filling=loaded.whole_layers(opened.plan))
    loaded.load(store)
    if loaded.fresh(place.target.name) and place.target.params:
        raise UserError(
            f"the weights have no blobs for `{place.target.name}`, so its features cannot be measured",
            received=weights,
            remedy="give the weights that the net starts from, or a number: --scale 20",
        )
    steps = StepNet(opened.plan, store)
    feed, norms = Feed(opened, Engine(torch.device("cpu"))), []
    value = opened.plan.layer(watched).top_values[0]
    with torch.no_grad():
        for k in range(BATCHES):
            steps.forward(*feed.one(k))
            norms.append(steps.data[value].float().norm(dim=1).mean())
    return float(torch.stack(norms).mean())
