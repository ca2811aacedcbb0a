"""`lungo verify`: two nets run on the same inputs, and what of the first is in the second: to the bit, within float,
changed, or new.

BEFORE, AFTER [weights of each] + one set of inputs  ->  blob by blob, parameters by layer, the answers, one sentence
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from caffelungo import shell
from caffelungo.definition import catalogue
from caffelungo.definition.reader import Definition
from caffelungo.definition.schema import PHASE_NAMES, TEST
from caffelungo.definition.template import meant_for
from caffelungo.deploy.requested_size import placed
from caffelungo.errors import UserError
from caffelungo.net.stepwise import StepNet
from caffelungo.net.store import Store
from caffelungo.passes import picture_size
from caffelungo.passes.resize import asked, at
from caffelungo.passes.view import View
from caffelungo.plan import memory_limits, states
from caffelungo.plan.plan import Plan
from caffelungo.plan.read_net import read_net
from caffelungo.verify.matching_blobs import CHANGED, EQUAL, GONE, IDENTICAL, NEW, Array, Blob, judge, pairs
from caffelungo.verify.same_inputs import Fed, Wanted, feed
from caffelungo.weights.compare_weights import compare
from caffelungo.weights.copy_table import CopyTable
from caffelungo.weights.load import load
from caffelungo.weights.match_layers import match
from caffelungo.weights.weight_changes import GROWN, LayerChange
from caffelungo.weights.weights import Weights

TOLERANCE = 1e-5
"""Up to here blobs are equal within float: a share of the blob's largest value. Folding a ResNet-50 takes 2e-6."""


@dataclass(frozen=True)
class VerifyOptions:
    """``before`` and ``after`` are net files or names of the catalogue; ``after_weights`` default to ``weights``.

    Without weights both nets get the same made-up ones. ``data``, ``random`` and ``shapes`` as in ``Wanted``. ``size``:
    height and width of both nets' input, instead of the files'.
    """

    before: str
    after: str
    weights: str | None = None
    after_weights: str | None = None
    data: str | None = None
    random: int | None = None
    phase: str = "TEST"
    tolerance: float = TOLERANCE
    size: tuple[int, int] | None = None
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    variables: Mapping[str, Any] = field(default_factory=dict)
    stages: Sequence[str] = ()
    level: int = 0
    seed: int = 0


@dataclass(frozen=True)
class Parameters:
    """The weights of one layer of the later net (of the earlier one where it is gone); ``note`` says more."""

    layer: str
    type: str
    status: str
    note: str = ""


@dataclass(frozen=True)
class Answer:
    """A classifier of the first net: its scores in the second, and for how many samples the best class is the same."""

    layer: str
    status: str
    difference: float = math.nan
    same: tuple[int, int] | None = None
    now: str = ""


@dataclass(frozen=True)
class Verified:
    """What was found. ``blobs`` and ``parameters`` are in the order of the later net; ``inputs`` says what was fed."""

    before: str
    after: str
    inputs: str
    blobs: tuple[Blob, ...]
    parameters: tuple[Parameters, ...]
    answers: tuple[Answer, ...]
    notices: tuple[str, ...]
    verdict: str

    @property
    def kept(self) -> bool:
        """Whether everything old is identical or equal, and there was something to compare."""
        return self.first is None and bool(self.compared)

    @property
    def compared(self) -> list[Blob]:
        """The old blobs that are what they were, the inputs left out."""
        return [blob for blob in self.blobs if blob.status in (IDENTICAL, EQUAL) and blob.type != "Input"]

    @property
    def exit_status(self) -> int:
        return 0 if self.kept else 1

    @property
    def first(self) -> Blob | None:
        """The first blob that differs."""
        return next((blob for blob in self.blobs if blob.status == CHANGED), None)

    def facts(self) -> dict[str, Any]:
        """Everything, for JSON: null where there is no number, "inf" where nothing can be compared."""
        made = asdict(self) | {"kept": self.kept}
        for one in (*made["blobs"], *made["answers"]):
            value = one["difference"]
            one["difference"] = None if math.isnan(value) else "inf" if math.isinf(value) else value
        return made


