"""`make growing`: `lungo compare` on sets near to ImageNet and far from it, at two input sizes; hours on one core.

python -m benchmarks.growing [--folder runs/growing] [--data FOLDER] [--sets NAME ...] [--sizes 64 112] [--tune new all]
                             [--seeds 3] [--survey] [-o FILE]

Each setting is one command, run as a process; `lungo compare` keeps what is done in its folder, so a run that was
stopped goes on where it was. The page has a table of all settings first, then what each command wrote.
"""

from __future__ import annotations

import argparse
import json
import platform
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import torch

from benchmarks.cells import SHARED
from benchmarks.commands import lungo
from benchmarks.photos import subset
from caffelungo.files import write_text


@dataclass(frozen=True)
class Photos:
    """A set: how many photos per class are drawn of it, of how many classes (None: all), and how ``near`` it is."""

    name: str
    per_class: int
    classes: int | None
    near: bool
    words: str


SETS = {
    one.name: one
    for one in (
        Photos("clothing", 100, None, True, "clothes as their sellers photographed them"),
        Photos("sign_digits", 100, None, False, "digits signed with one hand"),
        Photos("caltech101", 40, 20, True, "single objects; 20 classes drawn"),
        Photos("elpv", 250, None, False, "solar cells in electroluminescence, four grades of defects"),
    )
}  # fmt: skip
PER_CLASS = 40
"""Photos per class of which a fifth chooses rates and the others are learned from."""
ARMS = {"new": "paper,controls", "all": "finetune,wider,normalized"}
DEPTHS = {"new": "Only new layers learn", "all": "Everything learns"}
ITERATIONS = {"new": 200, "all": 120}
EXTEND = 1
SHOWN = ("finetune", "deeper", "wider", "joint", "recursive", "normalized", "features", "features-recursive", "random",
         "random-recursive", "longer")  # fmt: skip


@dataclass(frozen=True)
class Setting:
    """One command, and where its study and its tables are kept."""

    photos: Photos
    size: int
    tune: str
    seeds: int
    folder: Path

    @property
    def name(self) -> str:
        return f"{self.photos.name}-{self.size}-{self.tune}"

    @property
    def result(self) -> Path:
        return self.folder / "results" / f"{self.name}.json"

    @property
    def tables(self) -> Path:
        return self.result.with_suffix(".md")

    @property
    def data(self) -> Path:
        return self.folder / "photos" / self.photos.name

    @property
    def command(self) -> list[str]:
        # Both depths share a folder, and with it the features of frozen layers and the linear classifiers.
        study = self.folder / f"{self.photos.name}-{self.size}"
        return [
            "lungo", "compare", "--data", str(self.data), "--model", "squeezenet1.1", "--size", str(self.size),
            "--arms", ARMS[self.tune], "--tune", self.tune, "--iterations", str(ITERATIONS[self.tune]),
            "--per-class", str(PER_CLASS), "--seeds", str(self.seeds), "--extend", str(EXTEND), "--workers", "1",
            "-o", str(study),
        ]  # fmt: skip

    @property
    def found(self) -> dict[str, Any] | None:
        """The summary of the command as it is now, None where that was not run."""
        if not self.result.exists():
            return None
        summary = dict(json.loads(self.result.read_text()))
        return summary if summary["command"] == shlex.join(self.command) else None

    def run(self, source: Path) -> None:
        """Run the command and keep its tables. RuntimeError with what it said where it fails."""
        subset(source / self.photos.name, self.data, self.photos.per_class, self.photos.classes)
        lungo(*self.command[1:])
        study = Path(self.command[-1])
        summary = json.loads((study / "summary.json").read_text()) | {"command": shlex.join(self.command)}
        self.tables.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(study / "tables.md", self.tables)
        write_text(self.result, json.dumps(summary, indent=1))


def settings(
    folder: Path, sets: Sequence[str], sizes: Sequence[int], tunes: Sequence[str], seeds: int
) -> list[Setting]:
    """All settings, the cheap ones first."""
    return [Setting(SETS[name], size, tune, seeds, folder) for tune in tunes for size in sizes for name in sets]


