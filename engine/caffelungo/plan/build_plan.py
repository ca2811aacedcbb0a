"""From a NetParameter and a state to its plan, or to all that is wrong with the net, each in its place. No torch.

Caffe: Net::Init and Net::AppendParam.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

from caffelungo.definition.filter import included, state_text
from caffelungo.definition.numeric import in_range, range_problems
from caffelungo.definition.schema import ParamSpec
from caffelungo.errors import Location, Problem, UserError, did_you_mean
from caffelungo.layers import fillers, registry
from caffelungo.layers.base import BlobSpec, Layer, LayerError, Shape, count, shape_text
from caffelungo.plan import namesakes
from caffelungo.plan.misread_layers import NONE, Doubt
from caffelungo.plan.plan import ParamKey, ParamUse, Plan, PlannedLayer, Value
from caffelungo.wording import counted

Where = Callable[..., Location | None]
"""``where("layer", 3, "convolution_param")``: the place of that field of the message in the user's file."""

SUGGESTED = 100
"""After so many problems no near names are looked for, which takes long in a net of thousands of layers."""


def build_plan(
    net: Any,
    state: Any,
    *,
    where: Where | None = None,
    sources: Mapping[str, Sequence[Shape]] | None = None,
    problems: list[Problem] | None = None,
    doubt: Doubt = NONE,
) -> Plan:
    """The plan of ``net`` (an upgraded NetParameter) in ``state`` (a NetState, see ``definition.filter.net_state``).

    ``sources`` gives tops' shapes of data layers, by layer name, where opening the data gave more than the file.
    ``doubt`` names the layers that could not be read as they were written; they count as layers of unknown tops.
    All mistakes are raised together as one UserError, or appended to ``problems`` when that list is given; then the
    plan is complete but has None for shapes that cannot be known.
    """
    builder = _Builder(net, state, where or (lambda *path: None), sources or {}, doubt)
    builder.run()
    if problems is not None:
        problems.extend(builder.problems)
    elif builder.problems:
        raise UserError(builder.problems)
    return builder.plan


