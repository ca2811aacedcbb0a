"""Writes a comparison: a page, tables in Markdown, a figure of the intervals, and every number as CSV and JSON.

OUT/index.html  tables.md  intervals.png  results.csv  rates.csv  summary.json
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from caffelungo import files, shell, tabular
from caffelungo.report import forest_plot, loss_panels
from caffelungo.report.html_page import Page, TableCell
from caffelungo.study.arms import REFERENCE
from caffelungo.study.claim_findings import DEPTHS, Gain, board, findings, recalls
from caffelungo.study.compare import Comparison
from caffelungo.study.tables import brief, tables, words
from caffelungo.wording import counted

__all__ = ["brief", "markdown", "setting", "subject", "tables", "words", "write"]

SMOOTH = 12
"""Points of a training's losses, each the mean of those since the one before."""
PARTS = ("train", "training", "test", "val")


def setting(comparison: Comparison) -> str:
    """What was measured, in a sentence."""
    options, pictures = comparison.options, comparison.task.pictures
    seeds = counted(options.seeds, "seed")
    return (
        f"{subject(comparison)}: {counted(len(pictures.classes), 'class')}, "
        f"{counted(len(pictures.fit), 'training picture')}, "
        f"{len(pictures.validation)} for choosing rates, {len(pictures.test)} for testing"
        f"{_splits(comparison)}; "
        f"{_iterations(comparison)} iterations of {options.batch_size}, {seeds}, "
        f"{comparison.cells} trainings, {comparison.cpu_seconds / 60:.0f} CPU minutes"
        + (f", {comparison.failed} failed" if comparison.failed else "")
    )


def _splits(comparison: Comparison) -> str:
    """How often the pictures were divided anew."""
    if comparison.options.seeds == 1:
        return ""
    return ", the first two drawn anew for each seed" if comparison.task.fixed else ", drawn anew for each seed"


def subject(comparison: Comparison) -> str:
    """The net and the pictures in a few words."""
    options = comparison.options
    model = Path(options.model)
    via = f" after {_folder(options.via)}" if options.via else ""
    name = model.name.partition(".prototxt")[0]
    return f"{name} on {_folder(options.data)}{via}"


def _folder(name: str) -> str:
    """A folder's name; that of a part with what it is a part of."""
    path = Path(name).absolute()
    return f"{path.parent.name}/{path.name}" if path.name.lower() in PARTS else path.name


def _iterations(comparison: Comparison) -> str:
    """How many; where depths differ, each."""
    numbers = {
        one.configuration.tune: one.iterations for one in comparison.outcomes if not one.configuration.arm.longer
    }
    if len(set(numbers.values())) == 1:
        return str(next(iter(numbers.values())))
    return " and ".join(f"{number} ({tune.lower()})" for tune, number in numbers.items())


def markdown(comparison: Comparison, command: Sequence[str]) -> str:
    """The tables and words as Markdown."""
    lines = [setting(comparison) + ".", "", f"    {shell.command(*command)}", ""]
    for table in tables(comparison):
        lines += [f"**{table.title}**", "", *([table.text, ""] if table.text else [])]
        lines += [_markdown(table.head), "|" + "---|" * len(table.head), *(_markdown(line) for line in table.lines), ""]
    lines += [" ".join(words(comparison)), ""]
    lines += [f"- {notice}" for notice in comparison.notices]
    return "\n".join(lines).rstrip() + "\n"


def write(comparison: Comparison, folder: Path, command: Sequence[str]) -> list[Path]:
    """Write everything into ``folder``; the paths, the page first."""
    written = [folder / name for name in ("index.html", "tables.md", "intervals.png", "results.csv", "rates.csv")]
    page, text, picture, results, rates = written
    forest_plot.draw(
        _drawn(comparison), picture, title=subject(comparison), difference=f"over {_opponent(comparison)}, points"
    )
    files.write_text(text, markdown(comparison, command))
    files.write_text(results, _csv(_results(comparison)))
    files.write_text(rates, _csv(_rates(comparison)))
    numbers = folder / "summary.json"
    files.write_text(numbers, json.dumps(summary(comparison, command), indent=2) + "\n")
    _page(comparison, picture, command).write(page)
    return [*written, numbers]


def _page(comparison: Comparison, picture: Path, command: Sequence[str]) -> Page:
    page = Page("Which arm is best", lead=setting(comparison))
    first = page.section("What to use")
    for sentence in words(comparison) or ["Nothing could be trained."]:
        first.text(sentence)
    first.figure(
        picture,
        f"Gain of each arm over {_opponent(comparison)}; each interval is uncorrected, grey ones contain zero.",
    )
    for table in tables(comparison):
        part = page.section(table.title, table.text)
        part.table(list(table.head), [
            [TableCell(text, table.tones.get((k, column), "")) for column, text in enumerate(line)]
            for k, line in enumerate(table.lines)
        ])  # fmt: skip
    part = page.section(
        "Rates", "Loss and accuracy on the validation pictures at each rate: the rate with the lowest loss was used."
    )
    head = ["arm", "what learns", "rate", "validation, %", "loss", "failed seeds"]
    tried = [_tried(row) for row in _rates(comparison)]
    part.table(head, tried, folded=f"{counted(len(tried), 'rate')} tried")
    if runs := _runs(comparison):
        part = page.section(
            "Training losses", "Mean over seeds at the chosen rate: a curve still falling needs more iterations."
        )
        part.figure(loss_panels.figure(runs), "", "Training losses over the iterations")
    part = page.section("Again", "The same command continues, and repeats no finished training.")
    part.code(shell.command(*command))
    for notice in comparison.notices:
        part.text(notice)
    return page


