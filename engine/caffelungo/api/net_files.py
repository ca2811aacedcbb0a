"""The weights of a ``Net``, to and from files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from caffelungo import files
from caffelungo.api import matching, values
from caffelungo.api.values import Name
from caffelungo.definition import editor
from caffelungo.errors import UserError
from caffelungo.rewriting import data_paths
from caffelungo.weights import formats
from caffelungo.weights.load import load as load_files
from caffelungo.weights.match_layers import match
from caffelungo.weights.weights import Weights

if TYPE_CHECKING:
    from caffelungo.api.net_module import NetModule


def weights(net: NetModule) -> Weights:
    """See ``Net.weights``."""
    layers, types = {}, {}
    for plan in net.plans.values():
        for planned in plan.layers:
            types[planned.name] = planned.layer.type
            if planned.params:
                blobs = net.child_of(planned).blobs
                layers[planned.name] = [blob.detach().float().cpu().contiguous().numpy().copy() for blob in blobs]
    return Weights(layers, types, net.extras, net.plan.name, net.weights_from)


def load(net: NetModule, given: Name | Sequence[Name] | Weights) -> None:
    """See ``Net.load``."""
    found = given if isinstance(given, Weights) else load_files(values.names(given), net.definition.path)
    tables = [match(plan, found, where=net.definition.where) for plan in net.plans.values()]
    matching.refuse(tables)
    with torch.no_grad():
        for plan, table in zip(net.plans.values(), tables, strict=True):
            for planned in plan.layers:
                for use, blob in zip(
                    planned.params, net.child_of(planned).blobs if planned.params else [], strict=True
                ):
                    if use.key in table.arrays:
                        blob.copy_(torch.as_tensor(table.arrays[use.key], device=blob.device).view_as(blob))
    fresh = matching.fresh_layers(net.plans, tables)
    net.fresh = tuple(name for name in net.fresh if name in fresh)
    net.extras = found.extras if found.extras is not None else net.extras
    net.weights_from = found.path


def save(net: NetModule, definition: Name | None, target: Name | None, overwrite: bool) -> list[str]:
    """See ``Net.save``."""
    wanted = [path for path in (values.path(definition), values.path(target)) if path is not None]
    if not wanted:
        raise UserError("no file is named", remedy='net.save("net.prototxt", "net.caffemodel")')
    there = [path for path in wanted if Path(path).exists()]
    if there and not overwrite:
        raise UserError(
            "the file exists and would be lost",
            received=", ".join(there),
            remedy="name another file, or add overwrite=True",
        )
    if definition is not None and str(definition).endswith(formats.SUFFIXES):
        raise UserError(
            "the definition is text, and this name ends as weights do",
            received=str(definition),
            remedy=f'net.save("net.prototxt", {str(definition)!r})',
        )
    written = net.definition
    if definition is not None:
        edits, _ = data_paths.kept(written, Path(definition))
        written = editor.apply(written, edits) if edits else written
    if target is not None:
        Path(target).parent.mkdir(parents=True, exist_ok=True)
        formats.write(Path(target), weights(net), written.message, shared(net))
    if definition is not None:
        Path(definition).parent.mkdir(parents=True, exist_ok=True)
        files.write_text(Path(definition), replace(written, path=Path(definition)).text)
    return wanted


def shared(net: NetModule) -> frozenset[tuple[str, int]]:
    """(layer, blob index) of the blobs that another layer owns."""
    return frozenset(
        (planned.name, index)
        for plan in net.plans.values()
        for planned in plan.layers
        for index, use in enumerate(planned.params)
        if not use.owner
    )
