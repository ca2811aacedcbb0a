"""How often the accuracy that `lungo advise` expects holds: twenty targets, judged on pictures that none of it saw.

    OMP_NUM_THREADS=1 python -m benchmarks.advise --data DIR [--seeds 0] [--size 112] [--records FOLDER] [-o FILE]
                                                  [--survey]

DIR holds the sets of photos as folders of classes. Of each set a pool of pictures is read once. Each target draws its
classes and pictures from a pool; the pool's other pictures of these classes judge. What is measured is what the verb
does with linear classifiers: the choice of layers, its nested cross-validation, the learning curve and the interval.
What came of each target is a small file in the folder of records, so a run that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.cells import SHARED
from benchmarks.photos import PHOTOS
from caffelungo.advising.choice import Chooser, Contender, best
from caffelungo.advising.clock import AdviceClock
from caffelungo.advising.expected import expected_accuracy
from caffelungo.advising.kept import KeptResults
from caffelungo.advising.net_features import NetFeatures, net_features
from caffelungo.evidence.extrapolation import extrapolated
from caffelungo.evidence.frechet import distance_to_pictures
from caffelungo.evidence.learning_curve import LEAST, learning_curve
from caffelungo.files import write_text
from caffelungo.layers.class_balance import NONE
from caffelungo.probes.choose_candidate import fit_head
from caffelungo.probes.class_correction import ClassCorrection, without
from caffelungo.projects import class_choice
from caffelungo.report.classification_score import CONFIDENCE, wilson
from caffelungo.solve.engine import make_engine
from caffelungo.solve.options import EngineOptions

NET = "squeezenet1.1"
RECORDS = Path(__file__).resolve().parent / "results" / "advise"
SOURCE = "imagenet_samples"
POOL = {
    "trashnet": (6, 90), "clothing": (10, 70), "elpv": (4, 100), "sign_digits": (10, 70), "caltech101": (20, 30),
    "cifar10": (10, 70), "grocery": (10, 25),
}  # fmt: skip
"""Classes and pictures of each that are read."""


@dataclass(frozen=True)
class AdvisedTarget:
    """``each`` pictures of ``classes`` classes of ``kind``; the last of several classes has ``ratio`` times fewer."""

    kind: str
    classes: int
    each: int
    ratio: int = 1

    @property
    def name(self) -> str:
        return f"{self.kind}-{self.classes}x{self.each}" + (f"-uneven{self.ratio}" if self.ratio > 1 else "")


TARGETS = [
    AdvisedTarget(*one) for one in (
        ("trashnet", 6, 5), ("trashnet", 6, 20), ("trashnet", 6, 40), ("trashnet", 6, 40, 8), ("clothing", 10, 5),
        ("clothing", 10, 20), ("clothing", 4, 40), ("elpv", 4, 10), ("elpv", 4, 40), ("elpv", 2, 50),
        ("sign_digits", 10, 5), ("sign_digits", 10, 20), ("sign_digits", 10, 30, 6), ("caltech101", 10, 5),
        ("caltech101", 20, 10), ("caltech101", 10, 20), ("cifar10", 10, 10), ("cifar10", 2, 50), ("cifar10", 5, 30, 5),
        ("grocery", 10, 10),
    )
]  # fmt: skip


def pool(root: Path, kind: str) -> tuple[list[tuple[str, int]], list[str]]:
    """Pictures of the set with their classes, drawn once, and the names of the classes."""
    by: dict[str, list[str]] = {}
    for path in sorted(root.rglob("*")):
        if path.suffix.lower() in PHOTOS:
            by.setdefault(path.parent.name, []).append(str(path))
    classes, most = POOL[kind]
    draw = np.random.default_rng(0)
    large = sorted(sorted(by), key=lambda name: -len(by[name]))[: 2 * classes]
    names = sorted(draw.permutation(large)[:classes].tolist())
    entries = []
    for label, name in enumerate(names):
        chosen = draw.permutation(len(by[name]))[:most]
        entries += [(by[name][place], label) for place in sorted(chosen.tolist())]
    return entries, names


def drawn(target: AdvisedTarget, labels: NDArray[np.int64], seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Places in the pool to learn from and to judge by. Those that judge have the shares of those that are learned."""
    draw = np.random.default_rng([seed, sum(map(ord, target.name))])
    classes = np.sort(draw.permutation(int(labels.max()) + 1)[: target.classes])
    learned, left = [], []
    steps = np.geomspace(1, 1 / target.ratio, len(classes))
    for name, share in zip(classes, steps, strict=True):
        places = draw.permutation(np.flatnonzero(labels == name))
        count = max(2, round(target.each * share))
        learned.append(places[:count])
        left.append(places[count:])
    most = min(len(rest) / len(own) for rest, own in zip(left, learned, strict=True))
    judges = [rest[: int(most * len(own))] for rest, own in zip(left, learned, strict=True)]
    return np.sort(np.concatenate(learned)), np.sort(np.concatenate(judges))


