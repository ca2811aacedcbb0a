"""`lungo time`: forward and backward time of each layer, in Caffe's lines.

Caffe: time() in tools/caffe.cpp.
"""

from __future__ import annotations

import sys
import time as clock
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from caffelungo.definition.filter import net_state
from caffelungo.definition.schema import TEST, TRAIN
from caffelungo.errors import UserError
from caffelungo.net.stepwise import StepNet
from caffelungo.net.store import Store
from caffelungo.passes import picture_size
from caffelungo.passes.resize import asked, at
from caffelungo.plan import memory_limits, states
from caffelungo.plan.read_net import read_net
from caffelungo.report.glog import CaffeLog, number
from caffelungo.solve import nets
from caffelungo.solve.engine import Engine, make_engine
from caffelungo.solve.feed import Feed
from caffelungo.solve.load_weights import Loaded
from caffelungo.solve.options import TimeOptions


@dataclass
class Times:
    """Mean milliseconds: of each layer by name (forward, backward), and of whole passes."""

    layers: dict[str, tuple[float, float]] = field(default_factory=dict)
    forward: float = 0.0
    backward: float = 0.0
    whole: float = 0.0


def time(options: TimeOptions) -> int:
    """Time, print Caffe's lines on standard error; exit status 0."""
    measure(options, CaffeLog(echo=lambda line: print(line, file=sys.stderr, flush=True)))
    return 0


def measure(options: TimeOptions, log: CaffeLog) -> Times:
    """Time the net of ``options``; UserError when it cannot run."""
    if not options.model:
        raise UserError("need a net to time", remedy="lungo time --model FILE")
    if options.phase not in ("TRAIN", "TEST"):
        raise UserError(
            'phase must be "TRAIN" or "TEST"',
            received=f"--phase {options.phase}",
            remedy="write --phase TEST, or leave it out for TRAIN",
        )
    engine = make_engine(options)
    log.info(
        "caffe.cpp:343", "Use CPU." if engine.device.type == "cpu" else f"Use GPU with device ID {engine.device.index}"
    )
    phase = TEST if options.phase == "TEST" else TRAIN
    notes = engine.notices()
    definition = read_net(options.model, dict(options.variables) or None).within(options.stages, options.level)
    definition = states.settled(definition, phase, notes=notes)
    for note in notes:
        log.info("net.cpp:51", note)
    text = nets.from_definition(at(definition, asked(options.size, (phase,))).definition)
    opened = nets.open_net_with_data(text, net_state(text.message, phase))
    if options.size is not None and engine.device.type == "cpu":
        memory_limits.check(opened.plan, f"--size {picture_size.text(options.size)}", every=True)
    store = Store(seed=0, device=engine.device)
    loaded = Loaded(options.weights, (), opened.plan, text.where)
    store.adopt(opened.plan, skip_filling=loaded.whole_layers(opened.plan))
    loaded.load(store)
    return _Stopwatch(opened, StepNet(opened.plan, store), engine, log).run(options.iterations)


