"""`lungo bench`: how fast a file answers, against the same net in PyTorch, in one run.

All sides take turns in short rounds, so that whatever else the machine does falls on all of them; a ratio is taken
within a round, and its spread is over rounds. Answers are compared before anything is timed.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caffelungo import option_ranges, tabular
from caffelungo.deploy.bench_options import BenchOptions
from caffelungo.errors import Problem, RunError, UserError
from caffelungo.inference import metadata, peak_memory, profile
from caffelungo.inference.machine_facts import memory
from caffelungo.inference.onnx_engine import TYPES, OnnxEngine
from caffelungo.report.console import duration
from caffelungo.threads import physical_cores
from caffelungo.wording import counted

Arrays = Mapping[str, NDArray[Any]]
Side = Callable[[Arrays], Mapping[str, NDArray[Any]]]
Tell = Callable[[str, int, int], None]

ONNX = "ONNX Runtime"
APART = 1e-2
"""Most that a float32 file may differ from PyTorch, as a share of an output's largest value; beyond is another net."""
WORKSPACE = 2
"""Memory that a run may take, in what its tensors take at most: operators unfold and reorder theirs."""
FEWEST = 3
"""Rounds without which a size is not measured."""
ENOUGH = {90: 10, 99: 100}
"""Runs that a percentile takes: fewer have no run beyond it."""
COLUMNS = ("batch", "side", "runs", "p50 ms", "p90 ms", "p99 ms", "images/s", "ratio", "from", "to")


@dataclass(frozen=True)
class BenchRow:
    """One side at one batch size. Latencies are in ms a batch, None where the runs are too few for the percentile.

    ``ratio``: ONNX Runtime's speed over this side's, and ``low`` and ``high``, its quartiles over rounds (None for ONNX
    Runtime itself).
    """

    batch: int
    side: str
    runs: int
    p50: float
    p90: float | None
    p99: float | None
    rate: float
    ratio: float | None = None
    low: float | None = None
    high: float | None = None

    def cells(self) -> list[str]:
        """In the order of ``COLUMNS``."""
        several = (self.p50, self.p90, self.p99, self.rate, self.ratio, self.low, self.high)
        times = ["" if one is None else f"{one:.{1 if place == 3 else 2}f}" for place, one in enumerate(several)]
        return [str(self.batch), self.side, str(self.runs), *times]


@dataclass
class Benched:
    """What was measured, where, by how many rounds (by batch size), and notes on what was not."""

    where: str
    rows: list[BenchRow] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    rounds: dict[int, int] = field(default_factory=dict)

    def table(self) -> str:
        """For people."""
        lines = [list(COLUMNS), *(row.cells() for row in self.rows)]
        widths = [max(len(line[place]) for line in lines) for place in range(len(COLUMNS))]
        return "\n".join(
            "  ".join(f"{cell:<{width}}" if place == 1 else f"{cell:>{width}}"
                      for place, (cell, width) in enumerate(zip(line, widths, strict=True))).rstrip()
            for line in lines
        )  # fmt: skip

    def csv(self) -> str:
        """The same, as CSV."""
        return tabular.as_text(COLUMNS, (row.cells() for row in self.rows))

    def markdown(self) -> str:
        """The same, as a table of Markdown."""
        lines = [COLUMNS, ["---:" if place != 1 else "---" for place in range(len(COLUMNS))],
                 *(row.cells() for row in self.rows)]  # fmt: skip
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def bench(options: BenchOptions, *, progress: Tell | None = None) -> Benched:
    """Measure; ``progress`` is called with (what, done, total). UserError, or RunError when sides are not the same net.

    Stopped by Ctrl-C, it gives what was measured until then.
    """
    _check(options)
    ends = time.monotonic() + 60 * options.minutes
    tell = progress or (lambda what, done, total: None)
    threads = options.threads or physical_cores()
    tell("opening the file", 0, 0)
    engine = OnnxEngine(
        options.model, options.device, provider=options.provider, threads=threads, graphs=options.graphs
    )
    if engine.metadata.get("caffelungo.format") == metadata.FORMAT:
        metadata.read(engine.metadata, options.model)  # a damaged file is refused, as everywhere
    fixed = [shape[0] for shape in engine.shapes.values() if shape and isinstance(shape[0], int)]
    batches = sorted(set(fixed[:1] or options.batches))
    ran = profile.described(engine.ran_on(feeds_of(engine, batches[0], options.size)))
    done = Benched(f"{engine}, {counted(threads, 'thread')}; {ran}")
    if fixed:
        done.notes.append(f"the file is for {counted(fixed[0], 'picture')}, the only batch size")
    opponents = None
    if options.net is not None:
        from caffelungo.deploy.baselines import Opponents

        tell("opening the net in PyTorch", 0, 0)
        opponents = Opponents(options, engine, threads, done.notes)
    try:
        for number, batch in enumerate(batches):
            _at(batch, len(batches) - number - 1, options, engine, opponents, done, ends, tell)
    except KeyboardInterrupt:
        if not done.rows:
            raise
        done.notes.append("stopped before everything was measured")
    for share, runs in ENOUGH.items():
        if any(row.runs < runs for row in done.rows):
            done.notes.append(f"p{share} needs {counted(runs, 'run')}; increase --seconds or --rounds")
    return done


