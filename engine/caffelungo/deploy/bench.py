"""`lungo bench`: how fast a file answers, against the same net in PyTorch, in one run.

All sides take turns in short rounds, so that whatever else the machine does falls on all of them; a ratio is taken
within a round, and its spread is over rounds. Answers are compared before anything is timed.
"""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caffelungo.deploy.doctor import memory
from caffelungo.deploy.engine import Engine
from caffelungo.errors import RunError, UserError

Arrays = Mapping[str, NDArray[Any]]
Side = Callable[[Arrays], Mapping[str, NDArray[Any]]]

ONNX = "ONNX Runtime"
APART = 1e-2
"""Most that sides may differ, as a share of an output's largest value: half precision may, another net may not."""
COLUMNS = ("batch", "side", "runs", "p50 ms", "p90 ms", "p99 ms", "images/s", "ratio", "from", "to")


@dataclass(frozen=True)
class BenchOptions:
    """``net`` and ``weights``: the same net for PyTorch (None: the file alone). ``seconds`` is one side's turn.

    ``threads`` 0: as many as cores, for every side. ``device``, ``provider``, ``graphs``: see ``engine.Engine``.
    """

    model: str | Path
    net: str | Path | None = None
    weights: str | None = None
    batches: Sequence[int] = (1, 8, 64)
    rounds: int = 11
    seconds: float = 0.3
    threads: int = 0
    device: str = "auto"
    provider: str = ""
    graphs: bool = False
    compiled: bool = True


@dataclass(frozen=True)
class Row:
    """One side at one batch size. Latencies are in ms a batch. ``ratio``: ONNX Runtime's speed over this side's, and
    ``low`` and ``high``, its quartiles over rounds (None for ONNX Runtime itself)."""

    batch: int
    side: str
    runs: int
    p50: float
    p90: float
    p99: float
    rate: float
    ratio: float | None = None
    low: float | None = None
    high: float | None = None

    def cells(self) -> list[str]:
        """In the order of ``COLUMNS``."""
        ratios = ["" if one is None else f"{one:.2f}" for one in (self.ratio, self.low, self.high)]
        times = [f"{one:.2f}" for one in (self.p50, self.p90, self.p99)]
        return [str(self.batch), self.side, str(self.runs), *times, f"{self.rate:.1f}", *ratios]


@dataclass
class Benched:
    """What was measured, where, and notes on what was not."""

    where: str
    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

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
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([COLUMNS, *(row.cells() for row in self.rows)])
        return text.getvalue()


def bench(options: BenchOptions, *, progress: Callable[[str, int, int], None] | None = None) -> Benched:
    """Measure; ``progress`` is told (what, done, total). UserError, or RunError when sides are not the same net."""
    _check(options)
    tell = progress or (lambda what, done, total: None)
    engine = Engine(
        options.model, options.device, provider=options.provider, threads=options.threads, graphs=options.graphs
    )
    fixed = [shape[0] for shape in engine.shapes.values() if shape and isinstance(shape[0], int)]
    done = Benched(f"{engine}, {options.threads or 'all'} threads")
    batches = list(dict.fromkeys(fixed[:1] or options.batches))
    if fixed:
        done.notes.append(f"the file is for {fixed[0]} pictures, so that is the one batch size")
    each = activations(options.model)
    opponents = None
    if options.net is not None:
        from caffelungo.deploy.opponents import Opponents

        tell("opening the net in PyTorch", 0, 0)
        opponents = Opponents(options, engine, done.notes)
    for number, batch in enumerate(batches):
        free = memory().get("free")
        if free is not None and engine.device == "cpu" and each * batch > free:
            done.notes.append(
                f"batch {batch} is left out: it may take {each * batch / 1e9:.1f} GB, {free / 1e9:.1f} are free"
            )
            continue
        tell(f"batch {batch}: warming up", number, len(batches))
        feeds = _feeds(engine, batch)
        if options.graphs:
            engine.warm_up([batch])
        sides: dict[str, Side] = {ONNX: engine.run, **(opponents.sides(feeds) if opponents else {})}
        _agree(sides, feeds)
        tell(f"batch {batch}: measuring {', '.join(sides)}", number, len(batches))
        done.rows += measure(sides, feeds, batch, options.rounds, options.seconds)
    return done


