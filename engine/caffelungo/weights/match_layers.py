"""What of a weights file goes where in a net, by layer name; and what to do about what does not fit.

Caffe: Net::CopyTrainedLayersFrom, Blob::ShapeEquals. Caffe stops at the first mismatch; here all are found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from enum import Enum

from caffelungo import shell
from caffelungo.errors import Location, Problem, did_you_mean
from caffelungo.layers import registry
from caffelungo.layers.base import Shape, shape_text
from caffelungo.plan.plan import ParamKey, ParamUse, Plan, PlannedLayer
from caffelungo.weights.copy_table import (
    COPIED,
    MISMATCH,
    NEW,
    REINIT,
    RESHAPED,
    SHARED,
    UNUSED,
    CopyRow,
    CopyTable,
    shapes_text,
)
from caffelungo.weights.shape_fit import fits
from caffelungo.weights.weights import Array, Weights
from caffelungo.wording import counted, listed

Where = Callable[..., Location | None]

FEW_FIT = 0.2
"""Share of a net's layers below which weights that also mismatch are those of another net."""


class Remedy(Enum):
    """What the caller of ``match`` can do about a layer that does not fit."""

    REINIT = "initialise it anew, by another name or by --reinit"
    RENAME = "initialise it anew, by another name"
    REPLACE = "use other weights, or the definition that belongs to them"


def match(
    plan: Plan,
    weights: Weights,
    reinit: Iterable[str] = (),
    where: Where | None = None,
    remedy: Remedy = Remedy.REPLACE,
) -> CopyTable:
    """Decide for each layer of ``plan`` with parameters, and each of ``weights``, what is copied.

    ``reinit`` names layers that keep their fillers though the file has them; ``where(*path)`` places a field of the
    definition for messages, and ``remedy`` is what they may advise. The caller raises ``UserError(table.problems)``
    before anything starts; it shows the table, too.
    """
    return _Matcher(plan, weights, list(reinit), where or (lambda *path: None), remedy).run()


