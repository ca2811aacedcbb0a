"""A net of a study on a list of pictures, and its weights before training: what its cells begin with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from caffelungo.definition.filter import included, net_state
from caffelungo.definition.schema import TEST
from caffelungo.errors import UserError
from caffelungo.net.store import Store
from caffelungo.solve import nets
from caffelungo.solve.engine import Engine
from caffelungo.solve.load_weights import Loaded
from caffelungo.solve.net_text import NetText
from caffelungo.solve.nets import OpenedNet


def open_on(text: NetText, phase: int, pictures: Path, *, batch: int, seed: int = 0, whole: bool = False) -> OpenedNet:
    """``text`` in ``phase`` on the list ``pictures``, ``batch`` at a time; in phase TEST they are gone through once.

    ``whole``: pictures are brought to the size of the crop instead of being cut at random. UserError for a net that
    reads no pictures.
    """
    message = type(text.message)()
    message.CopyFrom(text.message)
    state = net_state(message, phase)
    found = False
    for layer in message.layer:
        if layer.type == "ImageData" and included(layer, state):
            found = True
            _retarget(layer, pictures, batch, whole)
    if not found:
        raise UserError(
            f"the net has no ImageData layer in phase {'TEST' if phase == TEST else 'TRAIN'}",
            where=text.where(),
            received=", ".join(sorted({layer.type for layer in message.layer if not layer.bottom})) or "no data layer",
            remedy="a study trains on lists of pictures: use an ImageData layer",
        )
    test = phase == TEST
    opened = nets.open_net_with_data(
        replace(text, message=message), state, seed=seed, once=test, shuffle=False if test else None
    )
    if error := nets.input_without_data(text, opened.plan):
        raise error
    return opened


def _retarget(layer: Any, pictures: Path, batch: int, whole: bool) -> None:
    options, transform = layer.image_data_param, layer.transform_param
    options.source = str(pictures.absolute())
    options.ClearField("root_folder")
    options.batch_size = batch
    if whole and transform.crop_size:
        options.new_height = options.new_width = transform.crop_size
        del transform.lungo.augmentation[:]


def filled(opened: OpenedNet, tests: Sequence[OpenedNet], loaded: Loaded, seed: int, engine: Engine) -> Store:
    """The weights of the whole nets as they are before training: loaded, else by the fillers and ``seed``."""
    store = Store(seed=seed, device=engine.device)
    store.adopt(opened.plan, skip_filling=loaded.whole_layers(opened.plan))
    for each in tests:
        store.adopt(each.plan)
    loaded.load(store, [(each.plan, each.text.where) for each in tests])
    engine.lay_out(store.tensors.values())
    return store
