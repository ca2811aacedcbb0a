"""`lungo demo`: one small comparison through the public commands, from photographs' weights to classified pictures.

An ImageNet SqueezeNet is taken to ten classes of animal silhouettes in four ways, from the same pictures: (a) the best
linear classifier on one of its frozen layers, (b) fine-tuned from there, (c) grown by new units and fine-tuned from
there, (d) a small net from scratch, the control without ImageNet. The training pictures set aside say when each
training was best, and which way is exported; only then the test pictures are looked at. Every step is a command that is
printed, so that it can be repeated by hand.
"""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from caffelungo import files, resources, shell
from caffelungo.definition.reader import read_solver
from caffelungo.errors import RunError
from caffelungo.report import arm_curves as picture
from caffelungo.report import metrics_csv
from caffelungo.report.terminal import Terminal
from caffelungo.study.demo import written_files
from caffelungo.study.demo.demo_arms import DemoArm, Trained, chosen, differences, table, verdict

NET, SIZE = "squeezenet1.1", 64
SMALL = "lenet"
"""It takes grey pictures of 28 pixels, as these are, and learns from a few hundred of them within seconds."""
UNITS = 64

Command = Callable[[Sequence[str]], int]
"""Runs one command line in this process and returns its exit status."""


class Demo:
    """The run of the demo in the folder ``out``."""

    def __init__(self, out: Path, run: Command, console: Console) -> None:
        self.out, self.run, self.console = out, run, console
        animals = resources.folder("examples") / "animals"
        self.train, self.test = animals / "train", animals / "test"

    def say(self, line: str) -> None:
        """Print a command as it can be pasted."""
        self.console.print(f"$ {line}", style="bold", markup=False, highlight=False, soft_wrap=True)

    def lungo(self, *words: object, busy: str | None = None) -> float:
        """Print and run one command; its seconds. RunError when it does not end with 0; its own errors pass through."""
        line = ["lungo", *map(str, words)]
        self.say(shell.command(*line))
        start = time.monotonic()
        try:
            if busy is None:
                status = self.run(line[1:])
            else:
                with self.console.status(busy):
                    status = self.run(line[1:])
        finally:
            if self.out.is_dir():
                written_files.note(self.out)
        if status:
            raise RunError(f"the demo stops: this command failed with status {status}")
        return time.monotonic() - start

    # -- the four ways

    def probed(self) -> DemoArm:
        """(a): linear classifiers on every stage, and all joined; the best of them is the way."""
        out = self.out / "probed"
        self.lungo("probe", NET, "--data", self.train, "--size", SIZE, "--mirror", "-o", out)
        return DemoArm("a", f"classifier on {_found(out)['layers']}", out)

    def finetuned(self, layers: str) -> DemoArm:
        """(b): from the linear classifier on ``layers``, as it is on the pictures not set aside."""
        out = self.out / "finetuned"
        self.lungo("finetune", NET, "--data", self.train, "--size", SIZE, "--layers", layers, "-o", out, "--quiet")
        trained = self.fit("fine-tuned from it", out / "solver.prototxt")
        final = self.refit(out / "train_val.prototxt", trained, out / "final", out / "start.caffemodel")
        return DemoArm("b", "fine-tuned from it", final, trained)

    def grown(self, beside: str) -> DemoArm:
        """(c): new units beside ``beside``, the classifier fitted to old and new ones, then as (b)."""
        source, out = self.out / "finetuned", self.out / "grown"
        start = out / "start"
        title = f"grown by {UNITS} units"
        pictures = self.whole(source / "train.txt", source / "train_whole.txt")
        grown = source / "grown.prototxt"
        self.lungo(
            "grow", source / "train_val.prototxt", "--widen", f"{beside}:{UNITS}", "--solver",
            source / "solver.prototxt", "-o", grown, "--quiet",
        )  # fmt: skip
        head = ["--layers", "head", "--mirror"]
        begin = source / "start.caffemodel"
        self.lungo("probe", grown, "--weights", begin, *head, "--data", pictures, "-o", start, "--quiet")
        trained = self.fit(title, source / "grown_solver.prototxt", "--weights", start / "probe.caffemodel")
        final = self.refit(grown, trained, out / "final", start / "probe.caffemodel")
        return DemoArm("c", title, final, trained)

    def scratch(self) -> DemoArm:
        """(d): a small net that knows nothing before."""
        out, title = self.out / "scratch", f"{SMALL} from scratch"
        self.lungo("finetune", SMALL, "--scratch", "--data", self.train, "-o", out, "--quiet")
        trained = self.fit(title, out / "solver.prototxt", "--keep-best", "--watch", "loss")
        final = self.refit(out / "train_val.prototxt", trained, out / "final")
        return DemoArm("d", title, final, trained)

    # -- their steps

    def whole(self, listed: Path, output: Path) -> Path:
        """The list ``listed`` with whole paths, so that any command can read it from anywhere."""
        self.say(f"sed {shell.word(f's|^|{self.train}/|')} {shell.word(listed)} > {shell.word(output)}")
        lines = listed.read_text(encoding="utf-8").splitlines()
        files.write_text(output, "".join(f"{self.train}/{line}\n" for line in lines))
        return output

    def fit(self, title: str, solver: Path, *words: object) -> Trained:
        """Train as the solver says, and keep what is best on the pictures set aside."""
        seconds = self.lungo("train", "--solver", solver, *words, "--quiet", busy=f"training: {title}")
        best = solver.with_name(f"{solver.stem}_best.caffemodel")
        points = [point for point, _ in metrics_csv.read(solver.with_name(f"{solver.stem}_run_001") / "metrics.csv")]
        trained = Trained(best, seconds, points)
        given = read_solver(solver).message
        if not trained.ended(given.max_iter, given.lungo.early_stop) or not best.exists():
            # Ctrl-C stops a training with status 0, as in Caffe.
            raise KeyboardInterrupt
        accuracy, loss = trained.best
        self.console.print(
            f"  best at iteration {trained.at}: {accuracy:.0%} of the held-out pictures, loss {loss:.3g}",
            highlight=False,
        )
        return trained

    def refit(self, net: Path, trained: Trained, out: Path, before: Path | None = None) -> Path:
        """What training gained over ``before`` kept, and the classifier fitted to all pictures: as run.sh ends."""
        words = ["--before", before] if before is not None else []
        self.lungo(
            "probe", net, "--weights", trained.weights, *words, "--layers", "head", "--mirror", "-o", out, "--quiet"
        )
        return out

    def measure(self, arm: DemoArm) -> None:
        """`lungo test` on pictures that no training, no fit and no choice saw."""
        folder = self.out / f"test_{arm.letter}"
        self.lungo("test", "--model", arm.model, "--weights", arm.weights, "--data", self.test, "-o", folder, "--quiet")
        arm.result = json.loads((folder / "summary.json").read_text())
        arm.right = right_answers(folder / "answers.csv")


