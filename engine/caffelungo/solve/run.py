"""`lungo train`: from options to a finished run with its folder, and an exit status."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from caffelungo import drafts, locks, option_ranges, shell
from caffelungo.definition.definition import Definition
from caffelungo.errors import LungoError, RunError, UserError
from caffelungo.report import curves, tensorboard_events
from caffelungo.report.console import Reporter
from caffelungo.report.glog import Log
from caffelungo.report.metrics_csv import Metrics
from caffelungo.solve import (
    before_training,
    constant_answers,
    ledger,
    loop,
    memory,
    resolve_options,
    run_folder,
    sample_sheet,
    smaller_batches,
    snapshot,
    training_state,
)
from caffelungo.solve.chance_loss import StuckLoss
from caffelungo.solve.diverging import Diverging
from caffelungo.solve.engine import OutOfMemory, make_engine, out_of_memory
from caffelungo.solve.options import TrainOptions
from caffelungo.solve.signals import Action, Signals, effect
from caffelungo.solve.snapshot_retention import Keeper
from caffelungo.solve.solver import Solver
from caffelungo.solve.testing import TestResult
from caffelungo.solve.validate import solver_problems, source_problem

REDRAW = 30.0
"""Seconds between drawings of the curves while the run goes on."""


def train(options: TrainOptions) -> int:
    """Train; 0 when done or stopped by SIGINT, 143 after SIGTERM. UserError and RunError as they come."""
    option_ranges.judge("train", options)
    effects = effect(options.sigint_effect, "--sigint_effect"), effect(options.sighup_effect, "--sighup_effect")
    definition = resolve_options.definition_of(options)
    resolve_options.with_flags(definition, options)
    problems = solver_problems(definition.message, definition.where)
    if problems:
        raise UserError(problems)
    prefix = snapshot.prefix_of(definition.message, definition.path)
    reporter = Reporter(definition.message.max_iter, 1, quiet=options.quiet or options.caffe)
    where = definition.where("snapshot_prefix")
    snapshot.probe(prefix, where)
    with locks.alone(prefix, f"snapshots of the prefix {prefix}"):
        start = resolve_options.start_of(options, prefix, reporter)
        if start is not None and options.reset_state:
            weights = training_state.weights_of(start)
            reporter.say(f"starting anew from {weights}: iteration 0, no history")
            options, start = dataclasses.replace(options, weights=[str(weights)], snapshot=None, resume=False), None
        if not options.caffe and not options.overwrite:
            best = definition.message.lungo.keep_best
            snapshot.refuse_overwriting(prefix, resolve_options.iteration_of(start), where, best=best)
        return _Run(options, definition, prefix, reporter, start).run(*effects)


class _Run:
    """One run: the solver, what it reports, and the folder it leaves."""

    def __init__(
        self, options: TrainOptions, definition: Definition, prefix: Path, reporter: Reporter, start: Path | None
    ) -> None:
        self.options, self.definition, self.prefix, self.reporter, self.start = (
            options, definition, prefix, reporter, start,
        )  # fmt: skip
        self.log = Log(echo=_stderr if options.caffe else None)
        self.metrics = Metrics()
        self.began = time.monotonic()
        self.drawn = self.began
        self.told_log = self.told_metrics = False
        self.parts = 1
        """By what batches are divided."""
        self.current: Solver
        self.board: Any = None
        self.folder: Path | None = None
        self.replaced: list[snapshot.Snapshot] = []
        """Snapshots of an older run that --overwrite gives up."""

    def run(self, sigint: Action, sighup: Action) -> int:
        self.build()
        solver = self.current
        with contextlib.ExitStack() as stack:
            self.open_folder(solver)
            stack.enter_context(self.log)
            stack.callback(self.close)
            signals = stack.enter_context(Signals(sigint, sighup, self.reporter.notice))
            if not self.options.caffe:
                before_training.before(solver, self.reporter, resumed=self.start is not None)
            self.log.info("caffe.cpp:239", "Starting Optimization")
            stack.enter_context(self.reporter)
            try:
                while (ending := self.solve(signals)) is None:
                    self.smaller()
            except RunError:
                failed = getattr(self, "current", None)  # none where not even a smaller batch could be set up
                if failed is not None and (best := self.best(failed)) is not None:
                    self.reporter.notice(best_words(failed, best))
                raise
            solver = self.current
            self.reporter.advance(solver.iteration, force=True)
            self.log.info("caffe.cpp:250", "Optimization Done.")
        self.conclude(solver, ending)
        return 143 if ending is loop.Ending.TERMINATED else 0

    def solve(self, signals: Signals) -> loop.Ending | None:
        """How the training ended; None when memory did not hold a batch that can be divided."""
        self.connect(self.current, signals)
        self.reporter.start(self.current.iteration)
        try:
            with _memory_errors(self.current):
                return loop.solve(self.current)
        except OutOfMemory as error:
            if not self.options.fit_batch or not self.divisors():
                raise
            self.reporter.notice(str(error).splitlines()[0])
            return None

    def smaller(self) -> None:
        """The same training with the next smaller batch, from its newest snapshot, or from its start."""
        known, stop, parts = self.current.ledger, self.current.stop_asked, self.divisors()[0]
        newest = [one for one in snapshot.listed(self.prefix) if known.own.get(one.state.name) == ledger.WHOLE]
        self.start = newest[-1].state if newest else self.start
        self.divide(parts, self.current.seed)
        self.current.ledger, self.current.stop_asked = known, stop
        self.metrics.rewind(self.current.iteration)
        self.record(self.current)

    def build(self) -> None:
        """The solver at its start, with a batch that fits where that is asked for."""
        self.current = self.solver()
        if self.options.fit_batch:
            batch, device = self.current.opened.batch_size, self.current.engine.device
            fits = memory.fitting(before_training.expected_memory(self.current), device, batch)
            if fits is not None and (parts := smaller_batches.parts_for(self.divisors(), batch, fits)) is not None:
                self.divide(parts, self.current.seed)

    def divisors(self) -> list[int]:
        return smaller_batches.divisors(self.current.opened.text, self.current.opened.plan.state)

    def divide(self, parts: int, seed: int) -> None:
        """Another solver: batches are ``parts`` times smaller than those so far, and iter_size so much larger."""
        del self.current  # its memory is needed
        smaller_batches.free()
        self.parts *= parts
        self.definition.message.iter_size *= parts
        self.current = self.solver(seed)
        now = self.current.opened.batch_size
        self.reporter.notice(
            f"batch_size {now * parts} does not fit into memory: {now} with iter_size "
            f"{self.definition.message.iter_size} gives the solver the same gradients"
            + ("; but BatchNorm sees the smaller batches" if smaller_batches.sees_batches(self.current.plan) else "")
        )

    def solver(self, seed: int | None = None) -> Solver:
        options, param = self.options, self.definition.message
        engine = make_engine(dataclasses.replace(options, device=resolve_options.device_of(options, param)))
        device = "CPU." if engine.device.type == "cpu" else f"GPU {engine.device.index}"
        self.log.info("caffe.cpp:197", f"Use {device}")
        if param.HasField("solver_mode") and param.solver_mode == 1 and engine.device.type == "cpu":
            self.reporter.notice("solver_mode is GPU, but this run uses the CPU")
        if param.snapshot_diff:
            self.reporter.notice("snapshot_diff is not obeyed: snapshots hold no gradients")
        weights = [] if self.start else list(options.weights) or list(param.weights)
        if not weights and not self.start and (problem := source_problem(param, self.definition.where)):
            raise UserError(problem)
        solver = Solver(
            self.definition, engine, weights=weights, reinit=options.reinit, variables=dict(options.variables) or None,
            level=options.level, stages=options.stages, workers=options.workers,
            seed=training_state.seed_in(self.start) if self.start else seed, watch=param.lungo.watch, log=self.log,
            divided=self.parts,
        )  # fmt: skip
        for note in (*self.definition.notes, *solver.opened.text.notes):
            self.reporter.notice(note)
        if solver.loaded.table and not options.caffe:
            self.reporter.say(solver.loaded.table.render())
        before_training.labels_fit(solver, self.reporter)
        if self.start:
            self.log.info("caffe.cpp:235", f"Resuming from {self.start}")
            for note in solver.restore(self.start):
                self.reporter.notice(note)
            self.reporter.say(f"resumed from {self.start} at iteration {solver.iteration}")
        return solver

    def open_folder(self, solver: Solver) -> None:
        solver.ledger = run_folder.earlier(self.prefix)
        if self.options.overwrite:
            own = solver.iteration if self.start else -1
            self.replaced = [old for old in snapshot.listed(self.prefix) if old.iteration > own]
        earlier = run_folder.metrics_before(self.prefix, self.start) if self.start else []
        self.folder = folder = run_folder.create(self.prefix)
        try:
            self.fill_folder(solver, folder, earlier)
        except BaseException:
            self.log.close()
            drafts.remove(folder)  # it is this run's alone, and says nothing yet
            raise

    def fill_folder(self, solver: Solver, folder: Path, earlier: Sequence[Path]) -> None:
        """The files that a run begins with."""
        known = solver.ledger
        known.path = folder / ledger.RECORD
        run_folder.sweep(self.prefix)
        snapshot.sweep(self.prefix, known, bool(self.definition.message.lungo.keep_last))
        self.log.open(folder / run_folder.LOG)
        self.metrics.open(folder / run_folder.METRICS, earlier, solver.iteration)
        self.record(solver)
        wrote = run_folder.writer(self.prefix, self.start) if self.start and not self.options.caffe else None
        for line in run_folder.data_changes(wrote, folder) if wrote is not None else ():
            self.reporter.notice(line)
        if not self.options.caffe:
            sample_sheet.leave_sheet(solver, folder)
        if self.options.tensorboard is not False and not self.options.caffe:
            self.board = tensorboard_events.open_board(folder)
            if self.board is None:
                tell = self.reporter.notice if self.options.tensorboard else self.reporter.say
                tell("no TensorBoard events: pip install tensorboard")

    def record(self, solver: Solver) -> None:
        """What is run, into the folder."""
        assert self.folder is not None
        sources = {"train": solver.opened.sources}
        sources |= {f"test #{i}": test.opened.sources for i, test in enumerate(solver.tests)}
        run_folder.record(
            self.folder, solver=self.definition.message, net=solver.opened.text.message, seed=solver.seed,
            settings=solver.engine.settings(), command=self.options.command, weights=solver.loaded.names,
            tests=[test.opened.text.message for test in solver.tests],
            resumed_from=str(self.start) if self.start else None, sources=sources, set_solver=self.options.set_solver,
        )  # fmt: skip

    def connect(self, solver: Solver, signals: Signals) -> None:
        """Let the solver's news reach the log, the console, the metrics and the folder."""
        self.reporter.images = solver.images
        keeper = Keeper(solver, self.definition.message.lungo)
        stuck = StuckLoss(solver, self.reporter.notice)
        solver.poll = signals.poll

        def snapshotted() -> None:
            self.replace(solver)
            keeper.after_snapshot()
            self.redraw()

        solver.on_snapshot = snapshotted
        solver.on_best = keeper.keep_best
        solver.progress = self.reporter.advance
        solver.test_progress = self.reporter.testing
        if solver.held:
            solver.held.progress = self.reporter.measuring
        solver.loss_watchers.append(stuck)
        if not self.options.caffe:
            constant_answers.watch(solver, stuck.patience, self.reporter.notice)
        if self.options.stop_diverged and not self.options.caffe:
            chance = stuck.chance if stuck.known and stuck.chance else None
            solver.loss_watchers.append(Diverging(chance, stuck.patience, self.good, self.reporter.notice))

        def tested(iteration: int, net: int, result: TestResult) -> None:
            values = result.values()
            self.add(iteration, "test", values, net)
            self.reporter.tested(iteration, values, net, len(solver.tests))

        def displayed(iteration: int, loss: float, rate: float, outputs: Mapping[str, float]) -> None:
            self.add(iteration, "train", {"loss": loss, "lr": rate} | {k: v for k, v in outputs.items() if k != "loss"})
            self.reporter.displayed(iteration, loss, rate)

        solver.test_watchers.append(tested)
        solver.display_watchers.append(displayed)
        solver.after_tests = lambda: self.early_stop(solver, keeper)

    def good(self, iteration: int) -> Path | None:
        """The newest snapshot from before ``iteration``."""
        older = [one.state for one in snapshot.listed(self.prefix) if one.iteration <= iteration]
        return older[-1] if older else None

    def replace(self, solver: Solver) -> None:
        """Once this run has a snapshot, remove what --overwrite gives up, which --resume would take for this run's."""
        _, state = snapshot.names(self.prefix, solver.iteration, solver.form)
        old, self.replaced = [one for one in self.replaced if one.state != state], []
        if old:
            left = snapshot.discard(old, solver.ledger)
            kept = solver.held.start.path if solver.held and solver.held.start else None
            snapshot.discard_starts(self.prefix, kept, solver.ledger)
            if len(left) < len(old):
                count = len(old) - len(left)
                self.reporter.notice(f"{count} snapshot(s) of the older run removed, as --overwrite says")
            if left:
                self.reporter.notice(
                    f"{len(left)} snapshot(s) that no recorded run of this program wrote stay where they are, the "
                    f"newest {left[-1].state}: move them away, or --resume may go on from one of them"
                )

    def early_stop(self, solver: Solver, keeper: Keeper) -> None:
        if keeper.patience_over():
            assert solver.watch is not None
            self.reporter.say(
                f"stopping early: {solver.watch.name} has not improved in {solver.watch.since} tests; "
                f"best {solver.watch.best:.6g} at iteration {solver.watch.iteration}"
            )
            solver.stop_asked = Action.STOP

    def add(self, iteration: int, phase: str, values: Mapping[str, float], net: int = 0) -> None:
        if self.log.failed and not self.told_log:
            self.told_log = True
            self.reporter.notice(f"the log cannot be written any more: {self.log.failed.strerror}; training goes on")
        if self.metrics.failed and not self.told_metrics:
            self.told_metrics = True
            reason = self.metrics.failed.strerror
            self.reporter.notice(f"{run_folder.METRICS} cannot be written any more: {reason}; training goes on")
        self.metrics.add(iteration, time.monotonic() - self.began, phase, values, net)
        if self.board:
            tensorboard_events.write(self.board, iteration, phase if not net else f"{phase} #{net}", values)

    def redraw(self) -> None:
        now = time.monotonic()
        if now - self.drawn > REDRAW:
            self.drawn = now
            self.draw()

    def draw(self) -> None:
        if self.folder:
            curves.draw(self.metrics.points, self.folder / run_folder.CURVES, self.prefix.name)

    def close(self) -> None:
        """What is left in any case; a full disk must not hide the error that ended the run."""
        with contextlib.suppress(OSError):
            self.draw()
            if self.board:
                self.board.close()

    def conclude(self, solver: Solver, ending: loop.Ending) -> None:
        word = {"DONE": "done", "STOPPED": "stopped", "TERMINATED": "terminated"}[ending.name]
        # Those that stand there from an older run are not this one's end.
        wrote = {*solver.ledger.own, self.start.name if self.start else ""}
        newest = [one for one in snapshot.listed(self.prefix) if one.state.name in wrote]
        where = f"; weights in {newest[-1].weights}" if newest else ""
        self.reporter.say(f"{word} at iteration {solver.iteration}{where}; log and curves in {self.folder}")
        best = self.best(solver)
        if best is not None:
            self.reporter.say(best_words(solver, best))
        net = solver.opened.text.path
        if newest and ending is not loop.Ending.TERMINATED and net is not None and not self.options.caffe:
            model = ["--model", str(net), "--weights", str(best or newest[-1].weights)]
            inspect = shell.command("lungo", "inspect", *model, "-o", net.parent / "report")
            export = shell.command("lungo", "export", *model, "-o", net.with_name("model.onnx"))
            self.reporter.say(f"next: {inspect}  or  {export}")

    def best(self, solver: Solver) -> Path | None:
        """The file of the best weights, where the run keeps them and has seen a test."""
        extras = self.definition.message.lungo
        path = snapshot.best_of(self.prefix, solver.form)
        known = solver.watch is not None and solver.watch.best is not None
        return path if extras.keep_best and known and path.exists() else None


def best_words(solver: Solver, best: Path) -> str:
    """Where the best weights of a run are, and how good they were."""
    watch = solver.watch
    assert watch is not None
    began = ", where training began: no test after it was better" if watch.iteration == 0 else ""
    return f"best weights in {best}: {watch.name} {watch.best:.6g} at iteration {watch.iteration}{began}"


def _stderr(line: str) -> None:
    import sys

    print(line, file=sys.stderr, flush=True)


@contextlib.contextmanager
def _memory_errors(solver: Solver) -> Iterator[None]:
    try:
        yield
    except LungoError:
        raise
    except RuntimeError as error:
        readable = out_of_memory(error, f"a batch of {solver.opened.batch_size} on {solver.engine.device}")
        if readable is None:
            raise
        raise OutOfMemory(f"{readable}: --fit-batch does so") from error
