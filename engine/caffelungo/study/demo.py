"""`lungo demo`: one small comparison through the public commands, from photographs' weights to classified pictures.

An ImageNet SqueezeNet is taken to ten classes of animal silhouettes in four ways, with the same pictures, batches and
iterations: (a) a new head on frozen features, (b) fine-tuned, (c) grown by new units and fine-tuned, (d) from scratch.
Each way has the best of three rates, judged on validation pictures; what is best there is exported and used. Every step
is a command that is printed, so that it can be repeated by hand.
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
RATES = (0.00003, 0.0001, 0.0003)
# Normalized features are about a tenth as long as those of the net, so the classifier bears a rate ten times as high.
GROWN_RATES = (0.0003, 0.001, 0.003)
SCRATCH_RATES = (0.03, 0.01, 0.003)
FROZEN = "fire9"
RECIPE, UNITS = "wider", 256

MADE = (
    "frozen", "finetuned", "scratch", "test_a", "test_b", "test_c", "test_d", "curves.png", "animals.onnx",
    "answers.png", "results.json",
)  # fmt: skip
"""What stands in the folder of a demo."""

Command = Callable[[Sequence[str]], int]
"""Runs one command line in this process and returns its exit status."""


@dataclass
class Arm:
    """One way to the ten classes at its best rate, and how it came out. ``seconds`` are those of one training."""

    letter: str
    title: str
    model: Path
    weights: Path
    rate: float
    seconds: float
    points: list[Point]
    result: dict[str, float] = field(default_factory=dict)

    def last(self, name: str) -> float:
        """The last value of a test output."""
        return [point.value for point in self.points if (point.phase, point.name) == ("test", name)][-1]

    @property
    def merit(self) -> tuple[float, float]:
        """By which rates and ways are compared: validation accuracy, then validation loss."""
        return self.last("accuracy"), -self.last("loss")


class Demo:
    """The run of the demo in the folder ``out``."""

    def __init__(self, out: Path, run: Command, console: Console) -> None:
        self.out, self.run, self.console = out, run, console
        animals = resources.folder("examples") / "animals"
        self.train, self.test = animals / "train", animals / "test"

    def lungo(self, *words: object, busy: str | None = None) -> float:
        """Print and run one command; its seconds. RunError when it does not end with 0; its own errors pass through."""
        line = ["lungo", *map(str, words)]
        self.console.print(f"$ {shlex.join(line)}", style="bold", markup=False, highlight=False, soft_wrap=True)
        start = time.monotonic()
        if busy is None:
            status = self.run(line[1:])
        else:
            with self.console.status(busy):
                status = self.run(line[1:])
        if status:
            raise RunError(f"the demo stops: this command ended with status {status}")
        return time.monotonic() - start

    def prepare(self, name: str, *words: object) -> Path:
        """A folder made by `lungo finetune`."""
        folder = self.out / name
        self.lungo("finetune", NET, "--data", self.train, "--size", SIZE, "-o", folder, *words, "--quiet")
        return folder

    def grow(self, folder: Path) -> Path:
        """The net of ``folder`` as the recipe grows it, in a file beside it."""
        grown, net = folder / "grown.prototxt", folder / "train_val.prototxt"
        self.lungo("grow", net, "--recipe", RECIPE, "--set", f"units={UNITS}", "-o", grown, "--quiet")
        return grown

    def fit(self, letter: str, title: str, model: Path, rates: Sequence[float], weights: Path | None) -> Arm:
        """Train ``model`` at each of ``rates``, and keep what is best on the validation pictures."""
        tried = [self.fit_once(letter, title, model, number, rate, weights) for number, rate in enumerate(rates, 1)]
        return max(tried, key=lambda arm: arm.merit)

    def fit_once(self, letter: str, title: str, model: Path, number: int, rate: float, weights: Path | None) -> Arm:
        """One training at one rate."""
        solver = write_solver(model, number, rate)
        words: list[object] = ["train", "--solver", solver, "--quiet"]
        if weights is not None:
            words += ["--weights", weights]
        seconds = self.lungo(*words, busy=f"({letter}) {title}, rate {rate:g}: {ITERATIONS} iterations")
        snapshot = solver.with_name(f"{solver.stem}_iter_{ITERATIONS}.caffemodel")
        if not snapshot.exists():
            # Ctrl-C stops a training with status 0, as in Caffe.
            raise KeyboardInterrupt
        run = solver.with_name(f"{solver.stem}_run_001")
        points = [point for point, _ in metrics.read(run / "metrics.csv")]
        arm = Arm(letter, title, model, snapshot, rate, seconds, points)
        right = f"{arm.last('accuracy'):.0%} of the validation pictures, loss {arm.last('loss'):.3g}"
        self.console.print(f"  rate {rate:g}: {right}, {seconds:.0f} s", highlight=False)
        return arm

    def measure(self, arm: Arm) -> None:
        """`lungo test` on pictures that no training saw."""
        folder = self.out / f"test_{arm.letter}"
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
    frozen = steps.prepare("frozen", "--freeze-to", FROZEN) / "train_val.prototxt"
    arms = [steps.fit("a", "new head, rest frozen", frozen, RATES, weights)]
    console.rule("[bold](b) fine-tuned")
    folder = steps.prepare("finetuned")
    arms.append(steps.fit("b", "fine-tuned", folder / "train_val.prototxt", RATES, weights))
    console.rule("[bold](c) grown by new units, then fine-tuned")
    arms.append(steps.fit("c", f"grown by {UNITS} units", steps.grow(folder), GROWN_RATES, weights))
    console.rule("[bold](d) from scratch")
    scratch = steps.prepare("scratch", "--weights", "none") / "train_val.prototxt"
    arms.append(steps.fit("d", "from scratch", scratch, SCRATCH_RATES, None))

    console.rule("[bold]on pictures that no training saw")
    for arm in arms:
        steps.measure(arm)
    console.print(table(arms))
    curves = out / "curves.png"
    picture.draw([(f"({arm.letter}) {arm.title}", arm.points) for arm in arms], curves)

    console.rule("[bold]export the best on the validation pictures, and use it")
    chosen = max(arms, key=lambda arm: arm.merit)
    model, sheet = out / "animals.onnx", out / "answers.png"
    steps.lungo("export", "--model", chosen.model, "--weights", chosen.weights, "-o", model, "--pictures", steps.test)
    steps.lungo("classify", model, steps.test, "-o", sheet)
    files.write_text(out / "results.json", json.dumps([_plain(arm) for arm in arms], indent=2))
    console.print(f"\nchosen: ({chosen.letter}) {chosen.title}. {verdict(arms)}")
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


def write_solver(model: Path, number: int, rate: float) -> Path:
    """Beside ``model``, its folder's solver for the demo's iterations and ``rate``, comments kept."""
    definition = read_solver(model.with_name("solver.prototxt"))
    steps = (2 * ITERATIONS // 3, 9 * ITERATIONS // 10)
    edits = [SetField(("net",), model.name), SetField(("max_iter",), ITERATIONS), SetField(("base_lr",), rate)]
    edits += [SetField(("stepvalue", index), value) for index, value in enumerate(steps)]
    edits += [SetField(("test_interval",), ITERATIONS // 4), SetField(("snapshot",), ITERATIONS)]
    path = model.with_name(f"{model.stem}_rate{number}.prototxt")
    files.write_text(path, editor.apply(definition, edits).text)
    return path


def table(arms: Sequence[Arm]) -> Table:
    """Accuracy on the test pictures with its 95 % interval, and seconds of training."""
    result = Table("", "", "rate", "test accuracy", "95 % interval", "right", "training")
    for arm in arms:
        found = arm.result
        result.add_row(
            f"({arm.letter})", arm.title, f"{arm.rate:g}", f"{found['accuracy']:.1%}",
            f"{found['low']:.1%} to {found['high']:.1%}", f"{found['right']:.0f} of {found['samples']:.0f}",
            f"{arm.seconds:.0f} s",
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


def _took(begin: float) -> str:
    seconds = round(time.monotonic() - begin)
    return f"{seconds // 60} min {seconds % 60:02d} s in all"


def _plain(arm: Arm) -> dict[str, object]:
    start = {"arm": arm.letter, "title": arm.title, "rate": arm.rate, "seconds": round(arm.seconds, 1)}
    return {**start, "validation": arm.last("accuracy"), **arm.result}