class _Stopwatch:
    def __init__(self, opened: nets.OpenedNet, steps: StepNet, engine: Engine, log: CaffeLog) -> None:
        self.opened, self.steps, self.engine, self.log = opened, steps, engine, log
        self.feed = Feed(opened, engine, 0)
        self.spent: dict[tuple[str, str], float] = {}
        self.outside: dict[str, list[Tensor]] = {}
        generator = torch.Generator().manual_seed(0)
        for planned in opened.plan.sources:
            if planned.layer.type == "Input":
                shapes = [[int(n or 1) for n in shape or ()] for shape in planned.top_shapes]
                tensors = [torch.randn(shape, generator=generator).to(engine.device) for shape in shapes]
                self.outside[planned.name] = tensors

    def run(self, iterations: int) -> Times:
        log = self.log
        log.info("caffe.cpp:351", "Performing Forward")
        with self.engine.arithmetic():
            loss = self.forward(0, measured=False)
            log.info("caffe.cpp:356", f"Initial loss: {number(float(loss))}")
            log.info("caffe.cpp:357", "Performing Backward")
            self.backward(measured=False)
            log.info("caffe.cpp:365", "*** Benchmark begins ***")
            log.info("caffe.cpp:366", f"Testing for {iterations} iterations.")
            times = Times()
            for iteration in range(1, iterations + 1):
                start = clock.perf_counter()
                times.forward += self.timed(lambda k=iteration: self.forward(k))  # type: ignore[misc]
                times.backward += self.timed(self.backward)
                spent = 1000 * (clock.perf_counter() - start)
                times.whole += spent
                log.info(
                    "caffe.cpp:394", f"Iteration: {iteration} forward-backward time: {number(round(spent, 3))} ms."
                )
        return self.report(times, iterations)

    def report(self, times: Times, iterations: int) -> Times:
        log, total = self.log, times.whole
        log.info("caffe.cpp:397", "Average time per layer: ")
        for planned in self.opened.plan.layers:
            pair = [self.spent.get((planned.key, way), 0.0) / iterations for way in ("forward", "backward")]
            times.layers[planned.key] = (pair[0], pair[1])
            log.info("caffe.cpp:400", f"{planned.name:>10}\tforward: {number(pair[0])} ms.")
            log.info("caffe.cpp:403", f"{planned.name:>10}\tbackward: {number(pair[1])} ms.")
        times.forward /= iterations
        times.backward /= iterations
        times.whole /= iterations
        log.info("caffe.cpp:408", f"Average Forward pass: {number(times.forward)} ms.")
        log.info("caffe.cpp:410", f"Average Backward pass: {number(times.backward)} ms.")
        log.info("caffe.cpp:412", f"Average Forward-Backward: {number(times.whole)} ms.")
        log.info("caffe.cpp:414", f"Total Time: {number(total)} ms.")
        log.info("caffe.cpp:415", "*** Benchmark ends ***")
        return times

    def timed(self, action: Callable[[], object]) -> float:
        """Milliseconds that ``action`` takes on the device."""
        self.wait()
        start = clock.perf_counter()
        action()
        self.wait()
        return 1000 * (clock.perf_counter() - start)

    def wait(self) -> None:
        if self.engine.device.type == "cuda":
            torch.cuda.synchronize(self.engine.device)

    def spend(self, key: str, way: str, action: Callable[[], object], measured: bool) -> None:
        spent = self.timed(action)
        if measured:
            self.spent[key, way] = self.spent.get((key, way), 0.0) + spent

    def forward(self, k: int, measured: bool = True) -> Tensor:
        sources = {source.name: source for source in self.feed.sources}
        total = torch.zeros((), device=self.engine.device)
        for planned in self.opened.plan.layers:
            if planned.name in self.outside:
                self.fill(planned.top_values, self.outside[planned.name])
            elif planned.layer.source:
                source = sources[planned.name]
                self.spend(
                    planned.key, "forward",
                    lambda p=planned, s=source: self.fill(p.top_values, s.finish(s.batch(k), self.engine.device)),  # type: ignore[misc]
                    measured,
                )  # fmt: skip
            else:
                self.spend(planned.key, "forward", lambda p=planned: self.steps.forward_layer(p), measured)  # type: ignore[misc]
            for value, weight in zip(planned.top_values, planned.loss_weights, strict=True):
                if weight:
                    total = total + weight * self.steps.data[value].detach().sum()
        return total

    def fill(self, values: tuple[int, ...], tensors: list[Tensor]) -> None:
        for value, tensor in zip(values, tensors, strict=True):
            self.steps.data[value] = tensor

    def backward(self, measured: bool = True) -> None:
        plan, steps = self.opened.plan, self.steps
        steps.diff = {}
        if not any(weight for planned in plan.layers for weight in planned.loss_weights):
            # A net without a loss is pushed from its outputs, so that there is something to time.
            for blob in plan.outputs:
                value = plan.value_of(blob)
                steps.diff[value] = torch.ones_like(steps.data[value])
        for planned in steps.backward_order():
            self.spend(planned.key, "backward", lambda p=planned: steps.backward_layer(p), measured)  # type: ignore[misc]
        for parameter in steps.store.tensors.values():
            parameter.grad = None
