"""`lungo demo`: one small comparison through the public commands, from photographs' weights to classified pictures.

An ImageNet SqueezeNet is taken to ten classes of animal silhouettes in four ways, with the same pictures, batches and
iterations: (a) a new head on frozen features, (b) fine-tuned, (c) grown by new units and fine-tuned, (d) from scratch,
at the best of three rates. What is best on the validation pictures is exported and used. Every step is a command that
is printed, so that it can be repeated by hand.
"""

from __future__ import annotations

import json
import shlex
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

from caffelungo import files, resources
from caffelungo.definition import editor
from caffelungo.definition.edits import SetField
from caffelungo.definition.reader import read_solver
from caffelungo.errors import Location, RunError, UserError
from caffelungo.report import arms as picture
from caffelungo.report import metrics
from caffelungo.report.metrics import Point

NET = "squeezenet1.1"
SIZE = 112
ITERATIONS = 150
RATE = 0.0001
SCRATCH_RATES = (0.01, 0.003, 0.001)
FROZEN = "fire9"
WIDEN = "fire9/concat:256"

MADE = (
    "frozen", "finetuned", *(f"scratch{number}" for number in range(len(SCRATCH_RATES))),
    "curves.png", "animals.onnx", "answers.png", "results.json",
)  # fmt: skip
"""What stands in the folder of a demo."""

Command = Callable[[Sequence[str]], int]
"""Runs one command line in this process and returns its exit status."""


@dataclass
class Arm:
    """One way to the ten classes, and how it came out. ``seconds`` are those of its training."""

    letter: str
    title: str
    folder: Path
    model: Path
    solver: Path
    weights: Path
    seconds: float = 0.0
    points: list[Point] = field(default_factory=list)
    validation: float = 0.0
    result: dict[str, float] = field(default_factory=dict)


class Demo:
    """The run of the demo in the folder ``out``."""

    def __init__(self, out: Path, run: Command, console: Console) -> None:
        self.out, self.run, self.console = out, run, console
        animals = resources.folder("examples") / "animals"
        self.train, self.test = animals / "train", animals / "test"
        self.arms: list[Arm] = []

    def lungo(self, *words: object, busy: str | None = None) -> float:
        """Print and run one command; its seconds. RunError when it does not end with 0; its own errors pass through."""
        line = ["lungo", *map(str, words)]
        self.console.print(
            f"[bold]$ {' '.join(shlex.quote(word) for word in line)}[/]", highlight=False, soft_wrap=True
        )
        start = time.monotonic()
        if busy is None:
            status = self.run(line[1:])
        else:
            with self.console.status(busy):
                status = self.run(line[1:])
        if status:
            raise RunError(f"the demo stops: this command ended with status {status}")
        return time.monotonic() - start

    def prepare(self, letter: str, title: str, name: str, *words: object, rate: float = RATE) -> Arm:
        """A folder made by `lungo finetune`, its solver cut to the demo's iterations and ``rate``."""
        folder = self.out / name
        self.lungo("finetune", NET, "--data", self.train, "--size", SIZE, "-o", folder, *words, "--quiet")
        solver = folder / "solver.prototxt"
        shorten(solver, rate)
        arm = Arm(letter, title, folder, folder / "train_val.prototxt", solver, _snapshot(solver.with_suffix("")))
        self.arms.append(arm)
        return arm

    def grown(self, base: Arm) -> Arm:
        """A copy of ``base`` with new units."""
        model = base.folder / "grown.prototxt"
        self.lungo("grow", base.model, "--widen", WIDEN, "-o", model, "--solver", base.solver, "--quiet")
        solver = base.folder / "grown_solver.prototxt"
        title, weights = f"grown by {WIDEN.partition(':')[2]} units", _snapshot(solver.with_suffix(""))
        arm = Arm("c", title, base.folder, model, solver, weights)
        self.arms.append(arm)
        return arm

    def fit(self, arm: Arm, weights: Path | None) -> Arm:
        """Train ``arm`` and read its curve."""
        words: list[object] = ["train", "--solver", arm.solver, "--quiet"]
        if weights is not None:
            words += ["--weights", weights]
        arm.seconds = self.lungo(*words, busy=f"({arm.letter}) {arm.title}: {ITERATIONS} iterations")
        if not arm.weights.is_file():
            raise KeyboardInterrupt  # it was stopped by SIGINT, which is no failure of a training
        rows = metrics.read(newest_run(arm.solver.parent, arm.weights) / "metrics.csv")
        arm.points = [point for point, _ in rows]
        arm.validation = [p.value for p in arm.points if (p.phase, p.name) == ("test", "accuracy")][-1]
        self.console.print(f"  {arm.validation:.0%} of the validation pictures, {arm.seconds:.0f} s", highlight=False)
        return arm

    def measure(self, arm: Arm) -> None:
        """`lungo test` on pictures that no training saw."""
        folder = arm.folder / f"test_{arm.model.stem}"
        self.lungo("test", "--model", arm.model, "--weights", arm.weights, "--data", self.test, "-o", folder, "--quiet")
        arm.result = json.loads((folder / "summary.json").read_text())


