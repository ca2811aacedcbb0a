"""`make continual`: one net, three tasks one after the other, by four ways; and a linear classifier a task beside them.

python -m benchmarks.continual [--folder runs/continual] [--data FOLDER] [--seeds 0 1 2] [--size 64] [--passes 8]
                               [--survey] [-o FILE]

The first task is learned once a seed, by `lungo finetune`; what follows goes on from there. In the end all three tasks
are tested, on photos that no training saw. Each way is the commands a user would type; ways that have ended are kept in
the folder, so a run that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from statistics import mean
from typing import Any

import torch

from benchmarks.cells import SHARED
from benchmarks.commands import lungo, processors
from benchmarks.photos import classes_of, link
from caffelungo.files import write_text
from caffelungo.weights import formats

NET = "squeezenet1.1"
TASKS = ("trashnet", "clothing", "sign_digits")
LEARNED, JUDGED = 60, 40
"""Photos per class, drawn anew by each seed."""


@dataclass(frozen=True)
class Run:
    """One way from one seed's first net; ``folder`` is the seed's."""

    way: str
    seed: int
    folder: Path
    size: int
    passes: int

    @property
    def out(self) -> Path:
        return self.folder / self.way

    @property
    def result(self) -> Path:
        return self.folder / f"{self.way}.json"

    @property
    def first(self) -> tuple[Path, Path]:
        """Net and weights after the first task."""
        return self.folder / "first" / "train_val.prototxt", self.folder / "first" / "solver_best.caffemodel"

    def photos(self, task: str, part: str) -> Path:
        return self.folder / "photos" / task / part


@dataclass(frozen=True)
class Answer:
    """What answers for a task in the end: a net, its weights and, of several, the classifier.

    ``learned``: the weights right after the task was learned, where later ones have changed what it reads.
    """

    net: Path
    weights: str
    head: str | None = None
    learned: str | None = None


Answers = Sequence[Answer]
"""One a task."""


def first(run: Run) -> Answers:
    """The first task, by `lungo finetune`."""
    _finetune(run, NET, None, TASKS[0], run.out)
    return [Answer(run.out / "train_val.prototxt", str(run.out / "solver_best.caffemodel"))]


def grown(run: Run) -> Answers:
    """`lungo grow --task`: all that is there is held fixed."""
    net, weights = run.first
    for task in TASKS[1:]:
        out = run.out / task
        lungo("grow", net, "--weights", weights, "--task", run.photos(task, "train"), "--name", task, "--passes",
              run.passes, "--seed", run.seed, "-o", out, "--quiet")  # fmt: skip
        lungo("train", "--solver", out / "solver.prototxt", "--quiet")
        net, weights = out / "deploy.prototxt", out / "solver_best.caffemodel"
    last = run.out / TASKS[-1] / "train_val.prototxt"
    # The first task is called as the folder of its photos.
    return [Answer(last, str(weights), "train" if task == TASKS[0] else task) for task in TASKS]


def sequential(run: Run, *words: str, best: bool = True) -> Answers:
    """`lungo finetune` on what the task before left, everything tuned; a task's own classifier stays as it was."""
    found = [run.first]
    for task in TASKS[1:]:
        out = run.out / task
        _finetune(run, *found[-1], task, out, *words)
        found.append((out / "train_val.prototxt", out / "solver_best.caffemodel" if best else _last(out)))
    last = found[-1][1]
    # Layers that were trained since, and the classifier as this task left it.
    return [
        Answer(net, str(own) if own == last else f"{own},{last}", None, None if own == last else str(own))
        for net, own in found
    ]


def classic(run: Run) -> Answers:
    """The same, Caffe's way: a fresh classifier that learns ten times as fast."""
    return sequential(run, "--caffe-classic", best=False)


def remembering(run: Run) -> Answers:
    """The same, while a frozen copy teaches the old classifiers (learning without forgetting)."""
    found = sequential(run, "--remember", best=False)
    # The old classifiers have learned on, too: all weights are the last ones.
    return [replace(each, weights=found[-1].weights) for each in found]


