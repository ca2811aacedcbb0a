"""Texts of every folder for a training: the next commands, run.sh, and a README. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from caffelungo import shell
from caffelungo.definition.definition import Definition
from caffelungo.passes.base import Note
from caffelungo.wording import counted

Steps = Sequence[tuple[list[str], str]]
"""The words of each command, and what it is for."""
SHOWN = 6
"""Classes that a text names."""


def quoted(steps: Steps) -> list[tuple[str, str]]:
    """Each command as one line for a shell, and what it is for."""
    return [(shell.command(*words), what) for words, what in steps]


def script(line: str, steps: Steps) -> str:
    """run.sh: ``steps`` from the folder itself, wherever it is called from; ``line`` says what it does."""
    lines = ["#!/bin/sh", f"# {line}", "set -e", 'cd -- "$(dirname -- "$0")"']
    lines.append('echo "Paths below are relative to $PWD."')
    for command, what in quoted(steps):
        lines += [f"# {what}", command]
    return "\n".join(lines) + "\n"


def pictures_line(counts: Mapping[str, int], train: int, val: int) -> str:
    """What the pictures are: classes, pictures per class (``counts``), how many train and test."""
    least, most = min(counts.values()), max(counts.values())
    each = counted(least if least == most else f"{least} to {most}", "picture")
    return f"{counted(len(counts), 'class')}, {each} each: {train} to train on, {val} to test on"


def training_line(heads: Sequence[str], iterations: int, batch_size: int, what: str = "new classifier") -> str:
    """What is trained, and how long."""
    trained = f"{counted(iterations, 'iteration')} of {counted(batch_size, 'picture')}"
    return f"{what}: {', '.join(heads)}; {trained}"


def headed(definition: Definition, line: str) -> str:
    """The text of the net under the comment ``line``."""
    text = definition.text
    # A byte order mark is one at the start of a file alone.
    return f"# {line}\n{text}" if not text.startswith("\ufeff") else text


def readme(
    title: str,
    counts: Mapping[str, int],
    parts: tuple[int, int],
    middle: Sequence[str],
    commands: Sequence[tuple[str, str]],
    notes: Sequence[Note],
    end: Sequence[str],
) -> str:
    """README.md: the classes and how many pictures each has (``counts``), how many train and test (``parts``), lines of
    the verb's own (``middle``), what to run next, what was changed, and the ``end``."""
    lines = [f"{counted(len(counts), 'class')}, {parts[0]} training pictures, {parts[1]} test pictures.", ""]
    lines += ["| label | class | pictures |", "|---|---|---|"]
    lines += [f"| {label} | {name} | {number} |" for label, (name, number) in enumerate(counts.items())]
    return page(title, [*lines, *middle], commands, notes, end)


def page(
    title: str, middle: Sequence[str], commands: Sequence[tuple[str, str]], notes: Sequence[Note], end: Sequence[str]
) -> str:
    """README.md of any project: ``middle`` is what it is of."""
    lines = [f"# {title}", "", *middle, "", "## Next", "", "`run.sh` runs all but the last of these.", "", "```"]
    for command, what in commands:
        lines += [f"# {what}", command]
    lines += ["```", "", "## What was changed in the net", ""]
    lines += [f"- {replace(note, where=None)}" for note in notes]
    return "\n".join([*lines, "", *end]) + "\n"