def verify(options: VerifyOptions, told: Callable[[str], None] = lambda text: None) -> Verified:
    """Run both nets and compare; UserError when a net or weights are wrong, or an input's size is told nowhere."""
    phase = _phase(options.phase)
    chosen: list[str] = []
    before, after = (_file(name, options) for name in (options.before, options.after))
    known = states.stage_names(after.message)  # a rewrite may end stages
    still = [stage for stage in options.stages if stage in known]
    before = _in_state(before, options, phase, options.stages, chosen)
    after = _in_state(after, options, phase, still, chosen)
    told("reading weights ...")
    given = load(options.weights) if options.weights else None
    later = load(options.after_weights) if options.after_weights else given
    wanted = Wanted(options.data, options.random, options.shapes, options.seed)
    fed = feed(before, after, phase, wanted, given)
    if options.size is not None:
        for plan in (fed.before, fed.after):
            memory_limits.check(plan, f"--size {picture_size.text(options.size)}", every=True)
    notices = [*dict.fromkeys(chosen), *fed.notices]
    if given is None:
        given = _made_up(fed.before, options.seed)
        later = later or given
        notices.append("no weights were given: both nets have the same made-up ones (--weights)")
    assert later is not None
    tables = [
        _matched(plan, weights, definition, options, is_after)
        for plan, weights, definition, is_after in ((fed.before, given, before, False), (fed.after, later, after, True))
    ]
    stores, values = [], []
    for plan, table, name in zip((fed.before, fed.after), tables, ("before", "after"), strict=True):
        told(f"running the net {name} ...")
        stores.append(_store(plan, table, options.seed))
        values.append(_run(plan, stores[-1], fed, options.seed))
    fresh = frozenset(
        one.key
        for one in fed.after.layers
        if one.params and any(use.owner and use.key not in tables[1].arrays for use in one.params)
    )
    moved = _moved_layers(fed, stores)
    found = pairs(fed.before, fed.after, fed.renamed, moved)
    blobs = judge(fed.before, fed.after, found, values[0], values[1], fresh, options.tolerance)
    same = {blob.layer for blob in blobs if blob.status in (IDENTICAL, EQUAL)}
    parameters = [
        replace(one, note=f"{one.note}, and yet its blob is the same") if one.layer in same and one.status == CHANGED
        else one for one in _parameters(fed, stores, fresh, moved)
    ]  # fmt: skip
    answers = _answers(before, fed, found, values, blobs)
    notices += _notices(fed, blobs, parameters, values, options, phase)
    result = Verified(
        str(before.path), str(after.path), f"{fed.told}, phase {PHASE_NAMES[phase]}",
        tuple(blobs), tuple(parameters), tuple(answers), tuple(notices), "",
    )  # fmt: skip
    return replace(result, verdict=_verdict(result, fed, found))


def _phase(word: str) -> int:
    for phase, name in PHASE_NAMES.items():
        if name == word.upper():
            return int(phase)
    raise UserError("a phase is TRAIN or TEST", received=f"--phase {word}", remedy="write --phase TEST")


def _file(name: str, options: VerifyOptions) -> Definition:
    path, variables = catalogue.resolve(name)
    mine = meant_for(path, options.variables) if path.suffix == ".j2" else {}
    return read_net(path, {**variables, **mine} or None)


def _in_state(
    definition: Definition, options: VerifyOptions, phase: int, stages: Sequence[str], chosen: list[str]
) -> Definition:
    """``definition`` in its state, at the size or the shapes asked for."""
    settled = states.settled(definition.within(stages, options.level), phase, notes=chosen)
    return at(placed(settled, options.shapes), asked(options.size, (phase,))).definition


