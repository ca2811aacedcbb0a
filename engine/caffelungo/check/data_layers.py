"""The data layers of a net: their data are checked whatever else is wrong with them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from caffelungo import files
from caffelungo.check.findings import Findings
from caffelungo.check.pictures import check_pictures
from caffelungo.data import image_list, target_rows, transform_options
from caffelungo.data.picture_pairs import read_pairs, reads_pairs
from caffelungo.data.source import places
from caffelungo.data.sources import open_source
from caffelungo.definition.filter import included
from caffelungo.definition.numeric import in_range
from caffelungo.definition.reader import Definition
from caffelungo.definition.schema import TRAIN
from caffelungo.errors import UserError
from caffelungo.layers import registry
from caffelungo.layers.base import Layer
from caffelungo.plan.misread_layers import Doubt
from caffelungo.plan.plan import Plan
from caffelungo.weights import meanfile


@dataclass(frozen=True)
class DataLayer:
    """Layer number ``index`` of a net: its type as ``layer``, and ``param`` without what is wrong with it.

    ``planned``: its tops are those of the plan. ``whole``: its text could be read. ``sized``: no size in it is wrong.
    """

    index: int
    layer: type[Layer]
    param: Any
    planned: bool
    whole: bool
    sized: bool

    @property
    def source(self) -> str:
        """The file or folder that it names, if it does."""
        options = getattr(self.param, str(self.layer.options_field), None)
        return str(getattr(options, "source", ""))


def mended(net: Any) -> Any:
    """``net`` (a NetParameter) with layers of data as they could be planned; itself where all are."""
    cured = {index: better for index, _, better, _ in _named(net) if better != net.layer[index]}
    if not cured:
        return net
    copy = type(net)()
    copy.CopyFrom(net)
    for index, better in cured.items():
        copy.layer[index].CopyFrom(better)
    return copy


def data_layers(net: Any, plan: Plan, doubt: Doubt) -> Iterator[DataLayer]:
    """Those of ``net`` that are in the state of ``plan``, which was made of the ``mended`` net; no Input."""
    planned = {one.index for one in plan.layers}
    for index, cls, better, sized in _named(net):
        if included(net.layer[index], plan.state):
            broken = index in doubt.broken or index in doubt.altered
            layer = DataLayer(index, cls, better, index in planned and not broken, not broken, sized)
            if layer.planned or layer.source:
                yield layer


def _named(net: Any) -> Iterator[tuple[int, type[Layer], Any, bool]]:
    """The layers of data: number, type, the layer itself (mended where it names data), whether its sizes were right."""
    usual = 0
    for index, param in enumerate(net.layer):
        cls = registry.find(param.type)
        if cls is None or not cls.source or cls.type == "Input":
            continue
        if not hasattr(getattr(param, str(cls.options_field), None), "source"):
            yield index, cls, param, True
            continue
        legal = in_range(param)
        better, sized = transform_options.mended(legal)
        sized = sized and len(legal.ListFields()) == len(param.ListFields())
        options = getattr(better, str(cls.options_field))
        options.batch_size = options.batch_size or usual or 1
        usual = usual or options.batch_size
        yield index, cls, better, sized


def opened(definition: Definition, phase: int, layer: DataLayer, findings: Findings) -> Any:
    """The source of a data layer, or None where its data cannot be used; what is wrong goes to ``findings``."""
    original = definition.message.layer[layer.index]
    found = places(layer, definition.where, original)
    where = found["source"] if layer.source else definition.where("layer", layer.index)
    findings.problems += transform_options.problems(
        in_range(original), phase == TRAIN, lambda name: found.get(name) or where
    )
    if not findings.data and layer.source:
        return None
    good_mean = _mean(definition, layer.index, findings)
    param = type(layer.param).FromString(layer.param.SerializeToString())
    if not good_mean:  # so that it hides nothing of the data
        param.transform_param.ClearField("mean_file")
    try:
        pictures, first = None, 0
        if param.type == "ImageData":
            root, slips = param.image_data_param.root_folder, findings.problems
            if reads_pairs(param):
                pictures = read_pairs(layer.source, root, beside=definition.path, where=where)
            else:
                pictures = image_list.read_list(
                    layer.source, root, beside=definition.path, where=where, problems=slips,
                    label_size=target_rows.label_size(param),
                )  # fmt: skip
            usable = check_pictures(pictures, findings) if layer.whole else None
            if usable is None:
                return None
            first = usable
        elif not layer.whole:
            files.find(layer.source, definition.path, what="data", where=where)
            return None
        return open_source(
            param, phase, beside=definition.path, where=where, places=found, pictures=pictures, first=first
        )
    except UserError as error:
        findings.problems += error.problems
        return None


def _mean(definition: Definition, index: int, findings: Findings) -> bool:
    """Whether the mean file of a data layer, if it has one, can be read."""
    name = definition.message.layer[index].transform_param.mean_file
    if not name:
        return True
    place = definition.where("layer", index, "transform_param", "mean_file")
    try:
        path = files.find(name, definition.path, what="mean file", where=place)
        key = ("mean", str(path.resolve()))
        if key not in findings.seen:
            meanfile.read(path)
            findings.seen[key] = True
    except UserError as error:
        findings.problems += error.problems
        return False
    return True
