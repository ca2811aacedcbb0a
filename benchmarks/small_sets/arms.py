"""The arms: each the commands a user would type, their seconds, and the answers on the photos to judge by."""

from __future__ import annotations

import csv
import json
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import torch

from benchmarks.commands import lungo, processors, python
from caffelungo.files import write_text

Arms = Mapping[str, Callable[["Job"], dict[str, Any]]]
"""Arms by name."""
NET = "squeezenet1.1"
UNITS = 64


@dataclass(frozen=True)
class Job:
    """One arm on one split of one set; ``folder`` holds train/, test/ and a folder per arm, ``records`` the results."""

    name: str
    seed: int
    arm: str
    folder: Path
    records: Path
    size: int
    precision: str

    @property
    def out(self) -> Path:
        return self.folder / self.arm

    @property
    def result(self) -> Path:
        return self.records / f"{self.name}-{self.seed}-{self.arm}.json"

    @property
    def done(self) -> bool:
        return self.result.exists()

    @property
    def answers(self) -> Path:
        """The answer to each photo to judge by: picture, class, answer."""
        return self.out / "judged" / "answers.csv"

    @property
    def train(self) -> str:
        return str(self.folder / "train")

    @property
    def test(self) -> str:
        return str(self.folder / "test")


def run(job: Job, arms: Arms | None = None) -> None:
    """Run the arm, one of ``arms``, and keep what came of it. RuntimeError with what a command said where it fails."""
    shutil.rmtree(job.out, ignore_errors=True)
    begin, before = time.monotonic(), processors()
    found = (arms or ARMS)[job.arm](job)
    cpu = processors() - before
    seconds = time.monotonic() - begin - found.pop("judging", 0.0)
    record = {
        "date": str(date.today()),
        "torch": torch.__version__,
        "seconds": round(seconds, 1),
        "cpu": round(cpu, 1),
        **found,
        "wrong": _wrong(job.answers),
    }
    job.records.mkdir(parents=True, exist_ok=True)
    write_text(job.result, json.dumps(record) + "\n")
    for pattern in ("solver_iter_*.caffemodel", "*.solverstate", "**/features/*"):
        for path in sorted(job.out.glob(pattern)):
            path.unlink()


def _wrong(answers: Path) -> list[str]:
    """class/file of each photo that got another class: what paired differences need."""
    with answers.open() as file:
        rows = list(csv.DictReader(file))
    return sorted("/".join(Path(row["picture"]).parts[-2:]) for row in rows if row["class"] != row["answer"])


def judged(job: Job, model: Path, weights: Path) -> dict[str, Any]:
    """`lungo test` on the photos to judge by; its seconds are not the arm's."""
    out = job.out / "judged"
    begin = time.monotonic()
    lungo("test", "--model", model, "--weights", weights, "--data", job.test, "-o", out, "--quiet")
    seconds = time.monotonic() - begin
    summary = json.loads((out / "summary.json").read_text())
    with (out / "classes.csv").open() as file:
        recalls = [float(row["recall"]) for row in csv.DictReader(file) if int(row["samples"])]
    return {
        "accuracy": summary["accuracy"], "balanced": sum(recalls) / len(recalls), "samples": summary["samples"],
        "right": summary["right"], "judging": seconds,
    }  # fmt: skip


def train(job: Job, solver: Path) -> None:
    lungo("train", "--solver", solver, "--precision", job.precision, "--quiet")


def probe(job: Job) -> dict[str, Any]:
    """`lungo probe`: every stage and all joined; chosen by cross-validation, each judged."""
    found = job.folder / "probe_found.json"
    lungo("probe", NET, "--data", job.train, "--test", job.test, "--size", job.size, "--seed", job.seed, "--mirror",
           "-o", job.out, "--json", found, "--overwrite", "--quiet")  # fmt: skip
    values = json.loads(found.read_text())
    layers = {
        name: {"accuracy": one["accuracy"], "balanced": one["balanced"]}
        for name, one in values["test_by_layer"].items()
    }
    found_by = judged(job, job.out / "train_val.prototxt", job.out / "probe.caffemodel")
    return {**found_by, "layers": layers, "chosen": values["chosen"]["layers"]}