def _made_up(plan: Plan, seed: int) -> Weights:
    """Random weights of usual sizes for every layer, by its name: fillers are often zeros, which would hide all."""
    layers: dict[str, list[Any]] = {}
    for one in plan.layers:
        if not one.params:
            continue
        rng = np.random.default_rng([seed, zlib.crc32(one.name.encode())])
        blobs = []
        for use in one.params:
            shape = tuple(int(size) for size in use.shape if size is not None)
            if use.spec.name in ("variance", "scale", "factor"):
                values = rng.uniform(0.5, 1.5, shape)
            else:
                inputs = max(1, math.prod(shape[1:])) if len(shape) > 1 else 25
                values = rng.normal(0, math.sqrt(2 / inputs), shape)
            blobs.append(values.astype(np.float32))
        layers[one.name] = blobs
    return Weights(layers)


def _matched(plan: Plan, weights: Weights, definition: Definition, options: VerifyOptions, is_after: bool) -> CopyTable:
    """What of ``weights`` goes where; UserError with the remedy of a rewrite that moved weights."""
    table = match(plan, weights, where=definition.where)
    if not table.problems:
        return table
    if not is_after or options.after_weights:
        raise UserError(table.problems)
    written = Path(options.after).with_suffix(".caffemodel")
    name = shell.word(written) if written.is_file() else "the .caffemodel that was written with it"
    remedy = "name the weights of the rewritten net: --after-weights " + name
    if not options.weights:
        remedy = "name both nets' weights: --weights before.caffemodel --after-weights " + name
    raise UserError([replace(one, remedy=remedy) for one in table.problems])


def _store(plan: Plan, table: CopyTable, seed: int) -> Store:
    store = Store(plan, seed=seed)
    store.load(table.arrays)
    return store


def _run(plan: Plan, store: Store, fed: Fed, seed: int) -> dict[int, Array]:
    """The values of every blob, by value number."""
    net = StepNet(plan, store)
    tops = [top for one in plan.sources for top in one.tops]
    tensors = [torch.from_numpy(fed.values[_input(top, plan, fed)]) for top in tops]
    torch.manual_seed(seed)
    with torch.no_grad():
        net.forward(*tensors)
    return {value: tensor.detach().float().numpy() for value, tensor in net.data.items()}


def _input(top: str, plan: Plan, fed: Fed) -> str:
    return fed.renamed.get(top, top) if plan is fed.after else top


def _parameters(fed: Fed, stores: list[Store], fresh: frozenset[str], moved: dict[str, str]) -> list[Parameters]:
    """Each layer with weights: bitwise the same, grown around the old ones, moved, changed, new or gone."""
    arrays = [store.layer_arrays(plan) for store, plan in zip(stores, (fed.before, fed.after), strict=True)]
    types = {one.name: one.layer.type for plan in (fed.before, fed.after) for one in plan.layers}
    changes: dict[str, LayerChange] = {}
    if set(arrays[0]) & set(arrays[1]):
        both = (Weights({name: list(blobs) for name, blobs in one.items()}, types) for one in arrays)
        changes = {layer.name: layer for layer in compare(*both).layers}
    gone = {name: arrays[0][name] for name in arrays[0] if name not in arrays[1]}
    new = {one.name for one in fed.after.layers if one.key in fresh}
    result = []
    for name, blobs in arrays[1].items():
        if name in arrays[0]:
            result.append(_kept(name, types[name], arrays[0][name], blobs, changes[name]))
            continue
        if name in moved:
            result.append(Parameters(name, types[name], IDENTICAL, f"moved from `{moved[name]}`"))
        else:
            result.append(Parameters(name, types[name], NEW, "starts afresh" if name in new else "from the file"))
    result += [Parameters(name, types[name], GONE) for name in gone]
    return result