def measure(sides: Mapping[str, Side], feeds: Arrays, batch: int, rounds: int, seconds: float) -> list[Row]:
    """Each side takes turns of ``seconds``, in another order each round; at least three runs of each come first."""
    for side in sides.values():
        for _ in range(3):
            side(feeds)
    times: dict[str, list[list[float]]] = {name: [] for name in sides}
    names = list(sides)
    for number in range(rounds):
        for name in names[number % len(names) :] + names[: number % len(names)]:
            times[name].append(_turn(sides[name], feeds, seconds))
    speeds = {name: np.array([1 / np.mean(turn) for turn in turns]) for name, turns in times.items()}
    rows = []
    for name, turns in times.items():
        ms = 1000 * np.concatenate([np.array(turn) for turn in turns])
        row: dict[str, Any] = {}
        if name != ONNX:
            low, ratio, high = np.percentile(speeds[ONNX] / speeds[name], (25, 50, 75))
            row = {"ratio": float(ratio), "low": float(low), "high": float(high)}
        p50, p90, p99 = (float(one) for one in np.percentile(ms, (50, 90, 99)))
        rows.append(Row(batch, name, len(ms), p50, p90, p99, float(batch * 1000 / ms.mean()), **row))
    return rows


def _turn(side: Side, feeds: Arrays, seconds: float) -> list[float]:
    found: list[float] = []
    while sum(found) < seconds:
        started = time.perf_counter()
        side(feeds)
        found.append(time.perf_counter() - started)
    return found


def activations(model: str | Path) -> int:
    """Bytes of all tensors between the operators for one picture: more than is ever held at a time."""
    import onnx

    graph = onnx.shape_inference.infer_shapes(onnx.load(model, load_external_data=False)).graph
    total = 0
    for value in (*graph.input, *graph.output, *graph.value_info):
        sizes = [size.dim_value or 1 for size in value.type.tensor_type.shape.dim]
        total += 4 * int(np.prod(sizes, dtype=np.int64))
    return total


def _feeds(engine: Engine, batch: int) -> dict[str, NDArray[Any]]:
    rng = np.random.default_rng(0)
    return {
        name: rng.integers(0, 256, zeros.shape, dtype=np.uint8)
        if zeros.dtype == np.uint8
        else (50 * rng.standard_normal(zeros.shape)).astype(zeros.dtype)
        for name, zeros in engine.zeros(batch).items()
    }


def _agree(sides: Mapping[str, Side], feeds: Arrays) -> None:
    expected = sides[ONNX](feeds)
    for name, side in sides.items():
        for blob, value in side(feeds).items():
            largest = float(np.abs(expected[blob]).max(initial=0.0))
            if value.shape != expected[blob].shape or not np.abs(value - expected[blob]).max() <= APART * largest:
                raise RunError(
                    f"{name} and {ONNX} answer differently in `{blob}`: this is not the same net\n"
                    "  to do: give the definition and the weights that the file was made of"
                )


def _check(options: BenchOptions) -> None:
    if not options.batches or min(options.batches) < 1 or options.rounds < 1 or options.threads < 0:
        raise UserError(
            "batch sizes and rounds must be at least 1, threads at least 0",
            received=f"batches {list(options.batches)}, rounds {options.rounds}, threads {options.threads}",
            remedy="leave them out for 1,8,64 and 11",
        )
    if (options.net is None) != (options.weights is None):
        raise UserError(
            "the net in PyTorch needs both its definition and its weights",
            received=f"--model {options.net}, --weights {options.weights}", remedy="give both, or none",
        )  # fmt: skip
