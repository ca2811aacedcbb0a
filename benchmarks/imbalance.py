"""What corrections for unequal classes give a linear classifier on frozen features: balanced accuracy and accuracy.

    OMP_NUM_THREADS=1 python -m benchmarks.imbalance --data DIR [--sets elpv trashnet clothing] [--seeds 3] -o FILE.json

DIR holds folders of classes. For each set the frozen features of the joined stages of squeezenet1.1 at 112 pixels are
computed once. For each seed 30 % of each class are set aside to judge by, and the rest is thinned out: elpv keeps its
own shares, of the others the most frequent class has ten times (--ratio) as many pictures as the rarest, in an order of
classes that the seed draws. Each arm is the logistic regression of `lungo finetune`:

    plain       the penalty by cross-validation, all pictures alike
    inverse     the same penalty, each picture weighed by N / (C n) of its class
    effective   likewise, by the effective number of its class (Cui et al. 2019, beta 0.999)
    root        likewise, by the root of inverse
    own         as inverse, with the penalty chosen by cross-validation with these weights
    adjusted    plain, less the logarithm of each class's share (Menon et al. 2021, section 4.1, tau 1)

Balanced accuracy is the mean of the recalls, accuracy is that at the shares of the training pictures: the mean of the
recalls by these. Intervals (95 %) are of the difference from plain, for the mean over seeds, by drawing pictures with
replacement within each class, the same ones for both.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.photos import PHOTOS
from caffelungo.layers.class_balance import INVERSE, NONE
from caffelungo.passes.join import JoinedOptions, Read, columns
from caffelungo.passes.view import View
from caffelungo.probes.candidates import candidates
from caffelungo.probes.choose_candidate import held_out
from caffelungo.probes.class_correction import ClassCorrection
from caffelungo.probes.feature_matrix import Subject, matrix, read
from caffelungo.probes.finetune_start import FOLDS, PATIENCE, PENALTIES
from caffelungo.probes.logistic import fit
from caffelungo.probes.penalty_path import path
from caffelungo.probes.scaling import global_scale
from caffelungo.rewriting.retarget import Pictures, PointOptions, needed, open_net, point
from caffelungo.solve.engine import make_engine
from caffelungo.solve.options import EngineOptions

NET, SIZE = "squeezenet1.1", 112
ASIDE = 0.3
RATIO = 10
MOST = {"trashnet": 200, "clothing": 74}
"""Training pictures of the most frequent class; sets that are not named keep their own shares."""
ARMS = ("plain", "inverse", "effective", "root", "own", "adjusted")
DRAWS = 2000


def photos(root: Path) -> tuple[list[tuple[str, int]], list[str]]:
    """Every photo of a set whatever its part, with its class, and the classes."""
    found = sorted(path for path in root.rglob("*") if path.suffix.lower() in PHOTOS)
    names = sorted({path.parent.name for path in found})
    return [(str(path), names.index(path.parent.name)) for path in found], names


def features(entries: list[tuple[str, int]], classes: int, cache: Path) -> torch.Tensor:
    """N x D of the joined stages."""
    key = hashlib.sha256(repr((NET, SIZE, entries)).encode()).hexdigest()[:16]
    path = cache / f"{key}.npy"
    if not path.exists():
        wanted = PointOptions(NET, size=SIZE)
        opened = open_net(wanted)
        weights = needed(opened, NET)
        pictures = Pictures(classes, len(entries), len(entries), "train.txt", "train.txt")
        definition = point(opened, wanted, pictures).definition
        view = View(definition)
        (joined,) = candidates(view, ("all",))
        engine = make_engine(EngineOptions(device="cpu"))
        pooled = read(Subject(definition, [weights], engine), entries, joined.blobs)
        options = JoinedOptions(tuple(Read(blob) for blob in joined.blobs))
        x = matrix(pooled, [(blob, pool) for blob, pool, _ in columns(view, options)])
        cache.mkdir(parents=True, exist_ok=True)
        np.save(path, x.numpy())
    return torch.from_numpy(np.load(path))


def drawn(
    labels: NDArray[np.int64], classes: int, most: int | None, seed: int, ratio: float
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Places of the pictures to train on, and of those to judge by."""
    rng = np.random.default_rng(seed)
    ranks = rng.permutation(classes)
    train, test = [], []
    for number in range(classes):
        own = rng.permutation(np.flatnonzero(labels == number))
        aside = round(ASIDE * len(own))
        test.append(own[:aside])
        left = own[aside:]
        if most is not None:
            left = left[: round(most * ratio ** (-ranks[number] / (classes - 1)))]
        train.append(left)
    return np.concatenate(train), np.concatenate(test)


def weights_of(arm: str, y: NDArray[np.int64], classes: int) -> NDArray[np.float64]:
    """Of each picture, in the mean 1, so that the penalty keeps its meaning."""
    if arm == "root":
        each = np.bincount(y, minlength=classes)[y] ** -0.5
        return np.asarray(each / each.mean())
    word = {"plain": NONE, "own": INVERSE}.get(arm, arm)
    weights = ClassCorrection(word).weights(y, classes)
    return np.ones(len(y)) if weights is None else weights