def separate(run: Run) -> Answers:
    """`lungo probe`: a linear classifier on the pre-trained net for each task, a net a task."""
    found = []
    for task in TASKS:
        out = run.out / task
        lungo("probe", NET, "--data", run.photos(task, "train"), "--size", run.size, "--seed", run.seed, "--mirror",
              "-o", out, "--quiet")  # fmt: skip
        shutil.rmtree(out / "features")
        found.append(Answer(out / "train_val.prototxt", str(out / "probe.caffemodel")))
    return found


WAYS: dict[str, tuple[str, Callable[[Run], Answers]]] = {
    "grown": ("`lungo grow --task`", grown),
    "sequential": ("`lungo finetune`, one after the other", sequential),
    "classic": ("`lungo finetune --caffe-classic`, likewise", classic),
    "remembering": ("`lungo finetune --remember`, likewise", remembering),
    "separate": ("`lungo probe`, a net a task", separate),
}


def _finetune(run: Run, net: object, weights: object, task: str, out: Path, *words: str) -> None:
    named = ("--weights", weights) if weights else ("--size", run.size)
    lungo("finetune", net, *named, "--data", run.photos(task, "train"), "--suffix", task, "--passes", run.passes,
          "--seed", run.seed, "-o", out, "--quiet", *words)  # fmt: skip
    lungo("train", "--solver", out / "solver.prototxt", "--quiet")


def _last(out: Path) -> Path:
    return max(out.glob("solver_iter_*.caffemodel"), key=lambda path: int(path.stem.rpartition("_")[2]))


# -- running


def run(one: Run, way: Callable[[Run], Answers]) -> None:
    """Go the way, and keep accuracies, parameters and seconds. RuntimeError with what a command said where it fails."""
    shutil.rmtree(one.out, ignore_errors=True)
    before = processors()
    answers = way(one)
    seconds = processors() - before
    tasks = list(zip(TASKS, answers, strict=False))
    accuracies = [_accuracy(one, task, each, each.weights) for task, each in tasks]
    learned = [_accuracy(one, task, each, each.learned) if each.learned else None for task, each in tasks]
    files = {each.weights for each in answers} if one.way == "separate" else {answers[-1].weights}
    found = {
        "accuracies": accuracies,
        "learned": [now if then is None else then for now, then in zip(accuracies, learned, strict=True)],
        "parameters": sum(blob.size for path in files for blob in _blobs(Path(path))),
        "seconds": round(seconds, 1),
    }
    write_text(one.result, json.dumps(found, indent=1))
    for path in (*one.out.rglob("*.solverstate"), *one.out.rglob("*.caffemodel")):
        if one.way != "first":
            path.unlink()


def _blobs(path: Path) -> list[Any]:
    """The weights that answer: those of a teacher serve training alone."""
    layers = formats.read(path).layers
    return [blob for name, blobs in layers.items() if not name.startswith("teacher") for blob in blobs]


def _accuracy(one: Run, task: str, answer: Answer, weights: str) -> float:
    """In percent, on the photos to judge by."""
    # By numbers: the weights that are read last name the classes of another task.
    listed = one.folder / "photos" / f"{task}.txt"
    out = one.out / f"tested_{task}"
    words = ("--head", answer.head) if answer.head else ()
    lungo("test", "--model", answer.net, "--weights", weights, "--data", listed, "-o", out, "--quiet", *words)
    return 100 * float(json.loads((out / "summary.json").read_text())["accuracy"])


def draw(source: Path, folder: Path, seed: int) -> None:
    """Links to the photos of all tasks: ``LEARNED`` of each class to train on, ``JUDGED`` others to judge by."""
    for task in TASKS:
        if (folder / f"{task}.txt").exists():
            continue
        draws = random.Random(f"{task} {seed}")
        lines = []
        for label, (name, found) in enumerate(sorted(classes_of(source / task).items())):
            chosen = draws.sample(sorted(found), min(LEARNED + JUDGED, len(found)))
            for number, (file, photo) in enumerate(chosen):
                at = folder / task / ("train" if number < LEARNED else "test") / name / file
                link(photo, at)
                if number >= LEARNED:
                    lines.append(f"{at.absolute()} {label}\n")
        write_text(folder / f"{task}.txt", "".join(lines))


