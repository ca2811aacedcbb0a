"""`lungo init`: a grown net, the weights it grew from and its data  ->  weights whose new layers start well.

W.caffemodel + data  ->  OUT.caffemodel: the layers of W, and what the method makes of the layers that W lacks
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from caffelungo import option_ranges, shell
from caffelungo.definition import catalogue
from caffelungo.definition.filter import net_state
from caffelungo.definition.schema import TRAIN
from caffelungo.errors import Problem, UserError, did_you_mean
from caffelungo.net.stepwise import StepNet
from caffelungo.net.store import Store
from caffelungo.passes.view import Graph, View
from caffelungo.plan import states
from caffelungo.plan.read_net import read_net
from caffelungo.solve import class_counts, nets
from caffelungo.solve.engine import Engine, make_engine
from caffelungo.solve.feed import Feed
from caffelungo.solve.init import gradmax, initial_scale, placing
from caffelungo.solve.init.newcomers import Newcomer, fresh_layers, newcomers
from caffelungo.solve.load_weights import Loaded
from caffelungo.solve.options import InitOptions
from caffelungo.solve.torch_seeds import seed_iteration
from caffelungo.weights import copy_table, formats, match_layers
from caffelungo.wording import counted

METHODS = ("gradmax", "measured", "lsuv")
AUTO = "auto"
"""The first of ``METHODS`` that the net allows."""

Progress = Callable[[int, int], None]


@dataclass
class Initialized:
    """What was done: the file, a line a layer, and what is worth a look."""

    path: Path
    lines: list[str] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)


def init(options: InitOptions, progress: Progress = lambda done, total: None) -> Initialized:
    """Write ``options.output``; ``progress`` hears how many batches are done.

    UserError when the options make no sense, the net has no data, the weights do not fit, or nothing in the net is the
    method's concern.
    """
    target = _checked(options)
    job = _Job(options, progress)
    result = Initialized(target, notices=job.notices)
    methods = {"gradmax": job.gradmax, "measured": job.measured, "lsuv": job.lsuv, AUTO: job.auto}
    changed = methods[options.method](result)
    job.write(target, changed)
    left = [name for name in job.lacking if name not in changed]
    if left:
        result.notices.append(f"start from their fillers: {', '.join(left)}")
    return result


def _checked(options: InitOptions) -> Path:
    problems = option_ranges.problems("init", vars(options))
    if options.method not in (AUTO, *METHODS):
        near = did_you_mean(options.method, METHODS)
        remedy = (f"did you mean {near}? " if near else "") + f"There are {AUTO}, {', '.join(METHODS)}"
        problems.append(Problem("unknown method", None, f"--method {options.method}", remedy))
    if options.outgoing_zero and options.method not in (AUTO, "gradmax"):
        problems.append(
            Problem(
                "--outgoing-zero applies only to GradMax", None, f"--outgoing-zero --method {options.method}",
                "remove --outgoing-zero",
            )
        )  # fmt: skip
    if not options.weights:
        problems.append(
            Problem(
                "need the weights that the net grew from", None, None,
                "--weights net.caffemodel: layers that they lack are the new ones",
            )
        )  # fmt: skip
    target = Path(options.output)
    if not target.name.endswith(formats.SUFFIXES):
        problems.append(
            Problem(
                "the output is a weights file", None, f"-o {options.output}",
                f"-o {shell.word(target.with_suffix('.caffemodel'))}; "
                f"the ending is one of {', '.join(formats.SUFFIXES)}",
            )
        )  # fmt: skip
    elif target.exists() and not options.overwrite:
        problems.append(
            Problem(
                "the file exists and would be overwritten",
                None,
                f"-o {target}",
                "name another file, or add --overwrite",
            )
        )
    if problems:
        raise UserError(problems)
    return target


class _Job:
    """The net with its data, its weights, and what of it is new."""

    def __init__(self, options: InitOptions, progress: Progress) -> None:
        self.options, self.progress = options, progress
        path, given = catalogue.resolve(options.net, dict(options.variables))
        definition = read_net(path, given or None).within(options.stages, options.level)
        self.notices: list[str] = []
        self.definition = states.settled(definition, TRAIN, notes=self.notices)
        text = nets.from_definition(self.definition)
        state = net_state(text.message, TRAIN)
        if options.data is not None:
            text = nets.elsewhere(text, state, options.data)
        self.engine: Engine = make_engine(options)
        self.opened = nets.open_net_with_data(text, state, seed=options.seed)
        if error := nets.input_without_data(text, self.opened.plan):
            raise error
        self.opened = class_counts.counted(self.opened)
        self.plan = self.opened.plan
        self.graph = Graph(self.plan)
        self.loaded = Loaded(options.weights, (), self.plan, text.where, beside=path, remedy=match_layers.Remedy.RENAME)
        self.store = Store(seed=options.seed, device=self.engine.device)
        self.store.adopt(self.plan, skip_filling=self.loaded.whole_layers(self.plan))
        self.loaded.load(self.store)
        assert self.loaded.table is not None
        self.lacking = self.loaded.table.layers(copy_table.NEW)
        # Running updates the running statistics, which are not to change.
        self.blobs = {
            name: [array.copy() for array in arrays] for name, arrays in self.store.layer_arrays(self.plan).items()
        }
        shapes = {planned.name: planned.top_shapes for planned in self.plan.sources}
        view = View(self.definition, [], sources={k: [one for one in v if one] for k, v in shapes.items()})
        self.heads = {one.name for one in view.classifiers}
        self.steps = StepNet(self.plan, self.store)
        self.feed = Feed(self.opened, self.engine)
        if not self.lacking:
            raise UserError(
                "the weights have every layer of this net, so nothing in it is new",
                where=text.where(),
                received=", ".join(map(str, options.weights)),
                remedy="give the weights that the net grew from",
            )

    def batches(self) -> Iterator[Sequence[Tensor]]:
        """The first batches of the data, the same each time, each with the same random layers."""
        with closing(self.feed.batches(0, self.options.batches)) as batches:
            for k, tensors in enumerate(batches):
                seed_iteration(self.engine.device, self.options.seed, k, 0)
                self.progress(k, self.options.batches)
                yield tensors
        self.progress(self.options.batches, self.options.batches)

    def auto(self, result: Initialized) -> placing.Blobs:
        """GradMax; where it has no place, the scales of new Normalize layers; else unit variance."""
        reasons: list[Problem] = []
        ways = {"GradMax": self.gradmax, "measured scales": self.measured, "unit variance (lsuv)": self.lsuv}
        for name, way in list(ways.items())[: 1 if self.options.outgoing_zero else None]:
            tried = Initialized(result.path)
            before = {layer: [array.copy() for array in arrays] for layer, arrays in self.blobs.items()}
            try:
                changed = way(tried)
            except UserError as error:
                self.blobs = before
                reasons += error.problems
                continue
            result.lines += [f"method: {name}", *tried.lines]
            result.notices += [*dict.fromkeys(f"not GradMax: {one.what}" for one in reasons[:1]), *tried.notices]
            return changed
        raise UserError(reasons)

    def gradmax(self, result: Initialized) -> placing.Blobs:
        groups, others = newcomers(self.graph, self.heads, self.lacking)
        result.notices += [f"`{one.name}` {one.why}: it starts from its filler" for one in others]
        if not groups:
            why = "; ".join(f"`{one.name}` {one.why}" for one in others)
            raise UserError(
                "the net has no new units beside old ones before a classifier, which GradMax needs",
                where=self.opened.text.where(),
                received=why or f"the weights lack {', '.join(self.lacking)}",
                remedy="grow with --widen, or use --method lsuv",
            )
        if problems := placing.obstacles(groups, self.options.outgoing_zero, self.opened.text.where):
            raise UserError(problems)
        crosses = gradmax.gather(self.steps, self.batches(), groups)
        theirs: dict[str, list[slice]] = {}
        for group in groups:
            for outlet in group.outlets:
                theirs.setdefault(outlet.head.name, []).append(placing.columns_of(group, outlet))
        for group in groups:
            if self.options.outgoing_zero:
                times = placing.zero_outgoing(group, crosses[group.name], self.blobs, self.options.seed)
                what = "outgoing weights zero"
            else:
                times, problems = placing.zero_incoming(
                    group, crosses[group.name], self.blobs, self.options.scale, self.options.seed, theirs
                )
                what = "incoming weights zero"
                if problems:
                    raise UserError(problems)
            heads = ", ".join(f"`{outlet.head.name}`" for outlet in group.outlets)
            result.lines.append(
                f"{group.name}: {counted(group.size, 'unit')} under {heads}, {what}; "
                f"gradient {times:.2f} times that of random weights"
            )
        if self.options.outgoing_zero:
            self._resize(groups, theirs)
        names = [group.name for group in groups] + list(theirs)
        return {name: self.blobs[name] for name in names}

    def _resize(self, groups: Sequence[Newcomer], theirs: dict[str, list[slice]]) -> None:
        """Lengthen the incoming weights until the units are ``scale`` times as large as old ones (root mean square)."""
        for group in groups:
            for blob, array in zip(self.store.blobs(group.units.key), self.blobs[group.name], strict=True):
                blob.data.copy_(torch.from_numpy(array))
        sums = {group.name: np.zeros(2) for group in groups}
        with torch.no_grad():
            for tensors in self.batches():
                self.steps.forward(*tensors)
                for group in groups:
                    sums[group.name] += np.square(placing.sizes(self.steps, group, theirs[group.outlets[0].head.name]))
        for group in groups:
            new, old = np.sqrt(sums[group.name])
            if new > 0 and old > 0 and np.isfinite(old):
                self.blobs[group.name][0] *= np.float32(self.options.scale * old / new)

    def measured(self, result: Initialized) -> placing.Blobs:
        if not any(one.layer.type == "Normalize" and one.name in self.lacking for one in self.plan.layers):
            raise UserError(
                "no Normalize layer of this net is new, so there is no scale to measure",
                where=self.opened.text.where(),
                received=f"the weights lack {', '.join(self.lacking)}",
                remedy="grow without --no-normalize, or use another --method",
            )
        found = initial_scale.measured(self.steps, self.batches, self.graph, self.lacking)
        for name, (value, whose) in found.items():
            self.blobs[name][0][...] = value
            result.lines.append(f"{name}: factors start at {value:.4g}, the mean norm that {whose} reads")
        return {name: self.blobs[name] for name in found}

    def lsuv(self, result: Initialized) -> placing.Blobs:
        layers = fresh_layers(self.graph, self.heads, self.lacking)
        if not layers:
            raise UserError(
                "no InnerProduct or Convolution of this net is new, save classifiers",
                where=self.opened.text.where(),
                received=f"the weights lack {', '.join(self.lacking)}",
                remedy="classifiers start small on purpose; skip `lungo init`",
            )
        found = initial_scale.lsuv(self.steps, self.batches, layers, self.options.seed)
        for name, (_arrays, factor) in found.items():
            result.lines.append(f"{name}: orthonormal weights times {factor:.4g}, so that its sums have variance 1")
        return {name: arrays for name, (arrays, _factor) in found.items()}

    def write(self, target: Path, changed: placing.Blobs) -> None:
        """The layers of the weights with ``changed``; preprocessing and labels stay while the classifiers do."""
        weights = self.loaded.weights
        assert weights is not None
        kinds = {planned.name: planned.layer.type for planned in self.plan.layers}
        keeps: Any = weights.extras if not self.heads & set(self.lacking) else None
        made = replace(
            weights,
            layers={**weights.layers, **changed},
            types={**weights.types, **{name: kinds[name] for name in changed}},
            extras=keeps,
        )
        target.parent.mkdir(parents=True, exist_ok=True)
        formats.write(target, made, self.definition.message, nets.shared_blobs(self.plan))
