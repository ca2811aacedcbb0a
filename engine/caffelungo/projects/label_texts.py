"""What `lungo finetune` writes for people where pictures have several labels: commands, README, run.sh. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from caffelungo.definition.definition import Definition
from caffelungo.passes.base import Note
from caffelungo.projects import project_commands
from caffelungo.projects.project_commands import BEST, At, Command, exported, trained
from caffelungo.rewriting import folder_texts
from caffelungo.rewriting.folder_files import STARTED
from caffelungo.wording import counted, listed, sentence

if TYPE_CHECKING:
    from caffelungo.probes.label_start import StartedLabels


@dataclass(frozen=True)
class LabelsAbout:
    """A project in the folder ``out`` that predicts several labels: ``net`` and ``data`` as they were named, pictures
    per label (``counts``), how many train and validate, and the regressions that were ``tried`` as its start (None: it
    starts otherwise). ``balance``: a sentence on labels of different sizes."""

    net: str
    out: Path
    data: Path
    counts: Mapping[str, int]
    train: int
    val: int
    iterations: int
    tried: StartedLabels | None
    balance: str = ""


def pictures_line(counts: Mapping[str, int], train: int, val: int) -> str:
    """What the pictures are: labels, pictures per label, how many train and test."""
    least, most = min(counts.values()), max(counts.values())
    each = counted(least if least == most else f"{least} to {most}", "picture")
    return f"{counted(len(counts), 'label')}, each of {each}: {train} to train on, {val} to test on"


def commands(about: LabelsAbout) -> list[tuple[str, str]]:
    """What to run next, with a word on each."""
    return project_commands.commands(
        about.out, _steps, ["classify", "photo.jpg"], "use it: labels above their thresholds"
    )


def script() -> str:
    """run.sh: the same commands from the folder itself."""
    return project_commands.script(_steps)


def _steps(at: At) -> list[Command]:
    return [
        *trained(at, BEST, "average precision and F1 on the held-out photos, per label"),
        exported(at, "one file with weights, labels, thresholds and preprocessing"),
    ]


def headed(definition: Definition, about: LabelsAbout) -> str:
    """The text of the net under a line that says where it comes from."""
    some = listed(about.counts, folder_texts.SHOWN)
    labels = f"{counted(len(about.counts), 'label')} ({some})"
    line = f"{Path(about.net).name}, made ready to predict {labels} by `lungo finetune`."
    line += "".join(f"\n# {part}" for part in sentence(about.balance))
    return folder_texts.headed(definition, line)


def readme(about: LabelsAbout, notes: Sequence[Note]) -> str:
    """README.md: the labels, what linear classifiers reach, what to run next, what was changed."""
    middle = [f"{counted(about.train, 'training picture')}, {counted(about.val, 'test picture')}.", ""]
    middle += ["| number | label | pictures |", "|---|---|---|"]
    middle += [f"| {number} | {name} | {count} |" for number, (name, count) in enumerate(about.counts.items())]
    if about.tried is not None:
        middle += ["", "## What the net knows already", ""]
        middle += [
            "Logistic regressions on frozen features, one per label, cross-validated on the training pictures:",
            "",
        ]
        middle += ["| layer | features | mAP, % | log loss |", "|---|---|---|---|"]
        middle += [
            f"| {row.candidate.name} | {row.features} | {100 * row.ap:.1f} | {row.loss:.3f} |"
            for row in about.tried.rows
        ]
        middle += ["", f"Training starts from those on `{about.tried.chosen.candidate.name}`, which are `{STARTED}`."]
    if about.balance:
        middle += ["", *sentence(about.balance)]
    end = [
        "A line of `train.txt` is a path and a number per label: 1 where the picture has it, 0 where not, -1 where",
        "nobody knows. `solver_best.caffemodel` keeps the threshold of each label: the probability at which its F1 on",
        "the test photos is best. Pictures are found through `root_folder` in `train_val.prototxt`: change it there",
        "when they move.",
    ]
    return folder_texts.page(f"{about.net} on {about.data.name}", middle, commands(about), notes, end)
