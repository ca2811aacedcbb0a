"""The page: a table per measure, and whether the defaults hold what they promise."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterable, Sequence
from datetime import date
from statistics import mean
from typing import Any

import numpy as np
import torch

from benchmarks.small_sets.arms import Job
from caffelungo.solve.score import wilson

TITLES = {
    "probe": "`lungo probe`, the chosen layer",
    "finetune": "`lungo finetune`",
    "handwritten": "by hand (torchvision style)",
    "classic": "`--caffe-classic`",
    "grown": "grown from the probe",
}
DRAWS = 4000


def page(jobs: Sequence[Job], precision: str, size: int) -> str:
    """Markdown."""
    found = {(job.name, job.arm, job.seed): json.loads(job.result.read_text()) for job in jobs if job.done}
    sets, arms = list(dict.fromkeys(job.name for job in jobs)), list(dict.fromkeys(job.arm for job in jobs))
    seeds = sorted({seed for _, _, seed in found})
    lines = [
        f"# SqueezeNet 1.1 at {size} px on small sets",
        "",
        f"{date.today()}, torch {torch.__version__}, {platform.machine()}, {torch.get_num_threads()} threads, trainings "
        f"in {precision}; seeds {', '.join(map(str, seeds)) or 'none'}. Printed by `python -m benchmarks.small_sets`.",
        "",
        "Test accuracy in %, mean over seeds, with the 95 % interval of the pictures judged (Wilson, of the seeds' "
        "mean); in brackets balanced accuracy, and processor seconds of the whole arm.",
        "",
        "| set | seeds | " + " | ".join(TITLES[arm] for arm in arms) + " | best single layer, all joined |",
        "|---" * (len(arms) + 3) + "|",
    ]
    for name in sets:
        own = [seed for seed in seeds if any((name, arm, seed) in found for arm in arms)]
        cells = [_cell([found[name, arm, seed] for seed in own if (name, arm, seed) in found]) for arm in arms]
        probes = [found[name, "probe", seed] for seed in own if (name, "probe", seed) in found]
        lines.append(f"| {name} | {len(own)} | " + " | ".join(cells) + f" | {_layers(probes)} |")
    lines += ["", "## What the defaults promise", "", *_promises(found, sets, seeds)]
    return "\n".join(lines) + "\n"


def _cell(results: Sequence[dict[str, Any]]) -> str:
    if not results:
        return "-"
    low, high = _interval(results)
    accuracy, balanced = (100 * mean(one[key] for one in results) for key in ("accuracy", "balanced"))
    return f"{accuracy:.1f} [{low:.1f}, {high:.1f}] ({balanced:.1f}; {mean(one['cpu'] for one in results):.0f} s)"


def _interval(results: Sequence[dict[str, Any]]) -> tuple[float, float]:
    samples = round(mean(one["samples"] for one in results))
    low, high = wilson(round(samples * mean(one["accuracy"] for one in results)), samples)
    return 100 * low, 100 * high


def _layers(probes: Sequence[dict[str, Any]]) -> str:
    """Test accuracy of the single layer that is best on the test photos, and of all layers joined."""
    if not probes:
        return "-"
    names = [name for name in probes[0]["layers"] if name != "all"]
    means = {name: 100 * mean(one["layers"][name]["accuracy"] for one in probes) for name in names}
    best = max(means, key=lambda name: means[name])
    joined = 100 * mean(one["layers"]["all"]["accuracy"] for one in probes)
    return f"{best} {means[best]:.1f}, all {joined:.1f}"


def _promises(
    found: dict[tuple[str, str, int], dict[str, Any]], sets: Sequence[str], seeds: Sequence[int]
) -> list[str]:
    lines = [
        "| set | defaults - best other arm | defaults - classic | defaults - best probe (by test) | seconds on the clock, processor seconds |",
        "|---|---|---|---|---|",
    ]
    for name in sets:
        own = [seed for seed in seeds if (name, "finetune", seed) in found]
        if not own:
            continue
        mine = {seed: found[name, "finetune", seed] for seed in own}
        accuracy = 100 * mean(one["accuracy"] for one in mine.values())
        others = [
            100 * mean(found[name, arm, seed]["accuracy"] for seed in own)
            for arm in TITLES
            if arm != "finetune" and all((name, arm, seed) in found for seed in own)
        ]
        against = "-"
        if all((name, "classic", seed) in found for seed in own):
            against = _difference([(mine[seed], found[name, "classic", seed]) for seed in own])
        probes = [found[name, "probe", seed] for seed in own if (name, "probe", seed) in found]
        best = "-"
        if len(probes) == len(own):
            layers = [100 * mean(one["layers"][layer]["accuracy"] for one in probes) for layer in probes[0]["layers"]]
            best = f"{accuracy - max(layers):+.1f}"
        other = f"{accuracy - max(others):+.1f}" if others else "-"
        lines.append(f"| {name} | {other} | {against} | {best} | {_times(mine.values())} |")
    return [*lines, "", "Differences in points. Against classic with the 95 % interval of a bootstrap over seeds and, "
            "as only counts are kept of each arm, independent draws of pictures (wider than paired)."]  # fmt: skip


def _times(results: Iterable[dict[str, Any]]) -> str:
    """The longest of each."""
    kept = list(results)
    return f"{max(one['seconds'] for one in kept):.0f}, {max(one['cpu'] for one in kept):.0f}"


def _difference(pairs: Sequence[tuple[dict[str, Any], dict[str, Any]]]) -> str:
    rng = np.random.default_rng(0)
    point = 100 * mean(a["accuracy"] - b["accuracy"] for a, b in pairs)
    draws = np.zeros(DRAWS)
    for k in range(DRAWS):
        picked = rng.integers(len(pairs), size=len(pairs))
        draws[k] = np.mean([
            (rng.binomial(pairs[i][0]["samples"], pairs[i][0]["accuracy"])
             - rng.binomial(pairs[i][1]["samples"], pairs[i][1]["accuracy"])) / pairs[i][0]["samples"]
            for i in picked
        ])  # fmt: skip
    low, high = np.percentile(100 * draws, [2.5, 97.5])
    return f"{point:+.1f} [{low:+.1f}, {high:+.1f}]"
