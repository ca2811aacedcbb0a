"""What a project does about classes of different sizes, and why: chosen by their sizes, or as asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from caffelungo.data.folder import PhotoFolder
from caffelungo.data.split_pictures import FolderSplit
from caffelungo.errors import Problem
from caffelungo.layers.class_balance import EFFECTIVE, INVERSE, NONE
from caffelungo.passes.balance import LOGITS, SAMPLING, WORDS

AUTO = "auto"
UNEVEN = 2.0
"""Ratio of the largest class to the smallest from which on `auto` corrects it: `python -m benchmarks.imbalance --ratio`
measures from which on it gains."""
DOES = {
    NONE: "all pictures count alike",
    INVERSE: "the initial classifier and the loss weigh each class by the inverse of its number of pictures",
    EFFECTIVE: "the initial classifier and the loss weigh each class by the inverse of its effective number",
    SAMPLING: "training draws every class equally often",
    LOGITS: "the loss adds the logarithms of the classes' shares to the scores",
}


@dataclass(frozen=True)
class ClassChoice:
    """``word`` says what is done (``passes.balance``), ``why`` is a sentence for people, empty where nothing is worth
    saying."""

    word: str
    why: str = ""


def chosen(asked: str, counts: Mapping[str, int], known: str, fitted: bool) -> ClassChoice:
    """What is done for ``counts`` training pictures per class, when ``asked`` for a word or AUTO.

    ``known`` is what the net does by itself, which AUTO leaves as it is; ``fitted``: the training starts from a fitted
    classifier, which is what AUTO has been measured for.
    """
    sizes = {name: count for name, count in counts.items() if count}
    if not sizes:
        return ClassChoice(known if asked == AUTO else asked)
    most, least = max(sizes, key=lambda name: sizes[name]), min(sizes, key=lambda name: sizes[name])
    ratio = sizes[most] / sizes[least]
    apart = (
        f"the largest class ({most}, {sizes[most]}) has {ratio:.1f} times the pictures of the smallest "
        f"({least}, {sizes[least]})"
    )
    if asked != AUTO:
        return ClassChoice(asked, f"{DOES[asked]}, as --balance asks; {apart}" if asked != NONE else "")
    if known != NONE:
        return ClassChoice(known, f"{DOES[known]}, as the net has it; {apart}")
    if ratio < UNEVEN:
        return ClassChoice(NONE)
    if not fitted:
        return ClassChoice(NONE, f"{apart}, and {DOES[NONE]}: --balance inverse weighs classes in the loss")
    return ClassChoice(INVERSE, f"{apart}, so {DOES[INVERSE]}; --balance none does not")


def chosen_for(found: PhotoFolder, parts: FolderSplit, asked: str, known: str, fitted: bool) -> ClassChoice:
    """As ``chosen``, for the training pictures of ``parts``."""
    labels = [int(found.pictures.labels[index]) for index in parts.train]
    counts = {name: labels.count(number) for number, name in enumerate(found.classes)}
    return chosen(asked, counts, known, fitted)


def problem(asked: str) -> Problem | None:
    """What is wrong with a word; None where nothing is."""
    if asked in (AUTO, *WORDS):
        return None
    return Problem(
        "no such correction for classes of different sizes", None, f"--balance {asked}",
        f"use one of: {', '.join((AUTO, *WORDS))}",
    )  # fmt: skip
