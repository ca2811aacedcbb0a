"""What `lungo finetune` is asked, and what it leaves."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from caffelungo.errors import Problem
from caffelungo.passes.base import Note
from caffelungo.passes.predict_numbers import NumberColumn
from caffelungo.projects.class_choice import AUTO, ClassChoice

if TYPE_CHECKING:
    from caffelungo.probes.finetune_start import Started
    from caffelungo.probes.label_start import StartedLabels
    from caffelungo.probes.number_start import StartedNumbers

CLASSES, LABELS, NUMBERS, PAIRS = "classes", "labels", "numbers", "pairs"
PREDICT = (AUTO, CLASSES, LABELS, NUMBERS, PAIRS)
"""What labels may be: the class of each picture, several labels, or values to predict; AUTO: as they look."""
Stage = Callable[[str, int, int], None]
"""What is done now, how much of it is, and of how much."""


@dataclass(frozen=True)
class PictureProjectOptions:
    """What every project of pictures is asked. ``net`` is a path or a name of the catalogue.

    ``weights`` None: those that come with a net of the catalogue. ``head``: the classifier that the new one is modelled
    on. ``batch_size``, ``size`` and ``resize`` are as in the files they end up in; ``passes`` is how often training
    sees each picture. ``groups``: a pattern over file names or a column, whose pictures stay on one side of the split;
    ``per_class``: the most training pictures per class. ``path_column`` and ``label_column``: of a table.
    ``corrections``: a file of them for the labels. ``balance``: what is done about classes of different sizes (see
    ``class_choice``).
    """

    net: str
    data: str
    out: str
    weights: str | None = None
    val: float = 0.2
    head: str | None = None
    size: int | None = None
    resize: int | None = None
    batch_size: int | None = None
    passes: int | None = None
    groups: str | None = None
    per_class: int | None = None
    path_column: str | None = None
    label_column: str | None = None
    corrections: str | None = None
    balance: str = AUTO
    seed: int = 0
    device: str = "cpu"
    variables: Mapping[str, Any] = field(default_factory=dict)
    stages: Sequence[str] = ()
    level: int = 0
    overwrite: bool = False


@dataclass(frozen=True)
class ProjectOptions(PictureProjectOptions):
    """The options of `lungo finetune`.

    ``weights`` are written into the solver as given ("none": train from scratch). ``classic``: Caffe's way, a fresh
    classifier that learns ten times as fast, instead of the best linear classifier. ``layers``: what that may read (see
    `lungo probe`). ``mean_value`` is as in the file. ``augment``: augmentations beside random crops (see
    ``augmentation_choice``). ``predict``: a word of ``PREDICT``; ``loss``: that of numbers, a word of
    ``passes.predict_numbers.LOSSES``, or of several labels, a word of ``passes.multi_label.LOSSES``.
    ``remember``: the old classifier stays, taught by the old net, which is Caffe's way, too.
    """

    classic: bool = False
    layers: tuple[str, ...] = ("auto",)
    freeze_to: str | None = None
    suffix: str | None = None
    mean_value: tuple[float, ...] | None = None
    augment: str = ""
    predict: str = AUTO
    loss: str = AUTO
    remember: bool = False


def unfit(given: Mapping[str, object], why: str, remedy: str) -> list[Problem]:
    """A problem for each flag of ``given`` with a value, which does not fit the data: ``why``."""
    return [
        Problem(f"{flag} is {why}", None, flag if value is True else f"{flag} {value}", remedy)
        for flag, value in given.items()
        if value
    ]


def wrong_word(flag: str, given: str, known: Iterable[str], what: str) -> list[Problem]:
    """A problem for a word that is not among ``known`` (AUTO always is): there is no such ``what``."""
    words = dict.fromkeys((AUTO, *known))
    if given in words:
        return []
    return [Problem(f"no such {what}", None, f"{flag} {given}", f"use one of: {', '.join(words)}")]


@dataclass(frozen=True)
class Summary:
    """What was found and written, for the command line to print.

    ``counts`` are readable pictures per class, ``notes`` what the passes did, ``notices`` what is worth a look,
    ``commands`` what to run next, with a word on each, ``balance`` what is done about classes of different sizes.
    ``probe``: the linear classifiers that were tried, None where training starts otherwise. ``numbers``: what the net
    predicts, where that are no classes, and ``regressions`` the linear regressions that were tried. ``labelled``: the
    classes are several labels per picture, and ``label_regressions`` the logistic regressions that were tried.
    """

    classes: tuple[str, ...]
    counts: dict[str, int]
    train: int
    val: int
    heads: tuple[str, ...]
    weights: str | None
    iterations: int
    batch_size: int
    files: dict[str, Path]
    commands: list[tuple[str, str]]
    notes: list[Note]
    notices: list[str]
    balance: ClassChoice
    probe: Started | None = None
    numbers: tuple[NumberColumn, ...] = ()
    regressions: StartedNumbers | None = None
    labelled: bool = False
    label_regressions: StartedLabels | None = None
    pairs: bool = False
