"""`lungo train`: from options to a finished run with its folder, and an exit status."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from caffelungo import drafts, locks, option_ranges, shell
from caffelungo.definition.definition import Definition
from caffelungo.errors import LungoError, RunError, UserError
from caffelungo.report.classification_score import score
from caffelungo.report.console import Reporter
from caffelungo.report.glog import CaffeLog
from caffelungo.solve import (
    before_training,
    ledger,
    loop,
    memory,
    resolve_options,
    resume_state,
    run_folder,
    sample_sheet,
    smaller_batches,
    snapshot,
)
from caffelungo.solve.action import Action
from caffelungo.solve.chance_loss import StuckLoss
from caffelungo.solve.constant_answers import ConstantAnswers
from caffelungo.solve.diverging import Diverging
from caffelungo.solve.early_stop import EarlyStop
from caffelungo.solve.engine import OutOfMemory, make_engine, out_of_memory
from caffelungo.solve.observer import Observer
from caffelungo.solve.options import TrainOptions
from caffelungo.solve.run_record import RunRecord
from caffelungo.solve.signals import Signals, effect
from caffelungo.solve.snapshot_retention import Keeper, Overwriting
from caffelungo.solve.solver import Solver, make_solver
from caffelungo.solve.training import Training
from caffelungo.solve.training_setup import Setup
from caffelungo.solve.validate import solver_problems, source_problem


@dataclass(frozen=True)
class TrainedRun:
    """What a run left: its newest snapshot, its best weights and its folder (None where there is none of them).

    ``training`` is the net as it is at the end, in memory.
    """

    ending: loop.RunEnding
    training: Training
    snapshot: snapshot.Snapshot | None
    best: Path | None
    folder: Path | None

    @property
    def exit_status(self) -> int:
        """0 when done or stopped by SIGINT, 143 after SIGTERM."""
        return 143 if self.ending is loop.RunEnding.TERMINATED else 0


def train(options: TrainOptions, callbacks: Sequence[Observer] = ()) -> int:
    """Train; the exit status. UserError and RunError as they come; ``callbacks`` see the run (see ``observer``)."""
    return run_training(options, callbacks).exit_status


def run_training(options: TrainOptions, callbacks: Sequence[Observer] = ()) -> TrainedRun:
    """Train as ``train`` does; what came of it."""
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
            weights = resume_state.weights_of_state(start)
            reporter.say(f"starting anew from {weights}: iteration 0, no history")
            options, start = dataclasses.replace(options, weights=[str(weights)], snapshot=None, resume=False), None
        if not options.caffe and not options.overwrite:
            best = definition.message.lungo.keep_best
            known = run_folder.earlier(prefix)
            snapshot.refuse_overwriting(prefix, resolve_options.iteration_of(start), known, where, best=best)
        return _Run(options, definition, prefix, reporter, start, callbacks).run(*effects)


class _Run:
    """One run: the solver, what it reports, and the folder it leaves."""

    def __init__(
        self,
        options: TrainOptions,
        definition: Definition,
        prefix: Path,
        reporter: Reporter,
        start: Path | None,
        callbacks: Sequence[Observer],
    ) -> None:
        self.options, self.definition, self.prefix = options, definition, prefix
        self.reporter, self.start, self.callbacks = reporter, start, callbacks
        self.log = CaffeLog(echo=_stderr if options.caffe else None)
        self.shown = RunRecord(reporter, self.log, prefix.name)
        self.parts = 1
        """By what batches are divided."""
        self.current: Solver
        self.folder: Path | None = None
        self.replaced: list[snapshot.Snapshot] = []
        """Snapshots of an older run that --overwrite gives up."""

    def run(self, sigint: Action, sighup: Action) -> TrainedRun:
        self.build()
        with contextlib.ExitStack() as stack:
            self.open_folder(self.current.training)
            stack.enter_context(self.log)
            stack.callback(self.shown.close)
            signals = stack.enter_context(Signals(sigint, sighup, self.reporter.notice))
            if not self.options.caffe:
                before_training.before(self.current.training, self.reporter, resumed=self.start is not None)
            self.log.info("caffe.cpp:239", "Starting Optimization")
            stack.enter_context(self.reporter)
            try:
                while (ending := self.solve(signals)) is None:
                    self.smaller()
            except RunError:
                failed = getattr(self, "current", None)  # none where not even a smaller batch could be set up
                if failed is not None and (best := self.best(failed.training)) is not None:
                    self.reporter.notice(best_words(failed.training, best))
                raise
            self.reporter.advance(self.current.iteration, force=True)
            self.log.info("caffe.cpp:250", "Optimization Done.")
        return self.conclude(self.current.training, ending)

    def solve(self, signals: Signals) -> loop.RunEnding | None:
        """How the training ended; None when memory did not hold a batch that can be divided."""
        self.connect(self.current, signals)
        self.reporter.start(self.current.iteration)
        try:
            with _memory_errors(self.current.training):
                return loop.solve(self.current)
        except OutOfMemory as error:
            if not self.options.fit_batch or not self.divisors():
                raise
            self.reporter.notice(str(error).splitlines()[0])
            return None

    def smaller(self) -> None:
        """The same training with the next smaller batch, from its newest snapshot, or from its start."""
        known, stop, parts = self.current.training.ledger, self.current.stop_asked, self.divisors()[0]
        newest = [one for one in snapshot.listed(self.prefix) if known.own.get(one.state.name) == ledger.WHOLE]
        self.start = newest[-1].state if newest else self.start
        self.divide(parts, self.current.training.seed)
        self.current.training.ledger, self.current.stop_asked = known, stop
        self.shown.metrics.rewind(self.current.iteration)
        self.record(self.current.training)

    def build(self) -> None:
        """The solver at its start, with a batch that fits where that is asked for."""
        self.current = self.solver()
        if self.options.fit_batch:
            training = self.current.training
            batch, device, seed = training.opened.batch_size, training.engine.device, training.seed
            fits = memory.fitting(before_training.expected_memory(training), device, batch)
            del training  # its memory may be needed
            if fits is not None and (parts := smaller_batches.parts_for(self.divisors(), batch, fits)) is not None:
                self.divide(parts, seed)

    def divisors(self) -> list[int]:
        opened = self.current.training.opened
        return smaller_batches.divisors(opened.text, opened.plan.state)

    def divide(self, parts: int, seed: int) -> None:
        """Another solver: batches are ``parts`` times smaller than those so far, and iter_size so much larger."""
        del self.current  # its memory is needed
        smaller_batches.free()
        self.parts *= parts
        self.definition.message.iter_size *= parts
        self.current = self.solver(seed)
        now, plan = self.current.training.opened.batch_size, self.current.training.plan
        self.reporter.notice(
            f"batch_size {now * parts} does not fit into memory: {now} with iter_size "
            f"{self.definition.message.iter_size} gives the solver the same gradients"
            + ("; but BatchNorm sees the smaller batches" if smaller_batches.sees_batches(plan) else "")
        )

    def solver(self, seed: int | None = None) -> Solver:
        options, param = self.options, self.definition.message
        engine = make_engine(dataclasses.replace(options, device=resolve_options.device_of(options, param)))
        device = "CPU." if engine.device.type == "cpu" else f"GPU {engine.device.index}"
        self.log.info("caffe.cpp:197", f"Use {device}")
        for note in engine.notices():
            self.reporter.notice(note)
        if param.HasField("solver_mode") and param.solver_mode == 1 and engine.device.type == "cpu":
            self.reporter.notice("solver_mode is GPU, but this run uses the CPU")
        if param.snapshot_diff:
            self.reporter.notice("snapshot_diff is ignored: snapshots hold no gradients")
        weights = [] if self.start else list(options.weights) or list(param.weights)
        if not weights and not self.start and (problem := source_problem(param, self.definition.where)):
            raise UserError(problem)
        setup = Setup(
            weights=weights, reinit=options.reinit, variables=dict(options.variables) or None, level=options.level,
            stages=options.stages, workers=options.workers,
            seed=resume_state.seed_in(self.start) if self.start else seed, divided=self.parts,
        )  # fmt: skip
        solver = make_solver(self.definition, engine, setup, log=self.log)
        training = solver.training
        for note in (*self.definition.notes, *training.opened.text.notes):
            self.reporter.notice(note)
        if training.loaded.table and not options.caffe:
            self.reporter.say(training.loaded.table.render())
        before_training.labels_fit(training, self.reporter)
        if self.start:
            self.log.info("caffe.cpp:235", f"Resuming from {self.start}")
            for note in solver.restore(self.start):
                self.reporter.notice(note)
            self.reporter.say(f"resumed from {self.start} at iteration {solver.iteration}")
        return solver

    def open_folder(self, training: Training) -> None:
        training.ledger = run_folder.earlier(self.prefix)
        if self.options.overwrite:
            own = training.iteration if self.start else -1
            self.replaced = [old for old in snapshot.listed(self.prefix) if old.iteration > own]
        earlier = run_folder.metrics_before(self.prefix, self.start) if self.start else []
        self.folder = self.shown.folder = folder = run_folder.create(self.prefix)
        try:
            self.fill_folder(training, folder, earlier)
        except BaseException:
            self.log.close()
            drafts.remove(folder)  # it is this run's alone, and says nothing yet
            raise

    def fill_folder(self, training: Training, folder: Path, earlier: Sequence[Path]) -> None:
        """The files that a run begins with."""
        known = training.ledger
        known.path = folder / ledger.RECORD
        run_folder.sweep(self.prefix)
        snapshot.sweep(self.prefix, known, bool(self.definition.message.lungo.keep_last))
        self.log.open(folder / run_folder.LOG)
        self.shown.metrics.open(folder / run_folder.METRICS, earlier, training.iteration)
        self.record(training)
        wrote = run_folder.writer(self.prefix, self.start) if self.start and not self.options.caffe else None
        for line in run_folder.data_changes(wrote, folder) if wrote is not None else ():
            self.reporter.notice(line)
        if not self.options.caffe:
            sample_sheet.leave_sheet(training, folder)
        if self.options.tensorboard is not False and not self.options.caffe:
            self.shown.open_board(self.options.tensorboard)

    def record(self, training: Training) -> None:
        """What is run, into the folder."""
        assert self.folder is not None
        sources = {"train": training.opened.sources}
        sources |= {f"test #{i}": test.opened.sources for i, test in enumerate(training.tests)}
        run_folder.record(
            self.folder, solver=self.definition.message, net=training.opened.text.message, seed=training.seed,
            settings=training.engine.settings(), command=self.options.command, weights=training.loaded.names,
            tests=[test.opened.text.message for test in training.tests],
            resumed_from=str(self.start) if self.start else None, sources=sources, set_solver=self.options.set_solver,
        )  # fmt: skip

    def connect(self, solver: Solver, signals: Signals) -> None:
        """Let signals, logs, the keepers of snapshots, the judges of the loss and the callbacks see the run."""
        training, notice, extras = solver.training, self.reporter.notice, self.definition.message.lungo
        stuck = StuckLoss(training, notice)
        for one in (signals, stuck):
            solver.observe(one)
        if not self.options.caffe:
            solver.observe(ConstantAnswers(training, stuck.patience, notice))
        if self.options.stop_diverged and not self.options.caffe:
            chance = stuck.chance if stuck.known and stuck.chance else None
            solver.observe(Diverging(chance, stuck.patience, self.good, notice))
        early = EarlyStop(training.watch, extras.early_stop, self.reporter.say)
        for other in (
            Overwriting(training, self.replaced, notice),
            Keeper(training, extras),
            self.shown,
            early,
            *self.callbacks,
        ):
            solver.observe(other)

    def good(self, iteration: int) -> Path | None:
        """The newest snapshot from before ``iteration``."""
        older = [one.state for one in snapshot.listed(self.prefix) if one.iteration <= iteration]
        return older[-1] if older else None

    def conclude(self, training: Training, ending: loop.RunEnding) -> TrainedRun:
        """Say how the run ended and what may come next."""
        word = {"DONE": "done", "STOPPED": "stopped", "TERMINATED": "terminated"}[ending.name]
        # Those that are there from an older run are not this one's end.
        wrote = {*training.ledger.own, self.start.name if self.start else ""}
        newest = [one for one in snapshot.listed(self.prefix) if one.state.name in wrote]
        where = f"; weights in {newest[-1].weights}" if newest else ""
        self.reporter.say(f"{word} at iteration {training.iteration}{where}; log and curves in {self.folder}")
        best = self.best(training)
        if best is not None:
            self.reporter.say(best_words(training, best))
        net = training.opened.text.path
        if newest and ending is not loop.RunEnding.TERMINATED and net is not None and not self.options.caffe:
            model = ["--model", str(net), "--weights", str(best or newest[-1].weights)]
            inspect = shell.command("lungo", "inspect", *model, "-o", net.parent / "report")
            export = shell.command("lungo", "export", *model, "-o", net.with_name("model.onnx"))
            # It looks at classes.
            if not any(one.layer.label_loss or one.layer.number_loss for one in training.plan.layers):
                self.reporter.say(f"next: {inspect}")
            self.reporter.say(f"to use it: {export}")
        return TrainedRun(ending, training, newest[-1] if newest else None, best, self.folder)

    def best(self, training: Training) -> Path | None:
        """The file of the best weights, where the run keeps them and has seen a test."""
        extras = self.definition.message.lungo
        path = snapshot.best_of(self.prefix, training.form)
        known = training.watch is not None and training.watch.best is not None
        return path if extras.keep_best and known and path.exists() else None


def best_words(training: Training, best: Path) -> str:
    """Where the best weights of a run are, and how good they were."""
    watch = training.watch
    assert watch is not None
    best_value = score(watch.name, watch.best) if watch.best is not None else "unknown"
    began = ", where training began: no test after it was better" if watch.iteration == 0 else ""
    return f"best weights in {best}: {watch.name} {best_value} at iteration {watch.iteration}{began}"


def _stderr(line: str) -> None:
    import sys

    print(line, file=sys.stderr, flush=True)


@contextlib.contextmanager
def _memory_errors(training: Training) -> Iterator[None]:
    try:
        yield
    except LungoError:
        raise
    except RuntimeError as error:
        readable = out_of_memory(error, f"a batch of {training.opened.batch_size} on {training.engine.device}")
        if readable is None:
            raise
        raise OutOfMemory(f"{readable}: --fit-batch does so") from error