def run(
    target: AdvisedTarget, seed: int, read: NetFeatures, source: NDArray[np.float32], folder: Path
) -> dict[str, Any]:
    """What the verb expects of the target's pictures, and how its choice does on the others."""
    begin = time.process_time()
    every = np.array([label for _, label in read.entries], np.int64)
    learned, judges = drawn(target, every, seed)
    count = len(every)
    classes, labels = np.unique(every[learned], return_inverse=True)
    truth = np.searchsorted(classes, every[judges])
    rows = torch.from_numpy(np.concatenate([learned, learned + count]))
    whole = {one.name: read.matrix(one) for one in read.candidates}
    contenders = [Contender(read, one, whole[one.name][rows]) for one in read.candidates]
    counts = {str(name): int((labels == name).sum()) for name in range(len(classes))}
    correction = ClassCorrection(class_choice.chosen(class_choice.AUTO, counts, NONE, fitted=True).word)
    chooser = Chooser(contenders, labels, len(classes), (), correction, seed)
    kept, clock = KeptResults(folder), AdviceClock(1e6)
    chosen = best(chooser.rows(kept, clock, silent))
    judged = chooser.judged(kept, clock, silent)
    name = chosen.contender.candidate.name
    curve = None
    if len(labels) >= LEAST * len(classes):
        curve = extrapolated(learning_curve(chosen.contender.x[: len(labels)].numpy(), labels, seed=seed), seed=seed)
    right = judged.right(labels)
    found, plain = expected_accuracy(right, curve), expected_accuracy(right, None)
    weights, shares = (each(labels, len(classes)) for each in (correction.weights, correction.shares))
    head = without(fit_head(chosen.contender.x, labels, len(classes), chosen.penalty, counts=weights), shares)
    answers = head.answers(whole[name][:count][judges]).argmax(1).numpy()
    return {
        **asdict(target), "seed": seed, "learned": len(labels), "judges": len(truth), "chosen": name,
        "chosen_accuracy": chosen.accuracy, "nested": plain.value, "nested_low": plain.low, "nested_high": plain.high,
        "expected": found.value, "low": found.low, "high": found.high, "naive": wilson(int(right.sum()), len(right)),
        "test": float((answers == truth).mean()),
        "relative": distance_to_pictures(source, read.last[learned]).relative,
        "seconds": round(time.process_time() - begin, 1), "date": str(date.today()), "torch": torch.__version__,
    }  # fmt: skip


def silent(what: str, done: int, total: int) -> None:
    pass


def tell(what: str, done: int, total: int) -> None:
    if total and done % 320 < 32:
        print(f"  {what}: {done} of {total}", file=sys.stderr, flush=True)


def holds(one: dict[str, Any], low: str, high: str) -> tuple[bool, bool]:
    """Whether the interval holds the accuracy of the pictures that judged, and whether it does so when it is widened by
    their own error."""
    error = CONFIDENCE * math.sqrt(one["test"] * (1 - one["test"]) / one["judges"])
    value = one["expected"] if low == "low" else one["nested"]
    below, above = (math.hypot(value - one[low], error), math.hypot(one[high] - value, error))
    inside = one[low] <= one["test"] <= one[high]
    return inside, value - below <= one["test"] <= value + above


