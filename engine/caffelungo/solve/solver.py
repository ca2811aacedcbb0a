"""Training a net as a solver file says, in Caffe's order of things.

Caffe: Solver and SGDSolver. ``loop.solve`` is the whole run; ``Solver.step`` is a number of iterations of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from caffelungo.definition.definition import Definition
from caffelungo.definition.printer import print_lines
from caffelungo.errors import RunError, UserError
from caffelungo.net.graph import Net
from caffelungo.net.store import Store
from caffelungo.plan.plan import ParamKey
from caffelungo.report.glog import Log, number, output_line
from caffelungo.solve import (
    cannot_learn,
    debug,
    gradients,
    label_errors,
    nets,
    nonfinite,
    smaller_batches,
    snapshot,
    updates,
)
from caffelungo.solve.device_values import LIMIT, Pending, Seen
from caffelungo.solve.engine import Engine
from caffelungo.solve.feed import Feed
from caffelungo.solve.judged_output import Watch, make_watch
from caffelungo.solve.ledger import Ledger
from caffelungo.solve.load_weights import Loaded
from caffelungo.solve.near_start import Held, watched
from caffelungo.solve.rates import Schedule
from caffelungo.solve.rollback import Rollback
from caffelungo.solve.signals import Action
from caffelungo.solve.smoothing import SmoothedLoss
from caffelungo.solve.snapshot import Form
from caffelungo.solve.testing import TestNet, TestResult, output_weights
from caffelungo.solve.torch_seeds import seed_iteration
from caffelungo.solve.validate import holds, solver_problems
from caffelungo.weights.copy import Remedy
from caffelungo.weights.weights import Weights

LossWatcher = Callable[[int, float], None]
"""Hears (iteration, loss) once the host has looked at it."""
TestWatcher = Callable[[int, int, TestResult], None]
"""Hears (iteration, number of the test net, result)."""
DisplayWatcher = Callable[[int, float, float, Mapping[str, float]], None]
"""Hears (iteration, smoothed loss, rate, scalar outputs of the train net)."""


class Solver:
    """A train net, its test nets, an update rule, and where the training stands.

    ``weights`` are copied by layer name into all nets before training. ``seed`` replaces the file's random_seed (a
    resumed run's own). UserError lists everything wrong with the solver and its nets.

    ``opened`` is a train net with its data, and stands for the one that the solver names; ``store`` holds weights to
    train, ready as they are; ``copied`` of them came from weights files (L2-SP and DELTA ask). ``divided``: batches for
    training are that much smaller than the file says.
    """

    def __init__(
        self,
        definition: Definition,
        engine: Engine | None = None,
        *,
        weights: Sequence[str | Path] = (),
        reinit: Sequence[str] = (),
        variables: Mapping[str, str] | None = None,
        level: int = 0,
        stages: Sequence[str] = (),
        workers: int | None = None,
        seed: int | None = None,
        watch: str | None = None,
        log: Log | None = None,
        opened: nets.Opened | None = None,
        store: Store | None = None,
        copied: Collection[ParamKey] = (),
        divided: int = 1,
    ) -> None:
        self.definition, self.param = definition, definition.message
        self.engine = engine or Engine(torch.device("cpu"))
        self.log = log or Log()
        problems = solver_problems(self.param, definition.where)
        if problems:
            raise UserError(problems)
        text = "\n".join(print_lines(self.param))
        self.log.info("solver.cpp:45", "Initializing solver from parameters: ", below=f"{text}\n")
        self.seed = _seed(self.param, seed)
        self.prefix = snapshot.prefix_of(self.param, definition.path)

        net = opened.text if opened else nets.train_net(definition, variables)
        self.log.info("solver.cpp:102", f"Creating training net from {net.origin}")
        state = nets.train_state(net, self.param, level, stages)
        net = smaller_batches.divided(net, state, divided)
        self.opened = opened or nets.open_net(net, state, seed=self.seed, caffe=self.engine.caffe)
        if error := nets.input_without_data(net, self.opened.plan):
            raise error
        self.plan = self.opened.plan
        self.store = store or Store(seed=self.seed, device=self.engine.device)
        self.loaded = Loaded(
            weights, reinit, self.plan, net.where, self._log_finetuning, definition.path, Remedy.REINIT
        )
        self.store.adopt(self.plan, skip_filling=self.loaded.whole_layers(self.plan))
        self.net = Net(self.plan, self.store, watch=watched(self.param, self.plan, definition.where))
        if problem := cannot_learn.loss_problem(self.plan, net.where):
            raise UserError(problem)
        self.feed = Feed(self.opened, self.engine, workers)
        self.tests = [self._test_net(i, spec, workers) for i, spec in enumerate(nets.test_nets(definition, variables))]
        self.loaded.load(self.store, [(test.opened.plan, test.opened.text.where) for test in self.tests])
        self.engine.lay_out(self.store.tensors.values())
        if self.engine.compile:
            self.net.compile()

        params = [(self.store.tensors[key], use.lr_mult, use.decay_mult) for key, use in self.plan.params.items()]
        self.learned = [param for param, _, _ in params]
        self.update = updates.find(self.param.type)(self.param, params)
        self.held = Held(self) if holds(self.param) else None
        if self.held:
            self.held.begin(self.loaded.table.arrays if self.loaded.table else copied)
        self.schedule = Schedule(self.param)
        self.smoothed = SmoothedLoss(self.param.average_loss)
        self.sentinels = gradients.sentinels(self.plan, self.store)
        self.output_weights = output_weights(self.net)
        if self.held:
            self.output_weights[self.held.output] = 0.0
        run = next((test for test in self.tests if test.iterations != 0), None)
        self.watch: Watch | None = make_watch(run.opened.plan, watch or "") if run else None

        self.iteration = 0
        self.batches = 0
        """Batches drawn from the training sources so far."""
        self.batch_offset = 0
        """Number of the batch that iteration 0 would have begun with: ``batches`` - iteration * iter_size."""
        self.stop_asked = Action.NONE
        self.poll: Callable[[], Action] = lambda: Action.NONE
        self._snapshot_asked = False
        self.ledger = Ledger()
        """The files that this run writes."""
        self.written: int | None = None
        """Iteration of the last snapshot of this run."""
        self.on_snapshot: Callable[[], None] = lambda: None
        self.on_best: Callable[[], None] = lambda: None
        self.after_tests: Callable[[], None] = lambda: None
        self.progress: Callable[[int], None] = lambda iteration: None
        self.test_progress: Callable[[int, int], None] = lambda done, count: None
        self.loss_watchers: list[LossWatcher] = []
        self.test_watchers: list[TestWatcher] = []
        self.display_watchers: list[DisplayWatcher] = []
        self._pending = Pending()
        self._clips: list[Seen] = []
        self._frozen = torch.zeros((), device=self.engine.device)
        self._lap = (time.monotonic(), 0)
        self.log.info("solver.cpp:57", "Solver scaffolding done.")

    # -- construction

    def _log_finetuning(self, path: str) -> None:
        self.log.info("solver.cpp:72", f"Finetuning from {path}")

    def _test_net(self, number: int, spec: nets.TestSpec, workers: int | None) -> TestNet:
        self.log.info("solver.cpp:190", f"Creating test net (#{number}) specified by {spec.text.origin}")
        whole = spec.iterations is None
        opened = nets.open_net(
            spec.text, spec.state, seed=self.seed, once=whole, caffe=self.engine.caffe, shuffle=False if whole else None
        )
        if error := nets.input_without_data(spec.text, opened.plan):
            raise error
        return TestNet(opened, self.store, self.engine, spec.iterations, workers)

    # -- iterations

    @property
    def images(self) -> int:
        """Samples of one iteration."""
        return self.opened.batch_size * int(self.param.iter_size)

    def step(self, count: int) -> None:
        """``count`` iterations, or fewer when a signal or the watch asks to stop (``stop_asked``)."""
        stop = self.iteration + count
        if self.held:
            self.held.ready()
        feed = self.feed.batches(self.batches, self.batches + count * self.param.iter_size)
        self._lap = (time.monotonic(), self.iteration)
        if self.engine.caffe:
            self.smoothed = SmoothedLoss(self.param.average_loss, self.iteration)
        try:
            while self.iteration < stop:
                if self._test_due():
                    self.test_all()
                    if self.stop_asked is not Action.NONE:
                        break
                if not self._iterate(feed):
                    if self._snapshot_asked:
                        self.snapshot()
                    break
                self.progress(self.iteration)
                action = self.poll()
                due = self.param.snapshot and self.iteration % self.param.snapshot == 0
                if due or self._snapshot_asked or action is Action.SNAPSHOT:
                    self.snapshot()
                if action in (Action.STOP, Action.TERMINATE):
                    self.stop_asked = action
                    break
            self.look()
        finally:
            feed.close()  # type: ignore[attr-defined]

    def _test_due(self) -> bool:
        interval = self.param.test_interval
        return bool(
            self.tests and interval and self.iteration % interval == 0
            and (self.iteration > 0 or self.param.test_initialization)
        )  # fmt: skip

    def _iterate(self, feed: Iterator[list[Tensor]]) -> bool:
        """One iteration; False when a signal asked to stop in the midst of it, and it was taken back."""
        display = bool(self.param.display) and self.iteration % self.param.display == 0
        debugged = display and self.param.debug_info
        made = self._forward_backward(feed, debugged)
        if made is None:
            return False
        loss, outputs = made
        norm = self._gradient_norm()
        flag = self._health(loss, norm)
        self._pending.add(self.iteration, loss, flag, norm)
        if display:
            values = self.look(list(outputs.values()))
            self._display(dict(zip(outputs, values, strict=True)))
        elif len(self._pending) >= LIMIT:
            self.look()
        rate = self._rate()
        if display:
            self.log.info("sgd_solver.cpp:112", f"Iteration {self.iteration}, lr = {number(rate)}")
            scalars = {blob: value[0] for blob, value in zip(outputs, values, strict=True) if len(value) == 1}
            for watcher in self.display_watchers:
                watcher(self.iteration, float(self.smoothed.value), rate, scalars)
        self._flush_clips()
        scale: float | Tensor = 1 / self.param.iter_size
        if norm is not None:
            scale = gradients.clip_scale(norm, self.param.clip_gradients, self.param.iter_size)
        before = {k: v.detach().clone() for k, v in self.store.tensors.items()} if debugged else {}
        self.update.apply(rate, self.iteration, scale, self._frozen)
        if debugged:
            debug.log_update(self.log, self.plan, self.store, before)
        for param in self.learned:
            param.grad = None
        self.iteration += 1
        return True

    def _forward_backward(
        self, feed: Iterator[list[Tensor]], debugged: bool
    ) -> tuple[Tensor, dict[str, Tensor]] | None:
        total: Tensor | None = None
        rollback = Rollback(self) if self.param.iter_size > 1 and not self.engine.caffe else None
        for sub_batch in range(self.param.iter_size):
            if rollback and sub_batch and self._stopped_inside():
                rollback.restore()
                return None
            tensors = next(feed)
            self.batches += 1
            seed_iteration(self.engine.device, self.seed, self.iteration, sub_batch)
            maps: list[Tensor] = []
            with self.engine.arithmetic():
                if debugged:
                    loss, outputs = debug.forward_backward(self.log, self.plan, self.store, tensors)
                else:
                    maybe, outputs, maps = self.net.look(*tensors)
                    assert maybe is not None
                    loss = maybe
            penalty = self.held.penalty(tensors, maps) if self.held and maps else None
            aim = loss if penalty is None else loss + penalty
            if aim.requires_grad:
                aim.backward()
            loss = loss.detach()
            if self.held and penalty is not None:
                outputs = {**outputs, self.held.output: penalty.detach()}
            total = loss if total is None else total + loss
        assert total is not None
        return (total if self.param.iter_size == 1 else total / self.param.iter_size), outputs

    def _stopped_inside(self) -> bool:
        """Whether a signal asks to stop between two sub-batches; a snapshot waits for the end of the iteration."""
        while (action := self.poll()) is not Action.NONE:
            if action is Action.SNAPSHOT:
                self._snapshot_asked = True
            else:
                self.stop_asked = action
                return True
        return False

    def _gradient_norm(self) -> Tensor | None:
        if self.param.clip_gradients < 0:
            return None
        found = [param.grad for param in self.learned if param.grad is not None]
        return gradients.total(found) if found else None

    def _health(self, loss: Tensor, norm: Tensor | None) -> Tensor:
        """1 once a loss or gradient was not finite; it freezes all further updates. Caffe goes on with NaN."""
        if not self.engine.caffe:
            if norm is None:
                watched = [param.grad for param in self.sentinels if param.grad is not None]
                norm = gradients.largest(watched) if watched else loss
            self._frozen = torch.maximum(self._frozen, gradients.not_finite(loss, norm))
        return self._frozen

    def _rate(self) -> float:
        rate = self.schedule.rate(self.iteration)
        if self.schedule.stepped:
            self.look()
            self._flush_clips()
            step = self.schedule.current_step
            self.log.info("sgd_solver.cpp:50", f"MultiStep Status: Iteration {self.iteration}, step = {step}")
        return rate

    # -- looking at what the device computed

    def look(self, extra: Sequence[Tensor] = ()) -> list[list[float]]:
        """Wait for the device, take in all losses so far, and return the values of ``extra``.

        RunError names the first layer with a value that is not finite, if there is one.
        """
        seen, values = self._pending.take(extra)
        for entry in seen:
            if entry.bad and not self.engine.caffe:
                raise self._not_finite(entry)
            self.smoothed.add(entry.iteration, entry.loss)
            if entry.norm is not None and entry.norm > self.param.clip_gradients:
                self._clips.append(entry)
            for watcher in self.loss_watchers:
                watcher(entry.iteration, entry.loss)
        self._flush_clips(before=self.iteration)
        return values

    def _flush_clips(self, before: int | None = None) -> None:
        left = []
        for entry in self._clips:
            if before is not None and entry.iteration >= before:
                left.append(entry)
                continue
            limit, norm = self.param.clip_gradients, entry.norm or 1.0
            factor = float(np.float32(limit) / np.float32(norm))
            self.log.info(
                "sgd_solver.cpp:99",
                f"Gradient clipping: scaling down gradients (L2 norm {number(norm)} > {number(limit)}) "
                f"by scale factor {number(factor)}",
            )
        self._clips = left

    def _not_finite(self, entry: Seen) -> RunError:
        first = self.batch_offset + entry.iteration * self.param.iter_size
        batches = [self.feed.one(first + sub_batch) for sub_batch in range(self.param.iter_size)]
        good = snapshot.listed(self.prefix)
        return nonfinite.explain(self, entry, batches, good[-1].state if good else None)

    def _display(self, outputs: Mapping[str, Sequence[float]]) -> None:
        now = time.monotonic()
        lapse, done = now - self._lap[0], self.iteration - self._lap[1]
        speed = number(done / lapse if lapse else float(done))
        self._lap = (now, self.iteration)
        self.log.info(
            "solver.cpp:239",
            f"Iteration {self.iteration} ({speed} iter/s, {number(round(lapse, 3))}s/{self.param.display} iters), "
            f"loss = {number(float(self.smoothed.value))}",
        )
        index = 0
        for blob, values in outputs.items():
            for value in values:
                line = output_line("Train", index, blob, value, self.output_weights[blob])
                self.log.info("solver.cpp:258", line)
                index += 1

    # -- tests

    def test_all(self) -> list[TestResult]:
        """Test every test net; fewer results when a signal interrupts."""
        self.look()
        self._flush_clips()
        results = []
        for index, test in enumerate(self.tests):
            if test.iterations == 0:
                continue
            if self.stop_asked is not Action.NONE or (result := self.test(index)) is None:
                break
            results.append(result)
        if results and self.watch and self.watch.see(self.iteration, results[0]):
            self.on_best()
        if results:
            self.after_tests()
        return results

    def test(self, index: int = 0) -> TestResult | None:
        """Test one net and log it; None when a signal interrupted."""
        self.log.info("solver.cpp:347", f"Iteration {self.iteration}, Testing net (#{index})")
        try:
            result = self.tests[index].run(self._interrupted, self.test_progress)
        except label_errors.LabelError as error:
            raise label_errors.kept(self, self.iteration, error.what) from error
        if result is None:
            self.log.info("solver.cpp:395", "Test interrupted.")
            return None
        if self.param.test_compute_loss:
            self.log.info("solver.cpp:401", f"Test loss: {number(result.loss)}")
        for position, score in enumerate(result.scores):
            line = output_line("Test", position, score.blob, score.value, score.weight)
            self.log.info("solver.cpp:414", line)
        for watcher in self.test_watchers:
            watcher(self.iteration, index, result)
        return result

    def _interrupted(self) -> bool:
        while (action := self.poll()) is not Action.NONE:
            if action is Action.SNAPSHOT:
                self.snapshot()
            else:
                self.stop_asked = action
        return self.stop_asked is not Action.NONE

    # -- the end of a run

    def extra_forward(self) -> None:
        """Caffe's last forward pass, for the loss after the last update; it takes one more batch."""
        tensors = self.feed.one(self.batches)
        self.batches += 1
        self.batch_offset += 1
        seed_iteration(self.engine.device, self.seed, self.iteration, 0)
        with torch.no_grad(), self.engine.arithmetic():
            loss, _ = self.net(*tensors)
        assert loss is not None
        self.smoothed.add(self.iteration, float(loss))
        self.log.info("solver.cpp:327", f"Iteration {self.iteration}, loss = {number(float(self.smoothed.value))}")

    # -- snapshots

    def weights(self) -> Weights:
        """The weights of the train net as they are, for a file."""
        extras = nets.extras(self.opened, self.loaded.extras)
        types = {planned.name: planned.layer.type for planned in self.plan.layers}
        return Weights(self.store.layer_arrays(self.plan), types, extras, self.plan.name)

    def snapshot(self) -> snapshot.Snapshot:
        """Write weights and state of now; RunError when they are not finite or cannot be written."""
        from caffelungo.solve import training_state

        self.look()
        self._flush_clips()
        self._refuse_non_finite()
        kept = snapshot.write(
            self.prefix, self.iteration, self.form, self.weights(), training_state.of(self), nets.filtered(self.opened),
            nets.shared_blobs(self.plan), self._log_snapshot, self.ledger,
        )  # fmt: skip
        self.written, self._snapshot_asked = self.iteration, False
        self.on_snapshot()
        return kept

    @property
    def form(self) -> Form:
        """How the files of snapshots end."""
        return snapshot.form_of(self.param)

    @property
    def hdf5(self) -> bool:
        """Whether snapshots are HDF5 files."""
        return self.form is snapshot.FORMS["h5"]

    def _log_snapshot(self, what: str, path: Path) -> None:
        kind = "HDF5" if self.hdf5 else "binary proto"
        if what == "weights":
            line = "solver.cpp:474" if self.hdf5 else "solver.cpp:464"
            self.log.info(line, f"Snapshotting to {kind} file {path}")
        else:
            line = "sgd_solver.cpp:296" if self.hdf5 else "sgd_solver.cpp:284"
            self.log.info(line, f"Snapshotting solver state to {kind} file {path}")

    def _refuse_non_finite(self) -> None:
        if self.engine.caffe:
            return
        with torch.no_grad():
            tensors = [*self.store.tensors.values(), *self.update.history]
            good = bool(
                torch.isfinite(torch.stack([t.float() for t in torch._foreach_norm(tensors, float("inf"))])).all()
            )
        if not good:
            left = snapshot.listed(self.prefix)
            raise nonfinite.in_weights(self, left[-1].state if left else None)

    def restore(self, path: str | Path) -> list[str]:
        """Go on from a solverstate, ours or the original's; returns what differs from the run that wrote it."""
        from caffelungo.solve import training_state

        return training_state.restore(self, Path(path))


def _seed(param: Any, given: int | None) -> int:
    if given is not None:
        return given
    if param.random_seed >= 0:
        return int(param.random_seed)
    return int(np.random.SeedSequence().generate_state(1, np.uint64)[0] >> np.uint64(1))
