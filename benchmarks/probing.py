"""Linear probes along 45 penalties, beside scikit-learn's logistic regression on the same rows.

    python -m benchmarks.probing [--rows 10000] [--features 512] [--classes 10] [--every 4] [--repeats 3]

Features are made up: rectified mixtures of a few dozen factors with a falling spectrum, standardised, float32; 20 % of
the rows are held out. Ours is `probes.penalty_path.path` over all 45 penalties without an early end. The opponent is
`LogisticRegression(warm_start=True)`, from strong to weak, with its own tolerance of 1e-4; as it takes long for all
penalties, both also do every fourth one, in turns, and the ratio is of these. How near each came is told by what
both were run for, the losses and accuracies on the rows held out, against ours in float64 with a tolerance of 1e-4.

The floor, written down before. An iteration reads the features twice, for the answers along its step and for the
gradient: 2 x 10,000 x 513 x 4 bytes = 41 MB and 4 x 10,000 x 513 x 10 = 205 MFLOP. At ten iterations a penalty, 450 in
all, that is 18 GB and 92 GFLOP: 1.8 s and 0.9 s on two cores that read 10 GB and do 100 GFLOP a second. The axes take
2 x 10,000 x 512^2 = 5 GFLOP and an eigenproblem of 512, 0.3 s. So 2.1 s or more.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time
from datetime import date

import numpy as np
import sklearn
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from torch.nn import functional as F

from caffelungo.probes.penalty_path import KORNBLITH, PenaltyPath, path

Floats = NDArray[np.float32]
Labels = NDArray[np.int64]


def made_up(rows: int, features: int, classes: int, seed: int = 0) -> tuple[Floats, Labels]:
    """Standardised features, rows x features, and their classes."""
    rng = np.random.default_rng(seed)
    factors = 96
    y = rng.integers(0, classes, rows)
    centres = rng.normal(size=(classes, factors))
    hidden = (0.3 * centres[y] + rng.normal(size=(rows, factors))) / np.sqrt(np.arange(1, factors + 1))
    x = np.maximum(hidden @ rng.normal(size=(factors, features)) + 0.3 * rng.normal(size=(rows, features)), 0)
    return ((x - x.mean(0)) / x.std(0)).astype(np.float32), y


def ours(
    x: Floats, y: Labels, classes: int, held: NDArray[np.bool_], penalties: list[float], **given: float
) -> PenaltyPath:
    return path(torch.from_numpy(x), y, classes, held, penalties, patience=None, **given)  # type: ignore[arg-type]


def opponent(x: Floats, y: Labels, held: NDArray[np.bool_], penalties: list[float]) -> list[tuple[float, float, int]]:
    """Loss and accuracy on the rows held out, and iterations, from the strongest penalty to the weakest."""
    model = LogisticRegression(warm_start=True, max_iter=5000, tol=1e-4)
    rows = []
    for penalty in penalties:
        model.C = 1 / penalty
        model.fit(x[~held], y[~held])
        answers = torch.from_numpy(model.decision_function(x[held])).double()
        loss = float(F.cross_entropy(answers, torch.from_numpy(y[held])))
        rows.append((loss, float((answers.argmax(1).numpy() == y[held]).mean()), int(np.max(model.n_iter_))))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.probing", description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--features", type=int, default=512)
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--every", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    print(
        f"{date.today()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads, "
        f"load {os.getloadavg()[0]:.1f} before; Python {platform.python_version()}, "
        f"PyTorch {torch.__version__}, scikit-learn {sklearn.__version__}, "
        f"NumPy {np.__version__}"
    )
    x, y = made_up(given.rows, given.features, given.classes)
    held = np.arange(given.rows) % 5 == 0
    strong = sorted(KORNBLITH, reverse=True)
    few = strong[:: given.every]

    started = time.perf_counter()
    whole = ours(x, y, given.classes, held, strong)
    seconds = time.perf_counter() - started
    used = sum(row.iterations for row in whole.rows)
    best = whole.rows[whole.best]
    left = sum(not row.converged for row in whole.rows)
    print(
        f"{given.rows} x {given.features}, {given.classes} classes, {len(strong)} penalties: {seconds:.1f} s, "
        f"{used} iterations, {left} penalties not converged; "
        f"best {best.penalty:.3g}: accuracy {100 * best.accuracy:.2f}",
        flush=True,
    )
    exact = ours(x.astype(np.float64), y, given.classes, held, few, tolerance=1e-4).rows
    ratios = []
    for _ in range(given.repeats):
        started = time.perf_counter()
        mine = ours(x, y, given.classes, held, few).rows
        middle = time.perf_counter()
        others = opponent(x, y, held, few)
        ended = time.perf_counter()
        ratios.append((ended - middle) / (middle - started))
        print(
            f"{len(few)} penalties: ours {middle - started:.2f} s, {sum(row.iterations for row in mine)} iterations; "
            f"scikit-learn {ended - middle:.2f} s, {sum(row[2] for row in others)} iterations: {ratios[-1]:.1f} times",
            flush=True,
        )
    print("penalty    loss: least, ours, scikit-learn    accuracy: least, ours, scikit-learn")
    for row, near, other in zip(exact, mine, others, strict=True):
        print(
            f"{row.penalty:8.2g} {row.loss:9.4f} {near.loss:9.4f} {other[0]:9.4f}"
            f" {100 * row.accuracy:9.2f} {100 * near.accuracy:8.2f} {100 * other[1]:8.2f}"
        )
    low, median, high = min(ratios), statistics.median(ratios), max(ratios)
    print(f"ratio: median {median:.1f}, from {low:.1f} to {high:.1f}; load {os.getloadavg()[0]:.1f} after")


if __name__ == "__main__":
    main()