def page(wanted: Sequence[Setting]) -> str:
    """Markdown: one table for each depth of tuning, then the tables of each command."""
    done = [(one, found) for one in wanted if (found := one.found) is not None]
    lines = [
        "# Growth against its controls and linear classifiers",
        "",
        f"{date.today()}, torch {torch.__version__}, {platform.machine()}, one thread; SqueezeNet v1.1 with its "
        "ImageNet weights. Printed by `python -m benchmarks.growing`.",
        "",
        *(f"- `{one.name}` ({'near to' if one.near else 'far from'} ImageNet): {one.words}; {one.per_class} photos per "
          f"class at most, drawn by a seed, {PER_CLASS} of them used to learn from and to choose rates on"
          for one in dict.fromkeys(setting.photos for setting in wanted)),
        "",
        "Test accuracy in %, mean over seeds, each with a split of its own. In brackets: points over the bar, the best "
        "linear classifier on the frozen net, with the 95 % interval; **bold** where p is under 0.05 after Holm's "
        "correction for all arms of the command.",
    ]  # fmt: skip
    for tune in dict.fromkeys(one.tune for one, _ in done):
        own = [(one, found) for one, found in done if one.tune == tune]
        arms = [arm for arm in SHOWN if any(_row(found, arm) for _, found in own)]
        lines += [
            "",
            f"## {DEPTHS[tune]}, {ITERATIONS[tune]} iterations of 16",
            "",
            "| | " + " | ".join(f"{one.photos.name}, {one.size} px" for one, _ in own) + " |",
            "|---" * (len(own) + 1) + "|",
            "| the bar | " + " | ".join(_bar(found) for _, found in own) + " |",
            *(f"| {arm} | " + " | ".join(_cell(_row(found, arm)) for _, found in own) + " |" for arm in arms),
            "| CPU minutes | " + " | ".join(f"{found['cpu_seconds'] / 60:.0f}" for _, found in own) + " |",
        ]
    for one, _ in done:
        title = f"## {one.photos.name}, {one.size} px: {DEPTHS[one.tune].lower()}"
        lines += ["", title, "", _lowered(one.tables.read_text())]
    if lacking := [one.name for one in wanted if one.found is None]:
        lines += ["", f"Not run yet: {', '.join(lacking)}."]
    return "\n".join(lines).rstrip() + "\n"


def _row(found: Mapping[str, Any], arm: str) -> Mapping[str, Any] | None:
    return next((row for row in found["results"] if row["arm"] == arm), None)


def _bar(found: Mapping[str, Any]) -> str:
    row = next(row for row in found["results"] if row["bar"])
    return f"{row['accuracy']:.1f} ({row['read']})"


def _cell(row: Mapping[str, Any] | None) -> str:
    if row is None:
        return ""
    if row["failure"]:
        return "failed"
    end = "\\*" if row["edge"] else ""
    gain = f"{row['over_bar']:+.1f} [{row['over_bar_low']:+.1f}, {row['over_bar_high']:+.1f}]"
    return f"{row['accuracy']:.1f}{end} ({f'**{gain}**' if row['over_bar_p'] < 0.05 else gain})"


def _lowered(tables: str) -> str:
    """``tables.md`` without what each repeats below its headings."""
    return "\n".join(line for line in tables.splitlines() if not line.startswith(("The bar is", "Growing a Brain (")))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growing", description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("runs/growing"))
    parser.add_argument("--data", type=Path, default=SHARED / "data")
    parser.add_argument("--sets", nargs="*", default=list(SETS), choices=list(SETS))
    parser.add_argument("--sizes", nargs="*", type=int, default=[64, 112])
    parser.add_argument("--tune", nargs="*", default=list(ARMS), choices=list(ARMS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--survey", action="store_true", help="run nothing; show what is there")
    parser.add_argument("-o", "--output", type=Path)
    given = parser.parse_args()
    wanted = settings(given.folder, given.sets, given.sizes, given.tune, given.seeds)
    for number, one in enumerate(wanted, 1):
        if not given.survey and one.found is None:
            print(f"[{number} of {len(wanted)}] {one.name}", file=sys.stderr, flush=True)
            one.run(given.data)
    text = page(wanted)
    if given.output:
        write_text(given.output, text)
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
