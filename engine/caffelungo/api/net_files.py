"""The weights of a ``Net``, to and from files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from caffelungo import files
from caffelungo.api import values
from caffelungo.api.running import module_of
from caffelungo.api.values import Name
from caffelungo.definition import editor
from caffelungo.errors import UserError
from caffelungo.plan.plan import Plan
from caffelungo.rewriting import data_paths
from caffelungo.weights import formats
from caffelungo.weights.copy_table import COPIED, RESHAPED, SHARED, CopyTable
from caffelungo.weights.load import load as load_files
from caffelungo.weights.match_layers import match
from caffelungo.weights.weights import Weights

if TYPE_CHECKING:
    from caffelungo.api.net import Net


def weights(net: Net) -> Weights:
    """See ``Net.weights``."""
    layers, types = {}, {}
    for plan in net.plans.values():
        for planned in plan.layers:
            types[planned.name] = planned.layer.type
            if planned.params:
                blobs = module_of(net, planned).blobs
                layers[planned.name] = [blob.detach().float().cpu().contiguous().numpy().copy() for blob in blobs]
    return Weights(layers, types, net.extras, net.plan.name, net.weights_from)


def refuse(tables: Sequence[CopyTable]) -> None:
    """UserError with everything that does not fit in ``tables``."""
    problems = [problem for table in tables for problem in table.problems]
    if problems:
        raise UserError(list(dict.fromkeys(problems)))


def fresh_layers(plans: Mapping[int, Plan], tables: Sequence[CopyTable]) -> tuple[str, ...]:
    """The layers with parameters that no weights were copied to, in the order of the file."""
    copied = {name for table in tables for name in table.layers(COPIED, RESHAPED, SHARED)}
    names = (planned.name for plan in plans.values() for planned in plan.layers if planned.params)
    return tuple(name for name in dict.fromkeys(names) if name not in copied)


def whole_layers(plan: Plan, table: CopyTable | None) -> frozenset[str]:
    """Keys of the layers of ``plan`` all of whose own blobs are in ``table``, which need no filling."""
    arrays = table.arrays if table is not None else {}
    return frozenset(
        planned.key
        for planned in plan.layers
        if planned.params and all(use.key in arrays for use in planned.params if use.owner)
    )


def load(net: Net, given: Name | Sequence[Name] | Weights) -> Net:
    """See ``Net.load``."""
    found = given if isinstance(given, Weights) else load_files(values.names(given), net.definition.path)
    tables = [match(plan, found, where=net.definition.where) for plan in net.plans.values()]
    refuse(tables)
    with torch.no_grad():
        for plan, table in zip(net.plans.values(), tables, strict=True):
            for planned in plan.layers:
                for use, blob in zip(
                    planned.params, module_of(net, planned).blobs if planned.params else [], strict=True
                ):
                    if use.key in table.arrays:
                        blob.copy_(torch.as_tensor(table.arrays[use.key], device=blob.device).view_as(blob))
    fresh = fresh_layers(net.plans, tables)
    net.fresh = tuple(name for name in net.fresh if name in fresh)
    net.extras = found.extras if found.extras is not None else net.extras
    net.weights_from = found.path
    return net


def save(net: Net, definition: Name | None, target: Name | None, overwrite: bool) -> list[str]:
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


def shared(net: Net) -> frozenset[tuple[str, int]]:
    """(layer, blob index) of the blobs that another layer owns."""
    return frozenset(
        (planned.name, index)
        for plan in net.plans.values()
        for planned in plan.layers
        for index, use in enumerate(planned.params)
        if not use.owner
    )
