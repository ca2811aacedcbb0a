"""What training forgot of an older task: the old net with the new weights, on the old task's test."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from caffelungo.definition.filter import net_state
from caffelungo.definition.reader import read_net
from caffelungo.definition.schema import TEST
from caffelungo.solve import nets
from caffelungo.study.cells import JSON, CellPlace

if TYPE_CHECKING:
    from caffelungo.net.store import Store
    from caffelungo.solve.engine import Engine


def recall(asked: Mapping[str, str], trained: Store, engine: Engine, place: CellPlace) -> dict[str, JSON]:
    """``recall_predictions``, ``recall_labels`` and ``recall_accuracy`` of the old net with what ``trained`` holds.

    ``asked`` names inputs: the old ``net``, its ``weights`` before this training, and its ``test`` pictures.
    Layers that ``trained`` has under the same name and in the same shape take its weights; its classifier, where this
    training did not know it, is as it was.
    """
    from caffelungo.net.store import Store
    from caffelungo.solve.load_weights import Loaded
    from caffelungo.study.predict import predict

    text = nets.from_definition(read_net(place.inputs.path(asked["net"])))
    state = net_state(text.message, TEST)
    there = nets.elsewhere(text, state, place.inputs.path(asked["test"]))
    opened = nets.open_net_with_data(there, state, once=True, shuffle=False)
    loaded = Loaded([place.inputs.path(asked["weights"])], (), opened.plan, text.where)
    store = Store(seed=0, device=engine.device)
    store.adopt(opened.plan, skip_filling=loaded.whole_layers(opened.plan))
    loaded.load(store)
    known = trained.arrays()
    now = {
        key: known[key] for key, tensor in store.tensors.items() if key in known and known[key].shape == tensor.shape
    }
    store.load(now)
    found = predict(opened, store, engine)
    return {
        "recall_accuracy": found.accuracy,
        "recall_predictions": found.classes.tolist(),
        "recall_labels": found.labels.tolist(),
    }
