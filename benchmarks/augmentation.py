"""What augmentations bring on small sets of photos: `lungo finetune --augment`, label smoothing, averaged weights.

python -m benchmarks.augmentation [--data FOLDER] [--sets NAME ...] [--seeds 0 1 2] [--arms ARM ...] [--survey]
                                  [--passes 8] [--folder runs/augmentation] [--records FOLDER] [-o FILE]

SqueezeNet 1.1 at 112 px, 20 training photos per class, at most 50 per class to judge by. All arms of a set and seed
train from the same start, the best linear classifier on the frozen net, for `--passes` passes over the photos; the last
weights are judged. What came of each is a small file in benchmarks/results/augmentation, so a table of several runs
grows; delete a file to run its arm again.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import mean
from typing import Any

from benchmarks.cells import SHARED
from benchmarks.commands import lungo
from benchmarks.photos import link
from benchmarks.small_sets.arms import NET, Arms, Job, judged, run, train
from benchmarks.small_sets.splits import split
from benchmarks.small_sets.table import difference, interval
from caffelungo.definition.editor import apply
from caffelungo.definition.edits import SetField
from caffelungo.definition.reader import read_net, read_solver
from caffelungo.passes.base import run as passed
from caffelungo.projects.augmentation_choice import steps

RECORDS = Path(__file__).resolve().parent / "results" / "augmentation"
SETS = ("trashnet", "clothing", "sign_digits", "elpv")
SIZE, PER_CLASS, JUDGED = 112, 20, 50
PASSES = 8
"""Passes over the training photos; `lungo finetune` suggests about 27 for so few, which takes three times as long."""
WORDS = {
    "default": "", "none": "none", "rand_augment": "rand_augment", "trivial_augment": "trivial_augment_wide",
    "color_jitter": "color_jitter", "random_erasing": "random_erasing", "mixup": "mixup", "cutmix": "cut_mix",
    "label_smoothing": "", "ema": "",
}  # fmt: skip
"""What `--augment` is given, by arm; the default are random crops of 35 to 100 % of the area, mirrored."""


@dataclass(frozen=True)
class ArmJob(Job):
    """A job of so many ``passes`` that is judged by fewer photos."""

    passes: int

    @property
    def test(self) -> str:
        return str(self.folder / "judge")


def start(job: ArmJob) -> Path:
    """The folder of `lungo finetune` that all arms of a set and seed begin with."""
    out = job.folder / "start"
    if not (out / "solver.prototxt").exists():
        lungo("finetune", NET, "--data", job.train, "--size", SIZE, "--seed", job.seed, "--per-class", PER_CLASS,
               "--passes", job.passes, "-o", out, "--overwrite", "--quiet")  # fmt: skip
    return out


def fewer(job: Job) -> None:
    """At most JUDGED photos per class to judge by."""
    few = job.folder / "judge"
    if few.exists():
        return
    for folder in sorted((job.folder / "test").iterdir()):
        photos = sorted(folder.iterdir())
        for photo in random.Random(job.seed).sample(photos, min(JUDGED, len(photos))):
            link(photo.resolve(), few / folder.name / photo.name)


def trained(job: Any, words: str) -> dict[str, Any]:
    """The start trained with the augmentations ``words``, and judged."""
    shutil.copytree(start(job), job.out)
    net, solver = job.out / "train_val.prototxt", job.out / "solver.prototxt"
    definition = passed(read_net(net), list(steps(words))).definition
    if job.arm == "label_smoothing":
        losses = [k for k, layer in enumerate(definition.message.layer) if layer.type == "SoftmaxWithLoss"]
        definition = apply(definition, [SetField(("layer", k, "lungo", "label_smoothing"), 0.1) for k in losses])
    net.write_text(definition.text)
    iterations = read_solver(solver).message.max_iter
    if job.arm == "ema":
        solver.write_text(apply(read_solver(solver), [SetField(("lungo", "ema_decay"), 1 - 10 / iterations)]).text)
    train(job, solver)
    # Not the best weights: on few held-out photos these are often the start, which is the same for all arms.
    last = max(job.out.glob("solver_iter_*.caffemodel"), key=lambda path: int(path.stem.rpartition("_")[2]))
    return {**judged(job, net, last), "iterations": iterations, "augment": words}


ARMS: Arms = {arm: partial(trained, words=words) for arm, words in WORDS.items()}


def page(jobs: Sequence[Job]) -> str:
    """The table as Markdown: accuracy, and points above the default, paired over seeds and photos."""
    found = {(job.name, job.arm, job.seed): json.loads(job.result.read_text()) for job in jobs if job.done}
    sets = [name for name in dict.fromkeys(job.name for job in jobs) if any(key[0] == name for key in found)]
    lines = [f"| arm | {' | '.join(sets)} |", "|---" * (len(sets) + 1) + "|"]
    for arm in dict.fromkeys(job.arm for job in jobs):
        cells = []
        for name in sets:
            seeds = sorted(seed for one, own, seed in found if (one, own) == (name, arm))
            mine = [found[name, arm, seed] for seed in seeds]
            if not mine:
                cells.append("-")
                continue
            low, high = interval(mine)
            cell = f"{100 * mean(one['accuracy'] for one in mine):.1f} [{low:.1f}, {high:.1f}]"
            pairs = [(found[name, arm, k], found[name, "default", k]) for k in seeds if (name, "default", k) in found]
            gain = f"; {difference(pairs)}" if pairs and arm != "default" else ""
            cells.append(f"{cell}{gain} ({len(seeds)})")
        lines.append(f"| {arm} | {' | '.join(cells)} |")
    lines += [
        "",
        "Test accuracy in % with the 95 % interval of the photos judged (Wilson); points above the default with the "
        "95 % interval of a bootstrap over seeds and, paired, over the photos of each; the number of seeds. With one "
        "seed the interval does not know of other splits and other draws.",
    ]
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.augmentation", description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("runs/augmentation"))
    parser.add_argument("--data", type=Path, default=SHARED / "data")
    parser.add_argument("--sets", nargs="*", default=list(SETS))
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2])
    parser.add_argument("--arms", nargs="*", default=list(ARMS), choices=list(ARMS))
    parser.add_argument("--passes", type=int, default=PASSES, help="over the training photos")
    parser.add_argument("--records", type=Path, default=RECORDS)
    parser.add_argument("--survey", action="store_true", help="run nothing; show what is there")
    parser.add_argument("-o", "--output", type=Path)
    given = parser.parse_args()
    jobs = [
        ArmJob(
            name,
            seed,
            arm,
            given.folder / name / str(seed),
            given.records / f"{given.passes}-passes",
            SIZE,
            "fp32",
            given.passes,
        )
        for seed in given.seeds
        for name in given.sets
        for arm in given.arms
    ]
    for number, job in enumerate(jobs, 1):
        if not given.survey and not job.done:
            print(f"[{number} of {len(jobs)}] {job.name}, seed {job.seed}: {job.arm}", file=sys.stderr, flush=True)
            split(given.data / job.name, job.folder, job.seed)
            fewer(job)
            start(job)
            run(job, ARMS)
    text = page(jobs)
    if given.output:
        given.output.write_text(text)
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