class _Builder:
    def __init__(
        self, net: Any, state: Any, where: Where, sources: Mapping[str, Sequence[Shape]], doubt: Doubt
    ) -> None:
        self.net, self.state, self.where, self.sources, self.doubt = net, state, where, sources, doubt
        self.plan = Plan(net.name, state, force_backward=net.force_backward)
        self.problems: list[Problem] = []
        self.current: dict[str, int] = {}
        self.readers: dict[int, list[str]] = {}
        self.unread: set[str] = set()
        self.loose: set[int] = set()
        self.keys: set[str] = set()
        self.shared: dict[str, ParamUse] = {}
        self.explicit: dict[tuple[ParamKey, str], float] = {}

    @cached_property
    def makers(self) -> dict[str, list[int]]:
        """For each blob that is a top, which of the layers (of all states) make it."""
        found: dict[str, list[int]] = {}
        for index, layer in enumerate(self.net.layer):
            for blob in dict.fromkeys(layer.top):
                found.setdefault(blob, []).append(index)
        return found

    def problem(self, what: str, *path: str | int, received: str | None = None, remedy: str | None = None) -> None:
        self.problems.append(Problem(what, self.where(*path), received, remedy))

    def run(self) -> None:
        self.problems += range_problems(self.net, self.where, skip=("layer", "layers"))
        for index, param in enumerate(self.net.layer):
            if param.include and param.exclude:
                self.problem(
                    f"layer `{param.name}` has both include and exclude rules",
                    "layer", index,
                    remedy="keep one kind: include lists the states it is in, exclude those it is not in",
                )  # fmt: skip
            if included(param, self.state):
                self.add(index, param)
        self.plan.outputs = tuple(sorted(self.unread))
        self.problems += namesakes.problems(self.plan, self.where)

    def add(self, index: int, param: Any) -> None:
        cls = registry.find(param.type)
        broken = index in self.doubt.broken
        if cls is None:
            if param.type or not broken:
                self.problems.append(registry.unknown_type(param, self.where("layer", index, "type")))
            self.place_unknown(index, param)
            return
        wrong = range_problems(param, self.where, ("layer", index), of=f"layer `{param.name}` ({param.type}): ")
        self.problems += wrong
        layer = None
        if wrong and not broken:
            self.made(index, in_range(param), cls, [str(one.received).partition(":")[0] for one in wrong])
        if not wrong and not broken:
            layer = self.made(index, param, cls)
        bottom_values = self.read(index, param)
        bottoms = tuple(None if v is None else self.plan.values[v].shape for v in bottom_values)
        key = self.unique(param.name, index)
        names = list(param.top)
        while len(names) < cls.tops.least and cls.automatic_tops:
            names.append(f"(automatic) {key}")
        wired = index not in self.doubt.unwired
        counted_well = self.arity(index, param, cls) if wired else False
        loss_weights = self.loss_weights(index, param, cls, names) if wired and cls.tops.admits(len(names)) else ()
        propagation = self.propagation(index, param) if wired else ()
        if layer is None or not counted_well or None in bottom_values:
            self.place_unknown(index, param, bottoms_read=True)
            return
        known = all(shape is not None for shape in bottoms)
        tops, specs = self.shapes(index, param, layer, bottoms) if known else (None, ())
        if tops is None or index in self.doubt.altered:
            tops = [None] * len(names)
        planned = PlannedLayer(
            layer, index, key, tuple(param.bottom), tuple(names), tuple(v for v in bottom_values if v is not None), (),
            bottoms, tuple(tops), self.params(index, param, key, specs), loss_weights, propagation,
        )  # fmt: skip
        planned.top_values = self.write(index, param, planned)
        self.plan.layers.append(planned)

    def made(self, index: int, param: Any, cls: type[Layer], without: Sequence[str] = ()) -> Layer | None:
        """The layer, or None after a mistake in its options; none is reported that names a field it is ``without``."""
        copy = type(param)()
        copy.CopyFrom(param)
        if not copy.HasField("phase"):
            copy.phase = self.state.phase
        try:
            return cls(copy, copy.phase)
        except LayerError as error:
            for one in (error, *error.more):
                if not any(name in f"{one.what} {one.remedy}" for name in without):
                    self.layer_problem(index, param, one)
            return None

    def unique(self, name: str, index: int) -> str:
        key = name if name and name not in self.keys else f"{name or 'layer'}@{index}"
        self.keys.add(key)
        return key

    def layer_problem(self, index: int, param: Any, error: LayerError) -> None:
        self.problem(
            f"layer `{param.name}` ({param.type}): {error.what}",
            "layer", index, *error.path,
            received=error.received, remedy=error.remedy,
        )  # fmt: skip

    def read(self, index: int, param: Any) -> list[int | None]:
        values: list[int | None] = []
        for position, blob in enumerate(param.bottom):
            value = self.current.get(blob)
            if value is None and not self.doubt.lacks(blob):
                self.unknown_bottom(index, param, position, blob)
            elif value is not None:
                self.readers.setdefault(value, []).append(param.name)
                self.unread.discard(blob)
            values.append(value)
        return values

    def unknown_bottom(self, index: int, param: Any, position: int, blob: str) -> None:
        phase = state_text(self.state)
        absent = [i for i in self.makers.get(blob, ()) if i != index]
        near = did_you_mean(blob, self.current) if len(self.problems) < SUGGESTED else None
        remedy = f"did you mean `{near}`?" if near else "name the top of an earlier layer"
        if absent:
            other = self.net.layer[absent[0]]
            place = self.where("layer", absent[0])
            if not included(other, self.state):
                remedy = (
                    f"layer `{other.name}`{f' ({place})' if place else ''} makes it, but its include/exclude rules "
                    f"leave it out of phase {phase}; include it, or exclude this layer from {phase} too"
                )
            else:
                remedy = f"layer `{other.name}`{f' ({place})' if place else ''} makes it later; move that layer up"
        self.problem(
            f"unknown bottom blob `{blob}` of layer `{param.name}` in phase {phase}",
            "layer", index, "bottom", position,
            received=f'bottom: "{blob}"', remedy=remedy,
        )  # fmt: skip

    def arity(self, index: int, param: Any, cls: type[Layer]) -> bool:
        good = True
        tops = len(param.top)
        if cls.automatic_tops and tops < cls.tops.least:
            tops = cls.tops.least
        for what, got, arity in (("bottom", len(param.bottom), cls.bottoms), ("top", tops, cls.tops)):
            if not arity.admits(got):
                blobs = ", ".join(getattr(param, what)) or "none"
                self.problem(
                    f"layer `{param.name}`: {param.type} takes {counted(arity, f'{what} blob')}",
                    "layer", index,
                    received=f"{got} ({blobs})",
                    remedy=f"give the layer {counted(arity, f'`{what}:` line')}",
                )  # fmt: skip
                good = False
        if good and cls.same_count and len(param.top) != len(param.bottom):
            self.problem(
                f"layer `{param.name}`: {param.type} makes one top for each bottom",
                "layer", index,
                received=f"{counted(len(param.bottom), 'bottom')}, {counted(len(param.top), 'top')}",
                remedy="give it as many `top:` lines as `bottom:` lines",
            )  # fmt: skip
            good = False
        return good

    def shapes(
        self, index: int, param: Any, layer: Layer, bottoms: tuple[Shape | None, ...]
    ) -> tuple[list[Shape | None] | None, Sequence[BlobSpec]]:
        known = [shape for shape in bottoms if shape is not None]
        try:
            tops: list[Shape | None] = list(layer.shapes(known))
            specs = layer.blobs(known)
        except LayerError as error:
            self.layer_problem(index, param, error)
            return None, ()
        for spec in specs:
            try:
                fillers.check(spec.filler, spec.shape)
            except LayerError as error:
                error.path = (*fillers.place(param, spec.filler), *error.path)
                self.layer_problem(index, param, error)
        if param.name in self.sources and layer.source:
            # Another layer of this name, in the other phase, may have more tops.
            tops = [*self.sources[param.name][: len(param.top)]]
        for top, shape in zip(param.top, tops, strict=False):
            if shape is not None and any(size is not None and size <= 0 for size in shape):
                self.problem(
                    f"layer `{param.name}` ({param.type}) would make blob `{top}` with an empty shape",
                    "layer", index,
                    received=f"bottom {', '.join(map(shape_text, known))} -> top {shape_text(shape)}",
                    remedy="use a larger input, a smaller kernel or stride, or more padding",
                )  # fmt: skip
                return None, specs
        return tops, specs

    def params(self, index: int, param: Any, key: str, specs: Sequence[BlobSpec]) -> tuple[ParamUse, ...]:
        if specs and len(param.param) > len(specs):
            self.problem(
                f"too many `param` blocks in layer `{param.name}`",
                "layer", index, "param", len(specs),
                received=f"{len(param.param)} for {counted(len(specs), 'blob')}",
                remedy=f"keep at most {len(specs)}: {', '.join(spec.name for spec in specs)}",
            )  # fmt: skip
        uses = []
        for position, spec in enumerate(specs):
            given = param.param[position] if position < len(param.param) else ParamSpec()
            if not spec.learned and given.HasField("lr_mult") and given.lr_mult != 0:
                given_text = f"lr_mult: {given.lr_mult:g}"
                self.problem(
                    f"blob {position} ({spec.name}) of layer `{param.name}` holds statistics, which no solver learns",
                    "layer", index, "param", position, "lr_mult",
                    received=given_text, remedy="write lr_mult: 0, or remove the `param` block",
                )  # fmt: skip
            rate = (given.lr_mult if spec.learned else 0.0, given.decay_mult)
            use = ParamUse((key, position), spec, spec.shape, True, *rate)
            if given.name:
                use = self.share(index, param, position, given, use)
            uses.append(use)
        return tuple(uses)

    def share(self, index: int, param: Any, position: int, given: Any, use: ParamUse) -> ParamUse:
        first = self.shared.get(given.name)
        if first is None:
            self.shared[given.name] = use
            self.note_explicit(use.key, given)
            return use
        permissive = given.share_mode == type(given).PERMISSIVE
        same = (
            namesakes.alike((count(first.shape),), (count(use.shape),))
            if permissive
            else namesakes.alike(first.shape, use.shape)
        )
        if not same:
            self.problem(
                f"layer `{param.name}` cannot share param `{given.name}`: its blob has another "
                f"{'number of elements' if permissive else 'shape'} than the one of layer `{first.key[0]}`",
                "layer", index, "param", position,
                received=f"{shape_text(use.shape)} for {shape_text(first.shape)}",
                remedy="make the layers equal, or rename the param",
            )  # fmt: skip
        for name in ("lr_mult", "decay_mult"):
            known = self.explicit.get((first.key, name))
            if given.HasField(name) and known is not None and known != getattr(given, name):
                self.problem(
                    f"shared param `{given.name}` has two values of {name}",
                    "layer", index, "param", position, name,
                    received=f"{getattr(given, name):g}, and {known:g} in layer `{first.key[0]}`",
                    remedy="write it once, or the same value everywhere",
                )  # fmt: skip
        self.note_explicit(first.key, given)
        self.reprice(first)
        return ParamUse(first.key, use.spec, use.shape, False, use.lr_mult, use.decay_mult)

    def note_explicit(self, key: ParamKey, given: Any) -> None:
        for name in ("lr_mult", "decay_mult"):
            if given.HasField(name):
                self.explicit.setdefault((key, name), getattr(given, name))

    def reprice(self, owner: ParamUse) -> None:
        """A sharer may state the multipliers that its owner leaves open."""
        rate = self.explicit.get((owner.key, "lr_mult"), owner.lr_mult)
        decay = self.explicit.get((owner.key, "decay_mult"), owner.decay_mult)
        new = ParamUse(owner.key, owner.spec, owner.shape, True, rate, decay)
        for name, use in self.shared.items():
            if use.key == owner.key:
                self.shared[name] = new
        for planned in self.plan.layers:
            planned.params = tuple(new if use.owner and use.key == owner.key else use for use in planned.params)

    def loss_weights(self, index: int, param: Any, cls: type[Layer], tops: Sequence[str]) -> tuple[float, ...]:
        if param.loss_weight:
            if len(param.loss_weight) != len(tops):
                self.problem(
                    f"layer `{param.name}` needs one loss_weight for each top, or none",
                    "layer", index, "loss_weight", 0,
                    received=f"{len(param.loss_weight)} for {counted(len(tops), 'top')}",
                    remedy=f"write {counted(len(tops), '`loss_weight:` line')}; 0 for tops that are not a loss",
                )  # fmt: skip
                return (0.0,) * len(tops)
            return tuple(param.loss_weight)
        return tuple(1.0 if cls.loss and position == 0 else 0.0 for position in range(len(tops)))

    def propagation(self, index: int, param: Any) -> tuple[bool, ...]:
        if param.propagate_down and len(param.propagate_down) != len(param.bottom):
            self.problem(
                f"layer `{param.name}` needs one propagate_down for each bottom, or none",
                "layer", index, "propagate_down", 0,
                received=f"{len(param.propagate_down)} for {counted(len(param.bottom), 'bottom')}",
                remedy=f"write {counted(len(param.bottom), '`propagate_down:` line')}",
            )  # fmt: skip
        return tuple(param.propagate_down)

    def write(self, index: int, param: Any, planned: PlannedLayer) -> tuple[int, ...]:
        values = []
        for position, (blob, shape) in enumerate(zip(planned.tops, planned.top_shapes, strict=True)):
            if blob in self.current:
                in_place = position < len(planned.bottoms) and planned.bottoms[position] == blob
                others = self.readers.get(self.current[blob], [])[: -1 if in_place else None]
                if not in_place and self.current[blob] not in self.loose:
                    maker = self.plan.values[self.current[blob]].producer
                    self.problem(
                        f"top blob `{blob}` is made by two layers",
                        "layer", index, "top", position,
                        received=f"layer `{maker}`, and again layer `{param.name}`",
                        remedy="give one of the two another top name",
                    )  # fmt: skip
                elif in_place and others:
                    self.problem(
                        f"layer `{param.name}` overwrites blob `{blob}` in place, which another layer reads unchanged",
                        "layer", index, "top", position,
                        received=f"also read by layer `{others[0]}`",
                        remedy=f"give layer `{param.name}` another top and let later layers read it",
                    )  # fmt: skip
            values.append(self.new_value(blob, shape, param.name))
        return tuple(values)

    def new_value(self, blob: str, shape: Shape | None, producer: str) -> int:
        self.plan.values.append(Value(blob, shape, producer))
        self.current[blob] = len(self.plan.values) - 1
        self.unread.add(blob)
        return self.current[blob]

    def place_unknown(self, index: int, param: Any, bottoms_read: bool = False) -> None:
        """Let later layers find the tops of a layer that could not be planned, so that one mistake is reported once."""
        self.plan.whole = False
        if not bottoms_read:
            self.read(index, param)
        for blob in param.top:
            value = self.new_value(blob, None, param.name)
            if index in self.doubt.unwired:
                self.loose.add(value)