def _at(
    batch: int, later: int, options: BenchOptions, engine: OnnxEngine, opponents: Any, done: Benched, ends: float,
    tell: Tell,
) -> None:  # fmt: skip
    """Measure at one batch size, with ``later`` more to come before the clock ``ends``."""
    feeds = feeds_of(engine, batch, options.size)
    if not _fits(options, engine, feeds, batch, done.notes):
        return
    left = ends - time.monotonic()
    if done.rows and left <= 0:
        done.notes.append(f"batch {batch} is skipped: the {options.minutes:.3g} minutes are over (--minutes)")
        return
    tell(f"batch {batch}: warming up", 0, 0)
    try:
        if options.graphs and options.size is None:
            engine.warm_up([batch])
        sides: dict[str, Side] = {ONNX: engine.run}
        if opponents is not None:
            sides |= opponents.sides(feeds, f"batch {batch}: ", ends, tell)
        _agree(sides, feeds, engine, done.notes)
        wait = later * opponents.took if opponents is not None else 0.0
        limit = max(0.0, ends - time.monotonic() - wait) / (later + 1)
        rows, rounds = in_turns(sides, feeds, batch, options.rounds, options.seconds,
                                limit=limit if done.rows else max(limit, 1.0), needed=0 if done.rows else FEWEST,
                                tell=lambda *stage: tell(f"batch {batch}: {stage[0]}", *stage[1:]))  # fmt: skip
    except (RunError, RuntimeError, MemoryError) as error:
        if not isinstance(error, MemoryError) and not _is_memory(error):
            raise
        done.notes.append(f"batch {batch} is skipped: it does not fit into the memory of {engine.device}")
        return
    if not rows:
        done.notes.append(f"batch {batch} is skipped: {FEWEST} rounds would exceed {options.minutes:.3g} minutes "
                          "(--minutes)")  # fmt: skip
        return
    if rounds < options.rounds:
        done.notes.append(
            f"batch {batch}: {counted(rounds, 'round')} instead of {options.rounds}, to finish in time (--minutes)"
        )
    done.rows += rows
    done.rounds[batch] = rounds


def measure(sides: Mapping[str, Side], feeds: Arrays, batch: int, rounds: int, seconds: float) -> list[BenchRow]:
    """Each side takes turns of ``seconds``, in another order each round; up to three runs of each come first."""
    return in_turns(sides, feeds, batch, rounds, seconds)[0]


def in_turns(
    sides: Mapping[str, Side], feeds: Arrays, batch: int, rounds: int, seconds: float, *,
    limit: float = float("inf"), needed: int = FEWEST, tell: Tell | None = None,
) -> tuple[list[BenchRow], int]:  # fmt: skip
    """(rows, rounds) of ``measure``, with as many rounds as end within ``limit`` seconds.

    Where these are less than ``FEWEST`` there are ``needed`` (0: nothing is measured, no rows).
    """
    cost = sum(max(seconds, _warmed(side, feeds, seconds)) for side in sides.values())
    if rounds * cost > limit:
        rounds = min(rounds, int(limit / cost)) if limit >= FEWEST * cost else min(rounds, needed)
    what = f"{', '.join(sides)} in turns, about {duration(rounds * cost)}"
    times: dict[str, list[list[float]]] = {name: [] for name in sides}
    names = list(sides)
    for number in range(rounds):
        if tell is not None:
            tell(what, number, rounds)
        for name in names[number % len(names) :] + names[: number % len(names)]:
            times[name].append(_turn(sides[name], feeds, seconds))
    return (_rows(times, batch) if rounds else []), rounds


def _rows(times: Mapping[str, list[list[float]]], batch: int) -> list[BenchRow]:
    """A row for each side from its seconds by turn and run."""
    speeds = {name: np.array([1 / np.mean(turn) for turn in turns]) for name, turns in times.items()}
    rows = []
    for name, turns in times.items():
        ms = 1000 * np.concatenate([np.array(turn) for turn in turns])
        row: dict[str, Any] = {}
        if name != ONNX:
            low, ratio, high = np.percentile(speeds[ONNX] / speeds[name], (25, 50, 75))
            row = {"ratio": float(ratio), "low": float(low), "high": float(high)}
        p90, p99 = (float(np.percentile(ms, share)) if len(ms) >= runs else None for share, runs in ENOUGH.items())
        rows.append(
            BenchRow(batch, name, len(ms), float(np.median(ms)), p90, p99, float(batch * 1000 / ms.mean()), **row)
        )
    return rows