class _Matcher:
    def __init__(self, plan: Plan, weights: Weights, reinit: list[str], where: Where, remedy: Remedy) -> None:
        self.plan, self.weights, self.reinit, self.where, self.remedy = plan, weights, reinit, where, remedy
        self.table = CopyTable(path=weights.path)
        self.owners = plan.params
        self.learned = [planned for planned in plan.layers if planned.params]
        names = {planned.name for planned in self.learned}
        self.unused = [name for name in weights.layers if name not in names]
        self.misfits: list[Problem] = []
        """Problems of single layers whose blobs differ in number or shape."""

    def run(self) -> CopyTable:
        self.check_reinit()
        for planned in self.learned:
            self.table.rows.append(self.layer(planned))
        for name in self.unused:
            shapes = tuple(blob.shape for blob in self.weights.layers[name])
            self.table.rows.append(CopyRow(name, (), shapes, UNUSED))
        self.check_any()
        self.check_other_net()
        for planned in self.plan.layers:
            self.check_options(planned)
        if self.table.problems:
            shown = self.table.render()
            self.table.problems = [replace(problem, table=shown) for problem in self.table.problems]
        return self.table

    def check_reinit(self) -> None:
        names = [planned.name for planned in self.learned]
        for name in self.reinit:
            if name not in names:
                near = did_you_mean(name, names)
                self.table.problems.append(
                    Problem(
                        "--reinit names no layer with parameters",
                        received=name,
                        remedy=f"did you mean `{near}`?" if near else f"layers with parameters: {', '.join(names)}",
                    )
                )

    def check_any(self) -> None:
        """A file that shares no layer name with the net is the wrong file, or the net was renamed throughout."""
        ours = [planned.name for planned in self.learned if planned.name not in self.reinit]
        if ours and self.weights.layers and not any(name in self.weights.layers for name in ours):
            theirs = list(self.weights.layers)
            self.table.problems.append(
                Problem(
                    "no layer of the net has the name of a layer in the weights file; nothing would be copied",
                    Location(self.weights.path) if self.weights.path else None,
                    f"the file has {_some(theirs)}; the net has {_some(ours)}",
                    "use the weights of this net, or name its layers as in the file",
                )
            )

    def check_other_net(self) -> None:
        """Where hardly any layer fits, one problem for all: another net may have layers of the same names."""
        ours = [planned.name for planned in self.learned if planned.name not in self.reinit]
        fitting = self.table.layers(COPIED, RESHAPED, SHARED)
        unlike = self.table.layers(MISMATCH)
        few = len(ours) < 3 and len(unlike) < max(2, len(ours))
        if not unlike or few or len(fitting) > FEW_FIT * len(ours) or len(unlike) <= len(fitting):
            return
        apart = [row for row in self.table.rows if row.status == MISMATCH]
        self.table.problems = [problem for problem in self.table.problems if problem not in self.misfits]
        self.table.problems.append(
            Problem(
                f"these are the weights of another net: they fit {len(fitting) or 'none'} of the "
                f"{counted(len(ours), 'layer')} with weights",
                Location(self.weights.path) if self.weights.path else None,
                "; ".join(
                    f"`{row.layer}` is {shapes_text(row.file)} in the file, {shapes_text(row.net)} here"
                    for row in apart[:2]
                )
                + (" ..." if len(apart) > 2 else ""),
                "use weights that were trained in this net, or the definition that these were trained in",
            )
        )

    def check_options(self, planned: PlannedLayer) -> None:
        """Weights that know the layer they were trained in refuse one of the same shapes with, say, another stride."""
        trained = self.weights.trained.get(planned.name)
        kind = None if trained is None else registry.find(trained.type)
        if trained is None or kind is None or planned.name in self.reinit or not kind.weights_depend_on:
            return
        if trained.type != planned.layer.type:
            differing = [f"type is {planned.layer.type}, was {trained.type}"]
        else:
            there = type(planned.layer)(trained, planned.layer.phase)
            pairs = [(name, getattr(planned.layer, name), getattr(there, name)) for name in kind.weights_depend_on]
            differing = [
                f"{name} is {_option(a)}, was {_option(b)}" for name, a, b in pairs if _option(a) != _option(b)
            ]
        if differing:
            self.problem(
                planned,
                f"layer `{planned.name}` differs from the layer that these weights were trained in",
                "; ".join(differing),
                f"use the definition of these weights ({self.weights.path}), or rename the layer if the "
                "change is meant",
            )

    def layer(self, planned: PlannedLayer) -> CopyRow:
        net = tuple(use.shape for use in planned.params)
        blobs = self.weights.layers.get(planned.name)
        file = tuple(blob.shape for blob in blobs or ())
        if planned.name in self.reinit:
            return CopyRow(planned.name, net, file, REINIT, "keeps its fillers")
        if blobs is None:
            if not any(use.owner for use in planned.params):
                return CopyRow(planned.name, net, file, SHARED, f"with `{planned.params[0].key[0]}`")
            return CopyRow(planned.name, net, file, NEW, self.hint(planned))
        missing = [
            (index, use)
            for index, use in enumerate(planned.params)
            if use.owner and (index >= len(blobs) or self.left_out(blobs[index], use))
        ]
        if missing or len(blobs) > len(planned.params):
            self.count_problem(planned, blobs, missing)
            return CopyRow(
                planned.name, net, file, MISMATCH, f"{counted(len(blobs), 'blob')} for {len(planned.params)}"
            )
        return self.fitted(planned, blobs, net, file)

    @staticmethod
    def left_out(blob: Array, use: ParamUse) -> bool:
        """Whether the file leaves this blob to its owner in another layer (HDF5)."""
        return blob.size == 0 and 0 not in use.shape

    def fitted(
        self, planned: PlannedLayer, blobs: list[Array], net: tuple[Shape, ...], file: tuple[Shape, ...]
    ) -> CopyRow:
        notes: list[str] = []
        wrong: list[int] = []
        found: dict[ParamKey, Array] = {}
        for index, (blob, use) in enumerate(zip(blobs, planned.params, strict=False)):
            if not use.owner and self.left_out(blob, use):
                continue
            if not fits(blob.shape, use.shape) or self.another_kernel(planned, blob.shape, use.shape):
                wrong.append(index)
                continue
            if blob.shape != use.shape:
                notes.append(f"{shape_text(blob.shape)} as {shape_text(use.shape)}")
            owner = self.owners[use.key].shape
            found[use.key] = blob.reshape(blob.shape if None in owner else owner)  # type: ignore[arg-type]
        if wrong:
            self.shape_problem(planned, blobs, wrong)
            return CopyRow(planned.name, net, file, MISMATCH, "see below")
        self.table.arrays.update(found)
        return CopyRow(planned.name, net, file, RESHAPED if notes else COPIED, "; ".join(notes))

    def another_kernel(self, planned: PlannedLayer, file: Shape, net: Shape) -> bool:
        """Whether both are kernels of one type, so that as many values in another shape mean another thing."""
        same = self.weights.types.get(planned.name) == planned.layer.type
        return same and len(file) == len(net) > 2 and not all(b in (a, None) for a, b in zip(file, net, strict=True))

    def count_problem(self, planned: PlannedLayer, blobs: list[Array], missing: list[tuple[int, ParamUse]]) -> None:
        ours = ", ".join(use.spec.name for use in planned.params)
        theirs = shapes_text([blob.shape for blob in blobs])
        if missing:
            absent = ", ".join(use.spec.name for _, use in missing)
            what = f"the file has no blob {missing[0][0]} ({absent}) of layer `{planned.name}`"
            remedy = self.or_anew("write bias_term: false in the layer", planned)
            if not any(use.spec.name == "bias" for _, use in missing):
                remedy = self.or_anew("define the layer as it was trained", planned)
        else:
            what = f"the file has more blobs for layer `{planned.name}` than the layer has"
            remedy = self.or_anew("define the layer as it was trained (bias_term: true?)", planned)
            if planned.layer.type == "BatchNorm":
                remedy = self.or_anew(
                    "weights of a fork that keeps scale and shift in BatchNorm: split them into BatchNorm (mean, "
                    "variance, factor) and Scale",
                    planned,
                )
        self.problem(
            planned,
            what,
            f"{len(blobs)} in the file ({theirs}), {len(planned.params)} here ({ours})",
            remedy,
        )
        self.misfits.append(self.table.problems[-1])

    def shape_problem(self, planned: PlannedLayer, blobs: list[Array], wrong: list[int]) -> None:
        received = "; ".join(
            f"blob {index} ({planned.params[index].spec.name}) is {shape_text(blobs[index].shape)} in the file, "
            f"{shape_text(planned.params[index].shape)} here"
            for index in wrong
        )
        remedy = "give the weights that were trained in this net, or define the layer as it was trained"
        if anew := self.anew(planned):
            remedy = f"to learn it from scratch, {anew}"
        if why := self.reason(planned, blobs[wrong[0]].shape, planned.params[wrong[0]].shape):
            remedy = f"{why}; {remedy}"
        self.problem(planned, f"the weights of layer `{planned.name}` differ in shape in the file", received, remedy)
        self.misfits.append(self.table.problems[-1])

    def reason(self, planned: PlannedLayer, file: Shape, net: Shape) -> str:
        """The likely cause of two shapes that differ, where one is known."""
        if len(file) != len(net):
            kind = self.weights.types.get(planned.name)
            return f"the file has a layer of type {kind}" if kind and kind != planned.layer.type else ""
        differing = [axis for axis, (a, b) in enumerate(zip(file, net, strict=True)) if a != b]
        kind = planned.layer.type
        if kind == "InnerProduct" and differing == [1] and len(net) == 2:
            bottom = planned.bottoms[0] if planned.bottoms else "?"
            return (
                f"blob `{bottom}` gives it {net[1]} values here and gave {file[1]} in training: "
                "the input's size (crop_size) or a layer before it differs"
            )
        if kind == "Convolution" and differing == [1] and file[1] and net[1]:
            group = planned.layer.options.group
            if net[1] * group == file[1]:
                return "it was trained with group: 1"
            if group == 1 and file[1] < net[1] and net[1] % file[1] == 0:
                return f"it was trained with group: {net[1] // file[1]}, or on {file[1]} channels"
            return f"it was trained on {file[1] * group} channels"
        return ""

    def or_anew(self, remedy: str, planned: PlannedLayer) -> str:
        anew = self.anew(planned)
        return f"{remedy}, or {anew}" if anew else remedy

    def anew(self, planned: PlannedLayer) -> str:
        """How the layer is left to its fillers, where the caller can do without its weights; else nothing."""
        if self.remedy is Remedy.REPLACE:
            return ""
        place = self.where("layer", planned.index, "name")
        at = f" at {place}" if place else " in the definition"
        rename = f"rename the layer{at}, for example to `{planned.name}_mine`"
        return rename if self.remedy is Remedy.RENAME else f"{rename}, or pass --reinit {shell.word(planned.name)}"

    def problem(self, planned: PlannedLayer, what: str, received: str, remedy: str) -> None:
        self.table.problems.append(Problem(what, self.where("layer", planned.index, "name"), received, remedy))

    def hint(self, planned: PlannedLayer) -> str:
        """For a new layer: the unused layer of the file that it may be, by shapes and name."""
        net = [use.shape for use in planned.params]
        alike = [
            name
            for name in self.unused
            if len(self.weights.layers[name]) == len(net)
            and all(fits(blob.shape, shape) for blob, shape in zip(self.weights.layers[name], net, strict=True))
        ]
        near = did_you_mean(planned.name, alike)
        return f"`{near}` in the file has these shapes" if near else ""


def _option(value: object) -> str:
    """An option for comparison and for people; one value for all axes is written once."""
    values = value if isinstance(value, tuple) else (value,)
    return "x".join(str(part) for part in (values if len(set(values)) > 1 else values[:1]))


def _some(names: list[str]) -> str:
    return listed([f"`{name}`" for name in names], 3)
