"""The page: a table per measure, and whether the defaults hold what they promise."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from statistics import mean
from typing import Any

import numpy as np

from benchmarks.small_sets.arms import Job
from caffelungo.report.classification_score import wilson

TITLES = {
    "probe": "`lungo probe`, the chosen layer",
    "finetune": "`lungo finetune`",
    "handwritten": "by hand (torchvision style)",
    "classic": "`--caffe-classic`",
    "grown": "grown from the probe",
}
DRAWS = 4000

Key = tuple[str, str, int]
"""Set, arm, seed."""
Result = dict[str, Any]
"""What an arm gave: see ``arms.run``."""


def page(jobs: Sequence[Job], precision: str, size: int) -> str:
    """Markdown."""
    found = {(job.name, job.arm, job.seed): json.loads(job.result.read_text()) for job in jobs if job.done}
    sets, arms = list(dict.fromkeys(job.name for job in jobs)), list(dict.fromkeys(job.arm for job in jobs))
    seeds = sorted({seed for _, _, seed in found})
    lines = [
        f"# SqueezeNet 1.1 at {size} px on small sets",
        "",
        f"{date.today()}, {platform.machine()}, {os.cpu_count()} cores; trainings in {precision}; seeds "
        f"{', '.join(map(str, seeds)) or 'none'}; runs of {_between(found.values(), 'date')} with torch "
        f"{_between(found.values(), 'torch')}. Printed by `python -m benchmarks.small_sets`.",
        "",
        "Test accuracy in %, mean over seeds, with the 95 % interval of the pictures judged (Wilson, of the seeds' "
        "mean); in brackets balanced accuracy, and processor seconds of the whole arm.",
        "",
        "| set | seeds | " + " | ".join(TITLES[arm] for arm in arms) + " | best single layer, all joined |",
        "|---" * (len(arms) + 3) + "|",
    ]
    for name in sets:
        own = [seed for seed in seeds if any((name, arm, seed) in found for arm in arms)]
        cells = [
            _cell([found[name, arm, seed] for seed in own if (name, arm, seed) in found], len(own)) for arm in arms
        ]
        probes = [found[name, "probe", seed] for seed in own if (name, "probe", seed) in found]
        lines.append(f"| {name} | {len(own)} | " + " | ".join(cells) + f" | {_layers(probes)} |")
    lines += ["", "## What the defaults promise", "", *_promises(found, sets, seeds)]
    return "\n".join(lines) + "\n"


def _between(found: Iterable[Result], key: str) -> str:
    values = sorted({one[key] for one in found})
    return " to ".join(dict.fromkeys((values[0], values[-1]))) if values else "no day"


def _cell(results: Sequence[Result], seeds: int) -> str:
    """A cell of a row with that number of ``seeds``. Fewer results than that are counted in it."""
    if not results:
        return "-"
    low, high = interval(results)
    accuracy, balanced = (100 * mean(one[key] for one in results) for key in ("accuracy", "balanced"))
    few = "" if len(results) == seeds else f"; seeds {len(results)}"
    cpu = mean(one["cpu"] for one in results)
    return f"{accuracy:.1f} [{low:.1f}, {high:.1f}] ({balanced:.1f}; {cpu:.0f} s{few})"


def interval(results: Sequence[Result]) -> tuple[float, float]:
    """Wilson's interval of the mean accuracy, in %."""
    samples = round(mean(one["samples"] for one in results))
    low, high = wilson(round(samples * mean(one["accuracy"] for one in results)), samples)
    return 100 * low, 100 * high


def _layers(probes: Sequence[Result]) -> str:
    """Test accuracy of the single layer that is best on the test photos, and of all layers joined."""
    if not probes:
        return "-"
    names = [name for name in probes[0]["layers"] if name != "all"]
    means = {name: 100 * mean(one["layers"][name]["accuracy"] for one in probes) for name in names}
    best = max(means, key=lambda name: means[name])
    joined = 100 * mean(one["layers"]["all"]["accuracy"] for one in probes)
    return f"{best} {means[best]:.1f}, all {joined:.1f}"


def _promises(found: Mapping[Key, Result], sets: Sequence[str], seeds: Sequence[int]) -> list[str]:
    lines = [
        "| set | less the best other arm | less classic | less by hand | less the best probe (by test) | clock, "
        "processor seconds |",
        "|---|---|---|---|---|---|",
    ]
    for name in sets:
        own = [seed for seed in seeds if (name, "finetune", seed) in found]
        if not own:
            continue
        mine = [found[name, "finetune", seed] for seed in own]
        accuracy = 100 * mean(one["accuracy"] for one in mine)
        whole = [arm for arm in TITLES if arm != "finetune" and all((name, arm, seed) in found for seed in own)]
        others = {arm: 100 * mean(found[name, arm, seed]["accuracy"] for seed in own) for arm in whole}
        best = max(others, key=lambda arm: others[arm], default=None)
        cells = [f"{accuracy - others[best]:+.1f} ({best})" if best is not None else "-"]
        for arm in ("classic", "handwritten"):
            pairs = [(found[name, "finetune", seed], found[name, arm, seed]) for seed in own] if arm in whole else []
            cells.append(difference(pairs) if pairs else "-")
        if "probe" in whole:
            probes = [found[name, "probe", seed]["layers"] for seed in own]
            layers = [100 * mean(one[layer]["accuracy"] for one in probes) for layer in probes[0]]
            cells.append(f"{accuracy - max(layers):+.1f}")
        else:
            cells.append("-")
        times = f"{max(one['seconds'] for one in mine):.0f}, {max(one['cpu'] for one in mine):.0f}"
        lines.append(f"| {name} | {' | '.join(cells)} | {times} |")
    return [
        *lines,
        "",
        "Points that the defaults are above. Intervals are 95 % of a bootstrap over seeds and, paired, over the photos "
        "of each. The last probe is the best on the test photos themselves, which nobody can choose before.",
    ]


def difference(pairs: Sequence[tuple[Result, Result]]) -> str:
    """Points of accuracy that the first of each pair is above the second, with the interval: of a bootstrap over pairs
    and, in each, over photos."""
    rng = np.random.default_rng(0)
    gains = []
    for mine, other in pairs:
        own, others = set(mine["wrong"]), set(other["wrong"])
        gain = np.zeros(mine["samples"])
        gain[: len(others - own)] = 1
        gain[len(gain) - len(own - others) :] = -1
        gains.append(gain)
    draws = np.empty(DRAWS)
    for k in range(DRAWS):
        picked = [gains[i] for i in rng.integers(len(gains), size=len(gains))]
        draws[k] = np.mean([each[rng.integers(len(each), size=len(each))].mean() for each in picked])
    low, high = np.percentile(100 * draws, [2.5, 97.5])
    return f"{100 * np.mean([each.mean() for each in gains]):+.1f} [{low:+.1f}, {high:+.1f}]"