def _warmed(side: Side, feeds: Arrays, seconds: float) -> float:
    """Seconds of the last of three runs, or of fewer where one is longer than a turn."""
    spent = 0.0
    for _ in range(3):
        started = time.perf_counter()
        side(feeds)
        last = time.perf_counter() - started
        spent += last
        if spent > 2 * seconds:
            break
    return last


def _turn(side: Side, feeds: Arrays, seconds: float) -> list[float]:
    found: list[float] = []
    while sum(found) < seconds:
        started = time.perf_counter()
        side(feeds)
        found.append(time.perf_counter() - started)
    return found


def feeds_of(engine: OnnxEngine, batch: int, size: tuple[int, int] | None = None) -> dict[str, NDArray[Any]]:
    """Random inputs: pixels for uint8, else numbers as wide as those of pictures. UserError for sizes left open."""
    rng = np.random.default_rng(0)
    feeds = {}
    for given in engine.session.raw.get_inputs():
        free = iter(size or ())
        shape = [batch if place == 0 and not isinstance(one, int) else one if isinstance(one, int) else next(free, one)
                 for place, one in enumerate(given.shape)]  # fmt: skip
        if not all(isinstance(one, int) for one in shape):
            raise UserError(
                f"input `{given.name}` has open sizes besides the batch",
                received="x".join(map(str, given.shape)), remedy="set the picture size: --size 224x224",
            )  # fmt: skip
        kind = TYPES.get(given.type)
        if kind is None:
            raise UserError(f"input `{given.name}` has an unsupported type", received=given.type,
                            remedy="time this file with onnxruntime directly")  # fmt: skip
        feeds[given.name] = (
            rng.integers(0, 256, shape, dtype=np.uint8) if kind == np.uint8
            else (50 * rng.standard_normal(shape)).astype(kind)
        )  # fmt: skip
    return feeds


def _fits(options: BenchOptions, engine: OnnxEngine, feeds: Arrays, batch: int, notes: list[str]) -> bool:
    """Whether the machine has the memory; what a GPU has shows when it runs."""
    free = memory().get("free")
    if free is None or engine.device != "cpu":
        return True
    needed = WORKSPACE * peak_memory.peak(options.model, {name: array.shape for name, array in feeds.items()})
    if needed > free:
        notes.append(f"batch {batch} is skipped: it may take {needed / 1e9:.1f} GB, {free / 1e9:.1f} are free")
    return needed <= free


def _is_memory(error: BaseException) -> bool:
    text = str(error).lower()
    return "out of memory" in text or "failed to allocate" in text or "alloc_cpu" in text or "allocate memory" in text


def _agree(sides: Mapping[str, Side], feeds: Arrays, engine: OnnxEngine, notes: list[str]) -> None:
    """RunError when PyTorch answers otherwise. Where a side, or the file, is below float32, the difference is noted."""
    low = json.loads(engine.metadata.get("precision", "{}")).get("precision", "")
    expected = sides[ONNX](feeds)
    for name, side in sides.items():
        if name == ONNX:
            continue
        for blob, value in side(feeds).items():
            wanted = expected[blob].astype(np.float32)
            apart = float("inf")
            if value.shape == wanted.shape:
                apart = float(np.abs(value - wanted).max(initial=0.0)) / (float(np.abs(wanted).max(initial=0.0)) or 1.0)
            if not apart <= APART:
                reason = low or next((one for one in ("bf16", "fp16") if one in name), "")
                if not reason or value.shape != wanted.shape:
                    raise RunError(
                        f"{name} and {ONNX} differ in `{blob}`: they are different nets\n"
                        "  to do: name the definition and the weights that the file was exported from"
                    )
                line = f"{name} and {ONNX} differ by {apart:.2g} of the largest value of `{blob}` ({reason})"
                notes[:] = [note for note in notes if not note.startswith(line.split(" by ")[0])] + [line]


def _check(options: BenchOptions) -> None:
    problems = option_ranges.problems("bench", vars(options))
    problems += option_ranges.wrong("--batch", options.batches, option_ranges.IN_WORDS["--batch"])
    if not options.batches:
        problems.append(Problem("no batch size is named", received="--batch ''", remedy="write --batch 1,8,64"))
    if problems:
        raise UserError(problems)
    if (options.net is None) != (options.weights is None):
        raise UserError(
            "the net in PyTorch needs both its definition and its weights",
            received=f"--model {options.net}, --weights {options.weights}", remedy="name both, or neither",
        )  # fmt: skip