def _kept(name: str, kind: str, old: list[Any], new: list[Any], change: LayerChange) -> Parameters:
    if len(old) == len(new) and all(
        a.shape == b.shape and a.tobytes() == b.tobytes() for a, b in zip(old, new, strict=True)
    ):
        return Parameters(name, kind, IDENTICAL)
    if change.relative == 0 and not change.broken:
        notes = (note for blob in change.blobs for note in blob.notes if "added" in note)
        added = "; ".join(dict.fromkeys(notes))
        grown = any(blob.status == GROWN for blob in change.blobs)
        return Parameters(name, kind, IDENTICAL, f"the old part; {added}" if grown and added else "but for their form")
    if math.isnan(change.relative):
        return Parameters(name, kind, CHANGED, "; ".join(note for blob in change.blobs for note in blob.notes))
    return Parameters(name, kind, CHANGED, f"relative change {change.relative:.2g}")


def _moved_layers(fed: Fed, stores: list[Store]) -> dict[str, str]:
    """New layers that hold, byte for byte, the weights of one that is gone -> that one (a cast layer, a new name)."""
    old, new = (store.layer_arrays(plan) for store, plan in zip(stores, (fed.before, fed.after), strict=True))
    gone = {tuple(blob.tobytes() for blob in blobs): name for name, blobs in old.items() if name not in new}
    return {
        name: gone[key]
        for name, blobs in new.items()
        if name not in old and (key := tuple(blob.tobytes() for blob in blobs)) in gone
    }


def _heads(before: Definition, plan: Plan) -> list[str]:
    """Layers whose outputs are classes; those that lead to an output where no loss says so."""
    try:
        names = [one.name for one in View(before).classifiers]
    except UserError:
        names = []
    return [one.name for one in plan.layers if one.name in names]


def _answers(
    before: Definition, fed: Fed, found: dict[int, int], values: list[dict[int, Array]], blobs: list[Blob]
) -> list[Answer]:
    back = {old: new for new, old in found.items()}
    makers = {value: one for one in fed.after.layers for value in one.top_values}
    states = {(blob.layer, blob.blob): blob for blob in blobs if blob.status != GONE}
    result = []
    for name in _heads(before, fed.before):
        value = fed.before.layer(name).top_values[0]
        now = back.get(value)
        if now is None:
            result.append(Answer(name, GONE))
            continue
        blob = states[makers[now].name, fed.after.values[now].blob]
        same = None
        old, new = values[0][value], values[1][now]
        if old.size == new.size and old.ndim > 1:
            best = [array.reshape(*array.shape[:2], -1).argmax(1) for array in (old, new)]
            same = (int((best[0] == best[1]).sum()), int(best[0].size))
        result.append(Answer(name, blob.status, blob.difference, same, makers[now].name))
    return result


def _notices(
    fed: Fed, blobs: list[Blob], parameters: list[Parameters], values: list[dict[int, Array]],
    options: VerifyOptions, phase: int,
) -> list[str]:  # fmt: skip
    result = []
    broken = [
        f"`{plan.values[value].blob}` of {name}"
        for plan, found, name in ((fed.before, values[0], "the first net"), (fed.after, values[1], "the second net"))
        for value, array in sorted(found.items())
        if not np.isfinite(array).all()
    ]
    if broken:
        result.append(f"NaN or infinite values, first in blob {broken[0]} ({len(broken)} blobs in all)")
    lost = [blob for blob in blobs if "no weights were given" in blob.why]
    if lost:
        written = Path(options.after).with_suffix(".caffemodel")
        name = shell.word(written) if written.is_file() else "OUT.caffemodel"
        result.append(
            f"`{lost[0].layer}` is an old layer in another form, and its weights were not found"
            + (f" (nor those of {len(lost) - 1} more)" if len(lost) > 1 else "")
            + ": --after-weights "
            + name
        )
    if phase != TEST and any(one.layer.type == "Dropout" for one in fed.after.layers):
        result.append("in phase TRAIN layers that draw at random (Dropout) may differ by their draws alone")
    return result