# -- the page


def page(runs: Sequence[Run], size: int, passes: int) -> str:
    """Markdown: a row a way, means over seeds and their spread."""
    done = {(one.way, one.seed): dict(json.loads(one.result.read_text())) for one in runs if one.result.exists()}
    seeds = sorted({seed for _, seed in done})
    lines = [
        f"# One net, three tasks: {', '.join(TASKS)}",
        "",
        f"{date.today()}, torch {torch.__version__}, {platform.machine()}, one thread. Printed by "
        "`python -m benchmarks.continual`.",
        "",
        f"SqueezeNet v1.1 at {size} px, {passes} passes a training; {LEARNED} photos per class to train on and up to "
        f"{JUDGED} to judge by, drawn anew by each of {len(seeds)} seeds. The first task is learned once a seed, by "
        "`lungo finetune`, and its seconds are in no row. Test accuracy in % after the last task, mean over seeds; in "
        "brackets the least and the most.",
        "",
        "| | " + " | ".join(TASKS) + " | mean | parameters at the end | CPU s after the first task |",
        "|---" * (len(TASKS) + 4) + "|",
    ]
    before = [done["first", seed]["accuracies"][0] for seed in seeds if ("first", seed) in done]
    if before:
        lines.append(f"| after the first task | {_spread(before)} |" + " |" * (len(TASKS) + 2))
    for way, (words, _) in WAYS.items():
        own = [done[way, seed] for seed in seeds if (way, seed) in done]
        if own:
            each = [_spread([one["accuracies"][k] for one in own]) for k in range(len(TASKS))]
            total = mean(mean(one["accuracies"]) for one in own)
            short = "" if len(own) == len(seeds) else f" ({len(own)} of {len(seeds)} seeds)"
            lines.append(
                f"| {words}{short} | {' | '.join(each)} | {total:.1f} | {own[0]['parameters']:,} | "
                f"{mean(one['seconds'] for one in own):.0f} |"
            )
    lines += [
        "",
        "Forgetting: accuracy after the last task less that right after the task was learned, mean over seeds:",
        "",
    ]
    for way in ("grown", "sequential", "classic", "remembering"):
        own = [done[way, seed] for seed in seeds if "learned" in done.get((way, seed), ())]
        if own:
            lost = [[one["accuracies"][k] - one["learned"][k] for one in own] for k in (0, 1)]
            short = "" if len(own) == len(seeds) else f" ({len(own)} of {len(seeds)} seeds)"
            lines.append(f"- {WAYS[way][0]}{short}: {', '.join(f'{TASKS[k]} {_spread(lost[k])}' for k in (0, 1))}")
    return "\n".join(lines) + "\n"


def _spread(values: Sequence[float]) -> str:
    return f"{mean(values):.1f} ({min(values):.1f} to {max(values):.1f})"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.continual", description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("runs/continual"))
    parser.add_argument("--data", type=Path, default=SHARED / "data")
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2])
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--passes", type=int, default=8)
    parser.add_argument("--survey", action="store_true", help="run nothing; show what is there")
    parser.add_argument("-o", "--output", type=Path)
    given = parser.parse_args()
    ways = {"first": first, **{way: go for way, (_, go) in WAYS.items()}}
    runs = [
        Run(way, seed, given.folder / str(seed), given.size, given.passes) for seed in given.seeds for way in ways
    ]  # fmt: skip
    for number, one in enumerate(runs, 1):
        if not given.survey and not one.result.exists():
            print(f"[{number} of {len(runs)}] seed {one.seed}: {one.way}", file=sys.stderr, flush=True)
            draw(given.data, one.folder / "photos", one.seed)
            run(one, ways[one.way])
    text = page(runs, given.size, given.passes)
    if given.output:
        write_text(given.output, text)
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
