"""What `lungo finetune` writes for people: the commands that come next, a README, and run.sh. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
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
    from caffelungo.probes.finetune_start import Started


@dataclass(frozen=True)
class FinetuneAbout:
    """A project in the folder ``out``: ``net`` as it was named, the folder ``data`` of photos, photos per class
    (``counts``), and how many train and validate.

    ``penalty`` is that of the linear classifier it starts from; None where it starts otherwise. ``mirrored``: it has
    learned from mirrored photos, too. ``shared``: the photos to test on are a share of ``data``, so that the classifier
    can learn from them in the end; pictures in a separate test folder are only for choosing. ``corrections``: what was
    done to the labels.
    """

    net: str
    out: Path
    data: Path
    counts: Mapping[str, int]
    train: int
    val: int
    iterations: int
    weights: str | None
    penalty: float | None
    mirrored: bool
    shared: bool = False
    balance: str = ""
    corrections: str | None = None

    @property
    def trained(self) -> str:
        """The weights that training leaves, by the name they have in the folder."""
        return BEST if self.penalty is not None else f"solver_iter_{self.iterations}.caffemodel"


def commands(about: FinetuneAbout) -> list[tuple[str, str]]:
    """What to run next, with a word on each."""
    return project_commands.commands(about.out, partial(_steps, about), ["classify", "photo.jpg"], "use it")


def script(about: FinetuneAbout) -> str:
    """run.sh: the same commands from the folder itself."""
    return project_commands.script(partial(_steps, about))


def _steps(about: FinetuneAbout, at: At) -> list[Command]:
    steps = trained(at, about.trained, "accuracy on the held-out photos, per class, and the confusion matrix")
    net, weights = "train_val.prototxt", about.trained
    if about.penalty is not None and about.val:
        words = ["--no-refit"]
        what = "keep the trained weights if their gain is more than chance explains, else their mean with the start"
        if about.shared:
            words = ["--mirror"] if about.mirrored else []
            what += "; refit the classifier, to the held-out photos as well"
        probe = ["lungo", "probe", at(net), "--weights", at(weights), "--before", at(STARTED), "--layers", "head"]
        steps.append(([*probe, *words, "-o", at("final")], what))
        net, weights = "final/train_val.prototxt", "final/probe.caffemodel"
    return [*steps, exported(at, "one file with weights, labels and preprocessing", net, weights)]


def headed(definition: Definition, about: FinetuneAbout, classes: Sequence[str]) -> str:
    """The text of the net under a line that says where it comes from."""
    some = listed(classes, folder_texts.SHOWN)
    line = f"{Path(about.net).name}, made ready for {counted(len(classes), 'class')} ({some}) by `lungo finetune`."
    line += "".join(f"\n# {part}" for part in sentence(about.balance))
    return folder_texts.headed(definition, line)


def readme(about: FinetuneAbout, notes: Sequence[Note], probe: Started | None) -> str:
    """README.md: classes, what linear classifiers reach, what to run next, what was changed."""
    middle: list[str] = []
    if probe is not None:
        middle += ["", "## What the net knows already", ""]
        middle += ["Linear classifiers on frozen features, cross-validated on the training pictures:", ""]
        middle += ["| layer | features | accuracy, % | 95 % interval | log loss |", "|---|---|---|---|---|"]
        middle += [
            f"| {row.candidate.name} | {row.features} | {100 * row.accuracy:.1f} | {100 * row.low:.1f} to "
            f"{100 * row.high:.1f} | {row.loss:.3f} |"
            for row in probe.rows
        ]
        middle += ["", f"Training starts from the one on `{probe.chosen.candidate.name}`, which is `{STARTED}`."]
    if about.corrections:
        middle += ["", f"Labels: {about.corrections}. The files of the pictures are as they were."]
    if about.balance:
        middle += ["", *sentence(about.balance)]
    end = [
        "The classes are numbered as in `labels.txt`. Pictures are found through `root_folder` in",
        "`train_val.prototxt`: change it there when they move. All files here are plain text and meant to be edited.",
    ]
    title, parts = f"{about.net} on {about.data.name}", (about.train, about.val)
    return folder_texts.readme(title, about.counts, parts, middle, commands(about), notes, end)