def _tried(row: dict[str, Any]) -> list[Any]:
    loss = TableCell(row["loss"], "strong" if row["chosen"] else "", "chosen" if row["chosen"] else "")
    return [row["arm"], row["tune"], row["rate"], row["validation"], loss, row["failed"]]


def _opponent(comparison: Comparison) -> str:
    return "the bar" if comparison.bar is not None else "fine-tuning at the same depth"


def _drawn(comparison: Comparison) -> list[forest_plot.IntervalRow]:
    """The rows for the picture, against the bar; without one against fine-tuning."""
    bar = comparison.bar
    made = []
    for tune, found in board(comparison).items():
        reference = bar if bar is not None else comparison.outcome(REFERENCE, tune)
        for row in found:
            gain = row.over_bar if bar is not None else row.gain
            difference = gain.found if gain is not None else None
            own = row.outcome is reference
            made.append(
                forest_plot.IntervalRow(row.title, difference, DEPTHS[tune], row.failed, row.accuracy, reference=own)
            )
    return made


def _runs(comparison: Comparison) -> list[loss_panels.Run]:
    """The losses of every arm that came through, means over its seeds, by the share of its training."""
    runs = []
    for one in comparison.outcomes:
        curves = [result.values["loss_curve"] for result in one.results if result.values.get("loss_curve")]
        if curves:
            mean = np.mean([[loss for _, loss in curve] for curve in curves], axis=0)
            parts = np.array_split(mean, min(SMOOTH, len(mean)))
            ends = np.cumsum([len(part) for part in parts]) * 100 / len(mean)
            points = [(float(end), float(part.mean())) for end, part in zip(ends, parts, strict=True)]
            runs.append(loss_panels.Run(one.configuration.label, DEPTHS[one.configuration.tune], points))
    return runs


def _markdown(cells: Sequence[str]) -> str:
    return "| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in cells) + " |"


def _results(comparison: Comparison) -> list[dict[str, Any]]:
    found = []
    for tune, made in board(comparison).items():
        for row in made:
            one, accuracy = row.outcome, row.accuracy
            found.append({
                "arm": one.configuration.arm.name, "units": one.configuration.units, "tune": tune.lower(),
                "after": one.configuration.after, "read": one.configuration.read, "bar": one is comparison.bar,
                "accuracy": accuracy and round(accuracy.mean, 3), "low": accuracy and round(accuracy.low, 3),
                "high": accuracy and round(accuracy.high, 3),
                **_gain("over_bar", row.over_bar), **_gain("gain", row.gain),
                "rate": one.rate if one.tried else None, "edge": one.edge, "iterations": one.iterations,
                "parameters": one.parameters, "seconds": round(one.seconds, 2), "failure": row.failed or "",
            })  # fmt: skip
    return found


def _gain(name: str, gain: Gain | None) -> dict[str, float | None]:
    if gain is None:
        return dict.fromkeys((name, f"{name}_low", f"{name}_high", f"{name}_p"))
    found = gain.found
    values = (found.mean, found.low, found.high, gain.p)
    return {f"{name}{end}": round(value, 3) for end, value in zip(("", "_low", "_high", "_p"), values, strict=True)}


def _rates(comparison: Comparison) -> list[dict[str, Any]]:
    return [
        {
            "arm": one.configuration.title, "tune": one.configuration.tune.lower(), "rate": tried.rate,
            "validation": _rounded(100 * tried.accuracy, 2), "loss": _rounded(tried.loss, 4), "failed": tried.failed,
            "chosen": tried.rate == one.rate,
        }
        for one in comparison.outcomes
        for tried in one.tried
    ]  # fmt: skip


def _rounded(value: float, digits: int) -> float | None:
    return round(value, digits) if math.isfinite(value) else None


def _csv(found: Sequence[dict[str, Any]]) -> str:
    return tabular.as_text(list(found[0]), (row.values() for row in found)) if found else ""


def summary(comparison: Comparison, command: Sequence[str]) -> dict[str, Any]:
    """The numbers of summary.json."""
    return {
        "setting": setting(comparison), "command": shell.command(*command),
        "cpu_seconds": round(comparison.cpu_seconds),
        "trainings": comparison.cells, "failed": comparison.failed, "advice": " ".join(words(comparison)),
        "results": _results(comparison),
        "claims": [
            {"claim": one.claim.words, "arm": one.claim.arm, "other": one.claim.other, "tune": one.tune.lower(),
             "difference": one.found and round(one.found.mean, 3), "low": one.found and round(one.found.low, 3),
             "high": one.found and round(one.found.high, 3), "p": one.found and round(one.p, 4), "paper": one.paper,
             "verdict": one.verdict}
            for one in findings(comparison)
        ],
        "recalls": [
            {"arm": one.title, "before": round(one.before.mean, 3), "after": round(one.after.mean, 3),
             "change": round(one.change.mean, 3), "low": round(one.change.low, 3), "high": round(one.change.high, 3)}
            for one in recalls(comparison)
        ],
    }  # fmt: skip