def classic(job: Job) -> dict[str, Any]:
    """Caffe's way, the default before: a fresh classifier, SGD, a rate in steps."""
    _finetune(job, "--caffe-classic")
    train(job, job.out / "solver.prototxt")
    final = max(job.out.glob("solver_iter_*.caffemodel"), key=lambda path: int(path.stem.rpartition("_")[2]))
    return judged(job, job.out / "train_val.prototxt", final)


def finetune(job: Job) -> dict[str, Any]:
    """The defaults: from the best linear classifier, then the classifier fitted again to all photos."""
    _finetune(job)
    train(job, job.out / "solver.prototxt")
    best = job.out / "solver_best.caffemodel"
    return _refitted(job, job.out / "train_val.prototxt", best, job.out / "start.caffemodel")


def grown(job: Job) -> dict[str, Any]:
    """As the defaults, with new units beside the last layer, whose classifier starts fitted, too."""
    _finetune(job, "--layers", "all")
    net, grew = job.out / "train_val.prototxt", job.out / "grown.prototxt"
    lungo(
        "grow", net, "--widen", f"fire9/concat:{UNITS}", "--solver", job.out / "solver.prototxt", "-o", grew, "--quiet"
    )
    start = job.out / "grown_start"
    lungo("probe", grew, "--weights", job.out / "start.caffemodel", "--layers", "head", "--mirror",
           "--data", _listed(job.out, "train.txt", job.train), "--seed", job.seed, "-o", start, "--quiet")  # fmt: skip
    solver = job.out / "grown_solver.prototxt"
    text = solver.read_text().replace('"start.caffemodel"', '"grown_start/probe.caffemodel"')
    solver.write_text(text)
    train(job, solver)
    return _refitted(job, grew, next(job.out.glob("*_best.caffemodel")), start / "probe.caffemodel")


def _listed(folder: Path, name: str, root: str) -> Path:
    """The list ``name`` with whole paths, beside the class names."""
    path = folder / f"whole_{name}"
    lines = (folder / name).read_text().splitlines()
    path.write_text("".join(f"{Path(root).resolve() / line}\n" for line in lines))
    return path


def handwritten(job: Job) -> dict[str, Any]:
    """A torchvision-style fine-tuning, written by hand: see ``handwritten.py``."""
    out = job.folder / "handwritten_found.json"
    words = (job.train, job.test, out, job.answers, "--size", job.size, "--seed", job.seed)
    python("-m", "benchmarks.small_sets.handwritten", *words, "--precision", job.precision)
    return dict(json.loads(out.read_text()))


def _finetune(job: Job, *words: str) -> None:
    lungo("finetune", NET, "--data", job.train, "--size", job.size, "--seed", job.seed, "-o", job.out, "--overwrite",
           "--quiet", *words)  # fmt: skip


def _refitted(job: Job, net: Path, weights: Path, before: Path) -> dict[str, Any]:
    """The step of run.sh after training."""
    final = job.out / "final"
    lungo("probe", net, "--weights", weights, "--before", before, "--layers", "head", "--mirror", "-o", final,
           "--quiet")  # fmt: skip
    plain = judged(job, net, weights)
    log = sorted(job.out.glob("*_run_001/metrics.csv"))
    return {
        **(again := judged(job, final / "train_val.prototxt", final / "probe.caffemodel")),
        "judging": plain["judging"] + again["judging"],
        "before_refit": plain["accuracy"],
        "validation": _curve(log[-1]) if log else [],
    }


def _curve(metrics: Path) -> list[list[float]]:
    """[iteration, loss, accuracy] of each test while training."""
    tests: dict[int, dict[str, float]] = {}
    with metrics.open() as file:
        for row in csv.DictReader(file):
            if row["phase"] == "test":
                tests.setdefault(int(row["iteration"]), {})[row["name"]] = float(row["value"])
    return [[k, one.get("loss", 0.0), one.get("accuracy", 0.0)] for k, one in sorted(tests.items())]


ARMS: Arms = {
    "probe": probe,
    "finetune": finetune,
    "handwritten": handwritten,
    "classic": classic,
    "grown": grown,
}