def _verdict(found: Verified, fed: Fed, paired: dict[int, int]) -> str:
    """What was found, in a sentence or two."""
    old = found.compared
    same = [blob for blob in old if blob.status == IDENTICAL]
    near = [blob for blob in old if blob.status == EQUAL]
    first = found.first
    if first is not None:
        told = (
            f"CHANGED: the first old blob that differs is `{first.blob}`, made by layer `{first.layer}` "
            f"({first.type}), {_by(first.difference)}: {first.why}"
        )
        before = f"; identical to the bit: {_blobs(same)}" + (f", equal within float: {_blobs(near)}" if near else "")
        return told + before + _scores(found) + "."
    if not old:
        return "Nothing was compared: the two nets have no blob in common besides inputs and what is new."
    if near:
        worst = max(near, key=lambda blob: blob.difference)
        told = "Everything old is kept: " + (f"{_blobs(same)} identical to the bit, " if same else "")
        told += f"{_blobs(near)} equal within float "
        told += f"(largest relative difference {worst.difference:.1e}, `{worst.blob}` of layer `{worst.layer}`)"
    else:
        told = f"Everything old is identical to the bit ({_blobs(same)})"
    return told + _head_inputs(found, fed, paired) + _scores(found) + "."


def _blobs(some: list[Blob]) -> str:
    return f"{len(some)} blob{'' if len(some) == 1 else 's'}"


def _by(difference: float) -> str:
    return "not comparable" if math.isinf(difference) else f"by {difference:.2g} of its largest value"


def _scores(found: Verified) -> str:
    parts: list[str] = []
    new: list[str] = []
    for one in found.answers:
        place = f"`{one.layer}`" if one.now in ("", one.layer) else f"`{one.now}` for `{one.layer}`"
        if one.status == IDENTICAL:
            parts.append(f"the scores of {place} are identical")
        elif one.status == EQUAL:
            parts.append(f"the scores of {place} are equal ({one.difference:.1e})")
        elif one.status == GONE:
            parts.append(f"the classifier `{one.layer}` is gone")
        elif one.status == NEW:
            new.append(place)
        elif one.same is not None:
            other = one.same[1] - one.same[0]
            parts.append(f"the scores of {place} changed, and with them the best class of {other} in {one.same[1]}")
        else:
            parts.append(f"the scores of {place} changed")
    if new:
        parts.append(f"the answers are new: {', '.join(new)}")
    return "".join(f"; {part}" for part in parts)


def _head_inputs(found: Verified, fed: Fed, paired: dict[int, int]) -> str:
    """Where a classifier reads other numbers than before, although all that is old computes what it did."""
    states = {(blob.layer, blob.blob): blob for blob in found.blobs}
    makers = {value: one for one in fed.after.layers for value in one.top_values}
    for one in found.answers:
        if one.status != NEW or not one.now:
            continue
        head = fed.after.layer(one.now)
        value = head.bottom_values[0]
        maker = makers[value]
        if states[maker.name, fed.after.values[value].blob].status == NEW:
            was = fed.before.layer(one.layer).bottoms[0]
            now = f"`{head.bottoms[0]}` instead of `{was}`" if head.bottoms[0] != was else f"`{was}` is another"
            return f"; what the classifier reads changed: {now}{_from(fed, value)}"
    return ""


def _from(fed: Fed, value: int) -> str:
    """The first new layer with weights on the way to ``value``, and that of Normalize before others."""
    makers = {made: one for one in fed.after.layers for made in one.top_values}
    old = {one.key for one in fed.before.layers}
    queue, seen, new = [value], set(), []
    while queue:
        maker = makers.get(queue.pop())
        if maker is None or maker.key in seen:
            continue
        seen.add(maker.key)
        if maker.key not in old and maker.params:
            new.append(maker)
        if maker.key not in old or not maker.params:
            queue.extend(maker.bottom_values)
    norms = [one for one in new if one.layer.type == "Normalize"]
    if norms:
        names = ", ".join(f"`{one.name}`" for one in reversed(norms))
        return f", brought to another scale by {names} (Normalize)"
    return f", with new numbers from {', '.join(f'`{one.name}`' for one in reversed(new))}" if new else ""
