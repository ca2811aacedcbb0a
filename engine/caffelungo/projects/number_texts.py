"""What `lungo finetune` writes for people where a net predicts numbers: commands, a README, and run.sh. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from caffelungo.definition.definition import Definition
from caffelungo.passes.base import Note
from caffelungo.passes.predict_numbers import NumberColumn
from caffelungo.projects import project_commands
from caffelungo.projects.project_commands import BEST, At, Command, exported, trained
from caffelungo.rewriting import folder_texts
from caffelungo.rewriting.folder_files import STARTED
from caffelungo.wording import counted, listed

if TYPE_CHECKING:
    from caffelungo.probes.number_start import StartedNumbers


@dataclass(frozen=True)
class NumbersAbout:
    """A project in the folder ``out`` that predicts ``numbers``: ``net`` and ``data`` as they were named, how many
    pictures train and validate, and the regressions that were ``tried`` as its start (None: it starts otherwise)."""

    net: str
    out: Path
    data: Path
    numbers: tuple[NumberColumn, ...]
    train: int
    val: int
    iterations: int
    tried: StartedNumbers | None


def titles(numbers: Sequence[NumberColumn]) -> str:
    """The numbers with their units, in a sentence."""
    return listed([one.title for one in numbers], folder_texts.SHOWN)


def pictures_line(numbers: Sequence[NumberColumn], train: int, val: int) -> str:
    """What is predicted, and how many pictures train and test."""
    each = listed([f"{one.title} (mean {one.mean:.4g}, deviation {one.deviation:.4g})" for one in numbers], 6)
    return f"to predict: {each}; {counted(train, 'picture')} to train on, {val} to test on"


def commands(about: NumbersAbout) -> list[tuple[str, str]]:
    """What to run next, with a word on each."""
    return project_commands.commands(about.out, _steps, ["classify", "photo.jpg"], "use it")


def script() -> str:
    """run.sh: the same commands from the folder itself."""
    return project_commands.script(_steps)


def _steps(at: At) -> list[Command]:
    return [
        *trained(at, BEST, "errors on the held-out photos, in the units of the table"),
        exported(at, "one file with weights, units and preprocessing"),
    ]


def headed(definition: Definition, about: NumbersAbout) -> str:
    """The text of the net under a line that says where it comes from."""
    line = f"{Path(about.net).name}, made ready to predict {titles(about.numbers)} by `lungo finetune`."
    return folder_texts.headed(definition, line)


def readme(about: NumbersAbout, notes: Sequence[Note]) -> str:
    """README.md: the numbers, what linear regressions reach, what to run next, what was changed."""
    middle = [f"{counted(about.train, 'training picture')}, {counted(about.val, 'test picture')}.", ""]
    middle += ["| number | unit | mean | deviation |", "|---|---|---|---|"]
    middle += [f"| {one.name} | {one.unit} | {one.mean:.6g} | {one.deviation:.6g} |" for one in about.numbers]
    if about.tried is not None:
        names = [one.name for one in about.numbers]
        middle += ["", "## What the net knows already", ""]
        middle += ["Ridge regressions on frozen features, cross-validated on the training pictures (R2: 0 is as good "
                   "as always answering the mean, 1 is perfect):", ""]  # fmt: skip
        middle += ["| layer | features | " + " | ".join(f"R2 of {name} | RMSE" for name in names) + " |"]
        middle += ["|---|---" + "|---|---" * len(names) + "|"]
        for row in about.tried.rows:
            cells = [f"{r2:.3f} | {rmse:.4g}" for r2, rmse in zip(row.r2, row.rmse, strict=True)]
            middle.append(f"| {row.candidate.name} | {row.features} | {' | '.join(cells)} |")
        middle += ["", f"Training starts from the one on `{about.tried.chosen.candidate.name}`, which is `{STARTED}`."]
    end = [
        "Means and deviations are of the training pictures; a frozen Scale layer puts them back, so that the net",
        "answers in the units of the table. Pictures are found through `root_folder` in `train_val.prototxt`: change",
        "it there when they move. All files here are plain text and meant to be edited.",
    ]
    return folder_texts.page(f"{about.net} on {about.data.name}", middle, commands(about), notes, end)
