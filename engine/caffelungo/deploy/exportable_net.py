"""What every way out of a net begins with: the definition, its weights, what is done to pictures, the deployed net.

definition + weights -> record -> shapes -> deployed net -> every blob of it from the weights
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from caffelungo.data import preprocess
from caffelungo.data import shapes_from_data as data_shapes
from caffelungo.data.picture_pairs import reads_pairs
from caffelungo.data.target_rows import label_size
from caffelungo.definition.definition import Definition
from caffelungo.definition.schema import TEST
from caffelungo.deploy import preprocessing_record, requested_size
from caffelungo.deploy.deploy_net import DeployNet, deploy_net
from caffelungo.deploy.fold_batch_norm import Arrays
from caffelungo.deploy.options import ExportOptions
from caffelungo.errors import Location, Problem, UserError
from caffelungo.inference.runtime import LIMIT
from caffelungo.plan import states
from caffelungo.plan.read_net import read_net
from caffelungo.weights import copy_table, match_layers
from caffelungo.weights.load import load
from caffelungo.weights.weights import Weights


@dataclass
class ExportableNet:
    """A net that can leave: ``arrays`` holds every blob of ``net``, ``record`` what is known of its preprocessing."""

    definition: Definition
    weights: Weights
    net: DeployNet
    record: Any | None
    arrays: Arrays
    notes: list[str]


def open_exportable(
    definition: Definition | str | Path, weights: Weights | str | Path, options: ExportOptions
) -> ExportableNet:
    """The net of ``definition`` (a Definition or a file) with ``weights`` (see ``load_weights``).

    Of ``options``, record, size, shapes, outputs and batch count. UserError for mistakes in what was given.
    """
    if isinstance(definition, str | Path):
        definition = read_net(definition)
    notes: list[str] = []
    definition = states.settled(definition, TEST, answering=True, notes=notes)
    definition = requested_size.placed(definition, options.shapes)
    if requested_size.plane(definition, None, options.shapes) != options.size:
        definition = requested_size.sized(definition, options.size, options.shapes, options.outputs)
    given = load_weights(weights)
    if options.record is None and not (given.extras is not None and given.extras.HasField("preprocessing")):
        from_files = {blob: shape for blob, shape in data_shapes.in_files(definition).items() if shape}
        options = replace(options, shapes={**from_files, **options.shapes})
    net, record, more = record_and_shapes(definition, given, options)
    notes += more
    arrays, problems = fitted(net, given, definition)
    if problems:
        raise UserError(problems)
    return ExportableNet(definition, given, net, record, arrays, notes)


def load_weights(weights: Weights | str | Path) -> Weights:
    """``weights``, or what `--weights` names: files and torchvision:NAME, a later one's layers over an earlier's."""
    return weights if isinstance(weights, Weights) else load(str(weights))


def _record(definition: Definition, weights: Weights, options: ExportOptions) -> tuple[Any | None, list[str]]:
    if options.record is not None:
        return options.record, []
    if weights.extras is not None and weights.extras.HasField("preprocessing"):
        return weights.extras.preprocessing, _contradictions(definition, weights.extras.preprocessing)
    return preprocessing_record.record_of(definition)


def _contradictions(definition: Definition, known: Any) -> list[str]:
    """A note where the data layer of ``definition`` prepares pictures otherwise than ``known``, the weights' record."""
    try:
        own, _ = preprocessing_record.record_of(definition)
    except UserError:
        return []  # a mean file that is not here: the weights' record has it
    apart = preprocess.differences(known, own) if own is not None else []
    if not apart:
        return []
    what = "pictures are prepared as the record in the weights says, and the net's data layer says otherwise"
    return [f"{what}: {'; '.join(apart)}. Is the net the one that was trained?"]


def _shapes(definition: Definition, record: Any | None, options: ExportOptions) -> Mapping[str, Sequence[int]]:
    """Shapes by blob: those given, and the record's where a data layer leaves the picture's size to the data."""
    found = preprocessing_record.data_layer(definition)
    if record is None or found is None or not found[1].top:
        return options.shapes
    height, width = preprocess.output_size(record, 0, 0)
    if not height:
        return options.shapes
    return {found[1].top[0]: (preprocess.channels(record), height, width), **options.shapes}


def _sources(definition: Definition, record: Any | None) -> dict[str, list[tuple[int | None, ...]]] | None:
    """Tops' shapes of the picture layer, from the record, so that no data need be opened."""
    found = preprocessing_record.data_layer(definition)
    if record is None or found is None:
        return None
    height, width = preprocess.output_size(record, 0, 0)
    if not height:
        return None
    size, pictures = label_size(found[1]), 2 if reads_pairs(found[1]) else 1
    data = (pictures, preprocess.channels(record), height, width)
    tops: list[tuple[int | None, ...]] = [data, (1, size) if size else (1,)]
    return {str(found[1].name): tops[: len(found[1].top)]}


def record_and_shapes(
    definition: Definition, weights: Weights, options: ExportOptions
) -> tuple[DeployNet, Any | None, list[str]]:
    """The net that leaves, the preprocessing record as far as it is known, and notes for the user."""
    record, notes = _record(definition, weights, options)
    if options.record is None:
        wanted = requested_size.plane(definition, options.size, options.shapes)
        who = "as asked" if options.size is not None else "in the net's input"
        record, more = requested_size.recorded(record, wanted, who, weights)
        notes = [*notes, *more]
    net = deploy_net(
        definition, shapes=_shapes(definition, record, options), sources=_sources(definition, record),
        outputs=options.outputs, batch=options.batch or 1,
    )  # fmt: skip
    requested_size.room_for(net.plan, options.size, options.shapes)
    return net, record, notes + net.notes


def fitted(net: DeployNet, weights: Weights, definition: Definition) -> tuple[Arrays, list[Problem]]:
    """Every blob of ``net`` from ``weights``, and what keeps them from being complete."""
    places = {layer.name: index for index, layer in enumerate(definition.message.layer)}

    def where(field: str, index: int, *rest: str | int) -> Location | None:
        place = places.get(net.plan.layers[index].name)
        return None if place is None else definition.where(field, place, *rest)

    table = match_layers.match(net.plan, weights, where=where)
    problems = list(table.problems)
    arrays: Arrays = dict(table.arrays)
    mistaken = set(table.layers(copy_table.MISMATCH))
    missing = list(dict.fromkeys(key[0] for key in net.plan.params if key not in arrays and key[0] not in mistaken))
    if missing and (mistaken or not problems):
        problems.append(
            Problem(
                "layers of the net are missing in the weights",
                Location(weights.path) if weights.path else None,
                f"no weights for {', '.join(f'`{name}`' for name in missing)}",
                "name the trained weights of this definition, or the definition of these weights",
            )
        )
    size = sum(array.nbytes for array in arrays.values())
    if size > LIMIT - 2**20:
        problems.append(
            Problem(
                "the net is too large for one file, whose limit is 2 GB",
                received=f"{size / 1e9:.2f} GB of weights",
                remedy="export a smaller net; weights in separate files are not supported",
            )
        )
    return arrays, problems