def page(found: Sequence[dict[str, Any]], size: int) -> str:
    """Markdown."""
    lines = [
        f"# What `lungo advise` expects of {NET} at {size} px",
        "",
        f"{date.today()}, {platform.machine()}, {os.cpu_count()} cores. Printed by `python -m benchmarks.advise`. "
        "Accuracies in %; intervals are 95 %.",
        "",
        "| target | seed | learned | choice | in the choice's own cross-validation | nested | expected | on others "
        "(pictures) | holds | relative distance |",
        "|---" * 10 + "|",
    ]
    for one in found:
        target = AdvisedTarget(one["kind"], one["classes"], one["each"], one["ratio"])
        inside, near = holds(one, "low", "high")
        share = {
            key: f"{100 * one[key]:.1f}" for key in ("chosen_accuracy", "nested", "expected", "low", "high", "test")
        }
        cells = [
            target.name, one["seed"], one["learned"], one["chosen"], share["chosen_accuracy"], share["nested"],
            f"{share['expected']} [{share['low']}, {share['high']}]", f"{share['test']} ({one['judges']})",
            "yes" if inside else "with their error" if near else "no", f"{one['relative']:.2f}",
        ]  # fmt: skip
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join([*lines, "", *summary(found)]) + "\n"


def summary(found: Sequence[dict[str, Any]]) -> list[str]:
    """How many intervals hold, and how far the expected accuracies are off."""
    if not found:
        return []
    full = [holds(one, "low", "high") for one in found]
    own = [holds(one, "nested_low", "nested_high") for one in found]
    plain = [one["naive"][0] <= one["test"] <= one["naive"][1] for one in found]
    off = {
        key: np.array([one["test"] - one[key] for one in found]) for key in ("chosen_accuracy", "nested", "expected")
    }
    error = np.array([
        math.sqrt(one["nested"] * (1 - one["nested"]) / one["learned"]) for one in found
    ])  # fmt: skip
    tested = np.array([one["test"] * (1 - one["test"]) / one["judges"] for one in found])
    excess = float((np.square(off["expected"]) - tested).mean() / np.square(error).mean())
    count = len(found)
    return [
        "| interval | holds the accuracy on others | and with their error |",
        "|---|---|---|",
        f"| expected, as printed | {sum(one for one, _ in full)} of {count} | {sum(one for _, one in full)} |",
        f"| nested cross-validation, without the learning curve | {sum(one for one, _ in own)} of {count} | "
        f"{sum(one for _, one in own)} |",
        f"| nested cross-validation, Wilson's of all pictures | {sum(plain)} of {count} | |",
        "",
        "Accuracy on others less that of the choice's own cross-validation, nested, expected, in points: "
        + ", ".join(f"{100 * each.mean():+.1f} (root mean square {100 * math.sqrt((each**2).mean()):.1f})"
                    for each in off.values())
        + f". The squared error of what is expected, less that of the pictures that judged, is {excess:.2f} times the "
        "variance of as many independent answers.",
    ]  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.advise", description=__doc__)
    parser.add_argument("--data", type=Path, default=SHARED / "data")
    parser.add_argument("--folder", type=Path, default=Path("runs/advise"))
    parser.add_argument("--seeds", nargs="*", type=int, default=[0])
    parser.add_argument("--size", type=int, default=112)
    parser.add_argument("--records", type=Path, help=f"default: {RECORDS}/SIZE")
    parser.add_argument("--survey", action="store_true", help="run nothing; show what is there")
    parser.add_argument("-o", "--output", type=Path)
    given = parser.parse_args()
    records = given.records or RECORDS / str(given.size)
    engine = make_engine(EngineOptions(device="cpu"))
    pools: dict[str, tuple[NetFeatures, NDArray[np.float32]]] = {}
    files = []
    for seed in given.seeds:
        for target in TARGETS:
            path = records / f"{target.name}-{seed}.json"
            files.append(path)
            if path.exists() or given.survey:
                continue
            if target.kind not in pools:
                entries, names = pool(given.data / target.kind, target.kind)
                cache = given.folder / "features"
                read = net_features(NET, None, given.size, entries, names, engine, cache, tell)
                root = given.data / SOURCE
                others = sorted(str(one) for one in root.iterdir() if one.suffix.lower() in (*PHOTOS, ".jpeg"))
                pools[target.kind] = read, read.others(others, cache, tell)
            made = run(target, seed, *pools[target.kind], given.folder / "kept")
            records.mkdir(parents=True, exist_ok=True)
            write_text(path, json.dumps(made) + "\n")
            print(f"{target.name}, seed {seed}: {made['seconds']} s", file=sys.stderr, flush=True)
    text = page([json.loads(path.read_text()) for path in files if path.exists()], given.size)
    if given.output:
        write_text(given.output, text)
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
