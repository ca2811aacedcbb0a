"""`lungo verify`: two nets run on the same inputs, and what of the first is in the second: to the bit, within float,
changed, or new.

BEFORE, AFTER [weights of each] + one set of inputs  ->  blob by blob, parameters by layer, the answers, one sentence
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
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
from caffelungo.verify.matching_blobs import CHANGED, EQUAL, GONE, IDENTICAL, Array, Blob, judge, pairs
from caffelungo.verify.matching_weights import matching_weights, moved_layers
from caffelungo.verify.same_inputs import Fed, Wanted, feed
from caffelungo.verify.verdict import verdict_of
from caffelungo.verify.verified import ClassifierScores, LayerWeights, Verified
from caffelungo.weights.copy_table import CopyTable
from caffelungo.weights.load import load
from caffelungo.weights.match_layers import match
from caffelungo.weights.weights import Weights
from caffelungo.wording import counted

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


def verify(options: VerifyOptions, say: Callable[[str], None] = lambda text: None) -> Verified:
    """Run both nets and compare; UserError when a net or weights are wrong, or an input's size is given nowhere."""
    phase = _phase(options.phase)
    chosen: list[str] = []
    before, after = (_file(name, options) for name in (options.before, options.after))
    known = states.stage_names(after.message)  # a rewrite may end stages
    still = [stage for stage in options.stages if stage in known]
    before = _in_state(before, options, phase, options.stages, chosen)
    after = _in_state(after, options, phase, still, chosen)
    say("reading weights ...")
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
        notices.append("no weights were given: both nets have the same random ones (--weights)")
    assert later is not None
    tables = [
        _matched(plan, weights, definition, options, is_after)
        for plan, weights, definition, is_after in ((fed.before, given, before, False), (fed.after, later, after, True))
    ]
    stores, values = [], []
    for plan, table, name in zip((fed.before, fed.after), tables, ("before", "after"), strict=True):
        say(f"running the net {name} ...")
        stores.append(_store(plan, table, options.seed))
        values.append(_run(plan, stores[-1], fed, options.seed))
    fresh = frozenset(
        one.key
        for one in fed.after.layers
        if one.params and any(use.owner and use.key not in tables[1].arrays for use in one.params)
    )
    moved = moved_layers(fed, stores)
    found = pairs(fed.before, fed.after, fed.renamed, moved)
    blobs = judge(fed.before, fed.after, found, values[0], values[1], fresh, options.tolerance)
    same = {blob.layer for blob in blobs if blob.status in (IDENTICAL, EQUAL)}
    parameters = [
        replace(one, note=f"{one.note}, although its blob is the same") if one.layer in same and one.status == CHANGED
        else one for one in matching_weights(fed, stores, fresh, moved)
    ]  # fmt: skip
    answers = _answers(before, fed, found, values, blobs)
    notices += _notices(fed, blobs, parameters, values, options, phase)
    result = Verified(
        str(before.path), str(after.path), f"{fed.description}, phase {PHASE_NAMES[phase]}",
        tuple(blobs), tuple(parameters), tuple(answers), tuple(notices), "",
    )  # fmt: skip
    return replace(result, verdict=verdict_of(result, fed, found))


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


def _heads(before: Definition, plan: Plan) -> list[str]:
    """Layers whose outputs are classes; those that lead to an output where no loss says so."""
    try:
        names = [one.name for one in View(before).classifiers]
    except UserError:
        names = []
    return [one.name for one in plan.layers if one.name in names]


def _answers(
    before: Definition, fed: Fed, found: dict[int, int], values: list[dict[int, Array]], blobs: list[Blob]
) -> list[ClassifierScores]:
    back = {old: new for new, old in found.items()}
    makers = {value: one for one in fed.after.layers for value in one.top_values}
    states = {(blob.layer, blob.blob): blob for blob in blobs if blob.status != GONE}
    result = []
    for name in _heads(before, fed.before):
        value = fed.before.layer(name).top_values[0]
        now = back.get(value)
        if now is None:
            result.append(ClassifierScores(name, GONE))
            continue
        blob = states[makers[now].name, fed.after.values[now].blob]
        same = None
        old, new = values[0][value], values[1][now]
        if old.size == new.size and old.ndim > 1:
            best = [array.reshape(*array.shape[:2], -1).argmax(1) for array in (old, new)]
            same = (int((best[0] == best[1]).sum()), int(best[0].size))
        result.append(ClassifierScores(name, blob.status, blob.difference, same, makers[now].name))
    return result


def _notices(
    fed: Fed, blobs: list[Blob], parameters: list[LayerWeights], values: list[dict[int, Array]],
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
        result.append(f"NaN or infinite values, first in blob {broken[0]} ({counted(len(broken), 'blob')} in all)")
    lost = [blob for blob in blobs if "no weights were given" in blob.why]
    if lost:
        written = Path(options.after).with_suffix(".caffemodel")
        name = shell.word(written) if written.is_file() else "OUT.caffemodel"
        result.append(
            f"`{lost[0].layer}` is an old layer in a different form, and its weights were not found"
            + (f" (nor those of {len(lost) - 1} more)" if len(lost) > 1 else "")
            + ": --after-weights "
            + name
        )
    if phase != TEST and any(one.layer.type == "Dropout" for one in fed.after.layers):
        result.append("in phase TRAIN, random layers (Dropout) may differ by their random numbers alone")
    return result