def demo(output: str, overwrite: bool, run: Command) -> int:
    """Run the demo into the folder ``output``; 0 when all of it worked. UserError when the folder is taken."""
    out, console = Path(output), Terminal(markup=True, highlight=True)
    written_files.clear(out, overwrite)
    begin = time.monotonic()
    steps = Demo(out, run, console)

    console.rule("[bold](a) what the net knows already: linear classifiers on its frozen layers")
    probed = steps.probed()
    found = _found(probed.folder)
    console.rule("[bold](b) fine-tuned from the best of them")
    finetuned = steps.finetuned(found["layers"])
    # What the first test of that training tests is (a), fitted without the pictures set aside.
    probed.trained = finetuned.before()
    console.rule("[bold](c) grown by new units, fine-tuned from the best classifier on old and new ones")
    grown = steps.grown(found["blobs"][-1])
    console.rule("[bold](d) a small net from scratch")
    arms = [probed, finetuned, grown, steps.scratch()]
    best = chosen(arms)

    console.rule("[bold]on pictures that nothing has used so far")
    for arm in arms:
        steps.measure(arm)
    pairs = differences(arms)
    console.print(table(arms))
    console.print(verdict(pairs), highlight=False)
    curves = out / "curves.png"
    picture.draw([(f"({arm.letter}) {arm.title}", arm.trained.points) for arm in arms[1:] if arm.trained], curves)

    console.rule("[bold]export the best on the held-out pictures, and classify with it")
    model, sheet = out / "animals.onnx", out / "answers.png"
    steps.lungo("export", "--model", best.model, "--weights", best.weights, "-o", model, "--pictures", steps.test)
    steps.lungo("classify", model, steps.test, "-o", sheet)
    plain = {
        "chosen": best.letter,
        "arms": [arm.plain() for arm in arms],
        "differences": [one.plain() for one in pairs],
    }
    files.write_text(out / "results.json", json.dumps(plain, indent=2) + "\n")
    written_files.note(out)
    console.print(f"\nexported: ({best.letter}) {best.title}, the lowest loss on the held-out pictures")
    console.print(f"look at {curves} (learning curves), {sheet} (answers), {model} (the net); {_took(begin)}")
    return 0


def right_answers(path: Path) -> np.ndarray:
    """1 where the answer is the class, else 0, for each picture of an answers.csv that `lungo test` wrote."""
    with path.open(newline="", encoding="utf-8") as file:
        return np.array([row["answer"] == row["class"] for row in csv.DictReader(file)], np.float32)


def _found(folder: Path) -> dict[str, Any]:
    """What `lungo probe` chose: ``layers`` as one word, ``blobs``."""
    return dict(json.loads((folder / "probe.json").read_text())["chosen"])


def _took(begin: float) -> str:
    seconds = round(time.monotonic() - begin)
    return f"{seconds // 60} min {seconds % 60:02d} s in all"