def demo(output: str, overwrite: bool, run: Command) -> int:
    """Run the demo into the folder ``output``; 0 when all of it worked. UserError when the folder is taken."""
    out, console = Path(output), Console()
    clear(out, overwrite)
    begin = time.monotonic()
    steps = Demo(out, run, console)
    weights = resources.folder("nets") / "squeezenet" / "squeezenet_v1.1.caffemodel"

    console.rule("[bold](a) a new head on frozen features")
    steps.fit(steps.prepare("a", "new head on frozen features", "frozen", "--freeze-to", FROZEN), weights)
    console.rule("[bold](b) fine-tuned")
    tuned = steps.fit(steps.prepare("b", "fine-tuned", "finetuned"), weights)
    console.rule("[bold](c) grown by new units, then fine-tuned")
    steps.fit(steps.grown(tuned), weights)
    console.rule("[bold](d) from scratch, the best of three rates")
    tried = []
    for number, rate in enumerate(SCRATCH_RATES):
        arm = steps.prepare("d", f"from scratch, rate {rate:g}", f"scratch{number}", "--weights", "none", rate=rate)
        tried.append(steps.fit(arm, None))
    best = max(tried, key=lambda arm: arm.validation)
    steps.arms = [arm for arm in steps.arms if arm.letter != "d" or arm is best]

    console.rule("[bold]on pictures that no training saw")
    for arm in steps.arms:
        steps.measure(arm)
    console.print(table(steps.arms))
    curves = out / "curves.png"
    picture.draw([(f"({arm.letter}) {arm.title}", arm.points) for arm in steps.arms], curves)

    console.rule("[bold]export the best on the validation pictures, and use it")
    chosen = max(steps.arms, key=lambda arm: arm.validation)
    model, sheet = out / "animals.onnx", out / "answers.png"
    steps.lungo("export", "--model", chosen.model, "--weights", chosen.weights, "-o", model, "--pictures", steps.test)
    steps.lungo("classify", model, steps.test, "-o", sheet)
    files.write_text(out / "results.json", json.dumps([_plain(arm) for arm in steps.arms], indent=2))
    console.print(f"\nchosen: ({chosen.letter}) {chosen.title}. {verdict(steps.arms)}")
    console.print(f"look at {curves} (learning curves), {sheet} (answers), {model} (the net); {_took(begin)}")
    return 0


def clear(out: Path, overwrite: bool) -> None:
    """Remove what an older demo left in ``out``; UserError when that is not asked for, or other things are there."""
    if not out.exists():
        return
    there = sorted(path.name for path in out.iterdir()) if out.is_dir() else [out.name]
    foreign = [name for name in there if name not in MADE]
    if foreign or not overwrite:
        raise UserError(
            "the folder holds other things than a demo" if foreign else "the demo's folder exists",
            where=Location(str(out)),
            received=", ".join((foreign or there)[:5]),
            remedy="name another folder with -o" if foreign else "add --overwrite, or name another with -o",
        )
    shutil.rmtree(out)


def shorten(solver: Path, rate: float) -> None:
    """Set the demo's iterations and ``rate`` in a solver file, its comments kept."""
    definition = read_solver(solver)
    steps = (2 * ITERATIONS // 3, 9 * ITERATIONS // 10)
    edits = [SetField(("max_iter",), ITERATIONS), SetField(("base_lr",), rate)]
    edits += [SetField(("stepvalue", index), value) for index, value in enumerate(steps)]
    edits += [SetField(("test_interval",), ITERATIONS // 6), SetField(("snapshot",), ITERATIONS)]
    files.write_text(solver, editor.apply(definition, edits).text)


def newest_run(folder: Path, weights: Path) -> Path:
    """The folder of the run that wrote ``weights``."""
    stem = weights.name.partition("_iter_")[0]
    return max(folder.glob(f"{stem}_run_*"), key=lambda path: path.name)


def table(arms: Sequence[Arm]) -> Table:
    """Accuracy on the test pictures with its 95 % interval, and seconds of training."""
    result = Table("", "", "test accuracy", "95 % interval", "right", "pictures", "training")
    for arm in arms:
        found = arm.result
        result.add_row(
            f"({arm.letter})", arm.title, f"{found['accuracy']:.1%}", f"{found['low']:.1%} to {found['high']:.1%}",
            f"{found['right']:.0f}", f"{found['samples']:.0f}", f"{arm.seconds:.0f} s",
        )  # fmt: skip
    return result


def verdict(arms: Sequence[Arm]) -> str:
    """What the intervals say about pre-training and about growth."""
    by = {arm.letter: arm for arm in arms}
    top = by["d"].result["high"]
    above = [f"({letter})" for letter in "abc" if by[letter].result["low"] > top]
    first = f"Above (d)'s interval: {', '.join(above)}." if above else "None is clearly above (d)."
    apart = by["c"].result["low"] > by["b"].result["high"] or by["b"].result["low"] > by["c"].result["high"]
    gain = by["c"].result["accuracy"] - by["b"].result["accuracy"]
    return f"{first} Growth: {gain:+.1%} over fine-tuning, {'beyond' if apart else 'within'} the intervals."


def _snapshot(prefix: Path) -> Path:
    return prefix.with_name(f"{prefix.name}_iter_{ITERATIONS}.caffemodel")


def _took(begin: float) -> str:
    seconds = round(time.monotonic() - begin)
    return f"{seconds // 60} min {seconds % 60:02d} s in all"


def _plain(arm: Arm) -> dict[str, object]:
    return {"arm": arm.letter, "title": arm.title, "seconds": round(arm.seconds, 1), **arm.result}