def answers(
    x: torch.Tensor, y: NDArray[np.int64], test: torch.Tensor, classes: int
) -> tuple[dict[str, Any], dict[str, float]]:
    """The answer of each arm to each picture of ``test``, and the penalties."""
    parts = held_out(y, FOLDS, 0)
    scale = global_scale(x)
    counts = np.bincount(y, minlength=classes)
    found: dict[str, Any] = {}
    penalties: dict[str, float] = {}
    for arm in ARMS[:-1]:
        each = weights_of(arm, y, classes)
        if arm in ("plain", "own"):
            penalty = path(scale(x), y, classes, parts, PENALTIES, patience=PATIENCE, weights=each).penalty
            penalties[arm] = penalty
        model = fit(scale(x), torch.from_numpy(y), classes, penalty, torch.from_numpy(each).to(x)[None])
        scores = model.answers(scale(test))[0].double()
        found[arm] = scores.argmax(1).numpy()
        if arm == "plain":
            found["adjusted"] = (scores - torch.from_numpy(np.log(counts / counts.sum()))).argmax(1).numpy()
    return found, penalties


def run(data: Path, name: str, seeds: int, cache: Path, ratio: float = RATIO) -> dict[str, Any]:
    """The figures of one set."""
    entries, names = photos(data / name)
    classes = len(names)
    labels = np.array([label for _, label in entries])
    x = features(entries, classes, cache)
    rng = np.random.default_rng(0)
    values: dict[str, list[tuple[float, float]]] = {arm: [] for arm in ARMS}
    gained = {arm: np.zeros((DRAWS, 2)) for arm in ARMS}
    shares, penalties = [], []
    for seed in range(seeds):
        train, test = drawn(labels, classes, MOST.get(name), seed, ratio)
        counts = np.bincount(labels[train], minlength=classes)
        found, penalty = answers(x[train], labels[train], x[test], classes)
        shares.append(counts.tolist())
        penalties.append(penalty)
        for arm in ARMS:
            right = found[arm] == labels[test]
            recalls = np.array([right[labels[test] == number].mean() for number in range(classes)])
            values[arm].append((float(recalls.mean()), float(recalls @ counts / counts.sum())))
        drawn_again = np.zeros((DRAWS, classes, len(ARMS)))
        for number in range(classes):
            own = np.flatnonzero(labels[test] == number)
            again = rng.choice(own, (DRAWS, len(own)))
            for k, arm in enumerate(ARMS):
                drawn_again[:, number, k] = (found[arm] == labels[test])[again].mean(1)
        for k, arm in enumerate(ARMS):
            change = drawn_again[:, :, k] - drawn_again[:, :, 0]
            gained[arm] += np.stack([change.mean(1), change @ counts / counts.sum()], 1) / seeds
    rows = {}
    base = np.array(values["plain"]).mean(0)
    for arm in ARMS:
        balanced, accuracy = np.array(values[arm]).mean(0)
        low, high = np.percentile(gained[arm], [2.5, 97.5], axis=0)
        rows[arm] = {
            "balanced": balanced, "accuracy": accuracy, "balanced_gain": [balanced - base[0], low[0], high[0]],
            "accuracy_gain": [accuracy - base[1], low[1], high[1]],
        }  # fmt: skip
    return {"set": name, "pictures": len(entries), "classes": names, "counts": shares, "penalties": penalties,
            "seeds": seeds, "rows": rows}  # fmt: skip


def table(found: dict[str, Any]) -> str:
    """Rows of Markdown, in percent and points."""
    ratios = ", ".join(f"{max(one) / min(one):.1f}" for one in found["counts"][:3])
    lines = [f"{found['set']}: largest class to smallest {ratios}; {found['seeds']} seeds", ""]
    lines += ["| arm | balanced accuracy, % | against plain, points | accuracy, % | against plain, points |"]
    lines += ["|---|---|---|---|---|"]
    for arm, row in found["rows"].items():
        gains = [f"{100 * g:+.1f} ({100 * lo:+.1f} to {100 * hi:+.1f})" for g, lo, hi in
                 (row["balanced_gain"], row["accuracy_gain"])]  # fmt: skip
        lines.append(f"| {arm} | {100 * row['balanced']:.1f} | {gains[0]} | {100 * row['accuracy']:.1f} | {gains[1]} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.imbalance", description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sets", nargs="+", default=["elpv", "trashnet", "clothing"])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--ratio", type=float, default=RATIO)
    parser.add_argument("--cache", type=Path, default=Path("runs/imbalance"))
    parser.add_argument("-o", type=Path, default=None)
    given = parser.parse_args()
    print(f"{date.today()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads, PyTorch {torch.__version__}")
    found = []
    for name in given.sets:
        found.append(run(given.data, name, given.seeds, given.cache, given.ratio))
        print(f"\n{table(found[-1])}", flush=True)
    if given.o is not None:
        given.o.write_text(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
