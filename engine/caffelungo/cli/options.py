"""Options that several verbs share, and how their text becomes values."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Annotated, Any

import typer

from caffelungo.cli import completion
from caffelungo.option_text import (
    by_name,
    height_width,
    in_range,
    layer_rate,
    layer_units,
    listed,
    numbers,
    size,
    whole,
    words,
)
from caffelungo.report.progress_bar import progress, stages, working

__all__ = [
    "Caffe", "Compile", "Corrections", "Device", "Gpu", "Groups", "LabelColumn", "Level", "MemoryFormat", "Net",
    "Overwrite", "PathColumn", "PerClass", "Precision", "Quiet", "Set", "Size", "Stage", "Threads", "Workers",
    "by_name", "command_line", "commands", "height_width", "in_range", "layer_rate", "layer_units", "listed", "numbers",
    "progress", "size", "stages", "variables", "whole", "words", "working",
]  # fmt: skip

Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="Set a template variable (.j2); repeatable."),
]
Net = Annotated[
    str,
    typer.Argument(
        autocompletion=completion.nets, help="A net: a prototxt (train_val or deploy), or a name of `lungo nets`."
    ),
]
Device = Annotated[str, typer.Option(autocompletion=completion.devices, help="Device: auto, cpu, cuda or cuda:N.")]
Gpu = Annotated[str | None, typer.Option(help="Index of a GPU (Caffe's flag).")]
Precision = Annotated[
    str, typer.Option(autocompletion=completion.precisions, help="Precision: fp32, tf32 (NVIDIA GPUs) or bf16.")
]
Compile = Annotated[bool, typer.Option("--compile", help="Compile the net with torch.compile.")]
MemoryFormat = Annotated[str, typer.Option(help="Memory format: auto, channels_last or contiguous.")]
Threads = Annotated[int | None, typer.Option(help="Number of CPU threads.")]
Workers = Annotated[int | None, typer.Option(help="Number of data loading processes; does not affect results.")]
Caffe = Annotated[
    bool,
    typer.Option(
        "--caffe", help="Match the original Caffe where Caffelungo deliberately differs; see docs/differences.md."
    ),
]
Level = Annotated[int, typer.Option(help="Level at which to read the net, for rules with min_level or max_level.")]
Stage = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME", help="Stage in which to read the net (default: chosen from its rules); repeatable."),
]
Size = Annotated[str | None, typer.Option(metavar="N", help="Input size in pixels, N or HxW (default: the net's).")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")]
PathColumn = Annotated[
    str | None, typer.Option(help="Column of paths, if --data is a table (default: guessed by its name).")
]
LabelColumn = Annotated[
    str | None,
    typer.Option(
        help="Column of labels, if --data is a table (default: guessed by its name). Several with commas between them "
        "are labels or numbers of each picture, where the verb takes these."
    ),
]
Corrections = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help="Corrections of labels of --data: the edited corrections.csv of lungo inspect --labels. No file is moved.",
    ),
]
Groups = Annotated[
    str | None,
    typer.Option(
        metavar="PATTERN|COLUMN",
        help="Regular expression on file names, or column of a table: pictures of one group always stay on the same "
        "side of a split.",
    ),
]
PerClass = Annotated[int | None, typer.Option(help="Maximum number of training pictures per class.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Overwrite existing files.")]


def variables(settings: list[str] | None) -> dict[str, Any]:
    """The template variables of ``--set key=value``."""
    from caffelungo.definition.template import parse_variables

    return parse_variables(settings or [])


def commands(listed: Iterable[tuple[str, str]]) -> list[dict[str, str]]:
    """Commands to run next and their purposes, for `--json`."""
    return [{"command": command, "purpose": purpose} for command, purpose in listed]


def command_line() -> list[str]:
    """The command as it was typed, to be recorded with its output."""
    return ["lungo", *sys.argv[1:]]
