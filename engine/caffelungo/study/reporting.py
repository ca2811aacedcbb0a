"""A comparison as files: a page, tables in Markdown, a picture of the intervals, and every number as CSV and JSON.

OUT/index.html  tables.md  intervals.png  results.csv  rates.csv  summary.json
"""

from __future__ import annotations

import csv
import io
import json
import math
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from caffelungo import files
from caffelungo.report import intervals, losses
from caffelungo.report.page import Cell, Page
from caffelungo.study.arms import REFERENCE
from caffelungo.study.compare import Comparison
from caffelungo.study.findings import DEPTHS, Finding, Recall, Row, advice, findings, recalls, rows

HEAD = ("arm", "test accuracy, %", "over fine-tuning, points", "rate", "parameters", "CPU s")
RECALL_HEAD = ("arm", "before, %", "after, %", "change, points", "against FT, points")
BRIEF_HEAD = ("arm", "test, %", "over fine-tuning", "rate", "CPU s")
BRIEF_RECALL_HEAD = ("arm", "before, %", "after, %", "change")
BRIEF_CLAIM_HEAD = ("arm > other", "learns", "here", "paper", "verdict")
CLAIM_HEAD = ("claim", "what learns", "here, points", "paper", "verdict")
END = "*"
"""Beside a rate that is the lowest or highest tried."""
NOTE = (
    "Accuracy is the mean over seeds at the rate that was best on the validation pictures. Intervals are 95 %, from a "
    "paired bootstrap over test pictures and seeds; each stands alone, so of twenty true zeros one will seem none. "
    f"{END} the lowest or highest rate tried: a better one may lie beyond."
)
PAPER = (
    "Growing a Brain (CVPR 2017) reports AlexNet on SUN-397; what it leaves open has no number. Reproduced: the "
    "interval lies on the paper's side of zero, however far from it; undecided: zero is inside."
)
SMOOTH = 12
"""Points of a training's losses, each the mean of those since the one before."""
PARTS = ("train", "training", "test", "val")
TONES = {"reproduced": "good", "yes": "good", "the opposite": "bad", "no, the opposite": "bad"}


def setting(comparison: Comparison) -> str:
    """What was measured, in a sentence."""
    options, pictures = comparison.options, comparison.task.pictures
    seeds = f"{options.seeds} seed{'s' if options.seeds > 1 else ''}"
    return (
        f"{subject(comparison)}: {len(pictures.classes)} classes, {len(pictures.fit)} "
        f"pictures to learn from, {len(pictures.validation)} to choose rates on, {len(pictures.test)} to judge by; "
        f"{_iterations(comparison)} iterations of {options.batch_size}, {seeds}, "
        f"{comparison.cells} trainings, {comparison.cpu_seconds / 60:.0f} CPU minutes"
        + (f", {comparison.failed} failed" if comparison.failed else "")
    )


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


@dataclass(frozen=True)
class Table:
    """A table with what stands above it; ``tones`` are the cells that mean well or ill, by (row, column)."""

    title: str
    text: str
    head: Sequence[str]
    lines: list[list[str]]
    tones: dict[tuple[int, int], str] = field(default_factory=dict)


def tables(comparison: Comparison) -> list[Table]:
    """All tables, in the order in which they are read."""
    made: list[Table] = []
    for tune, text in DEPTHS.items():
        found = rows(comparison, tune)
        if found:
            lines = [_plain(row) for row in found]
            made.append(Table(text.capitalize(), "" if made else NOTE, HEAD, lines, _tones(found)))
    claims = findings(comparison)
    if claims:
        tones = {(k, 4): TONES.get(one.verdict, "weak") for k, one in enumerate(claims)}
        made.append(Table("What reproduced", PAPER, CLAIM_HEAD, [_claim(one) for one in claims], tones))
    recalled = recalls(comparison)
    if recalled:
        text = "Accuracy on the task between, by the classifier that was learned there, before and after the target."
        tones = {
            (k, column): "good" if change.sign > 0 else "bad"
            for k, one in enumerate(recalled)
            for column, change in ((3, one.change), (4, one.kept))
            if change is not None and change.sign
        }
        lines = [_recall(one) for one in recalled]
        made.append(Table("What is left of the task between", text, RECALL_HEAD, lines, tones))
    return made


def words(comparison: Comparison) -> list[str]:
    """What to use, in a few sentences; none when nothing was trained."""
    told = advice(comparison)
    return told.sentences if told is not None else []


def markdown(comparison: Comparison, command: Sequence[str]) -> str:
    """The tables and words as Markdown."""
    lines = [setting(comparison) + ".", "", f"    {shlex.join(command)}", ""]
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
    drawn = [one for tune in DEPTHS for one in _drawn(comparison, tune)]
    intervals.draw(drawn, picture, title=subject(comparison))
    files.write_text(text, markdown(comparison, command))
    files.write_text(results, _csv(_results(comparison)))
    files.write_text(rates, _csv(_rates(comparison)))
    summary = folder / "summary.json"
    files.write_text(summary, json.dumps(_summary(comparison, command), indent=2) + "\n")
    _page(comparison, picture, command).write(page)
    return [*written, summary]


def _page(comparison: Comparison, picture: Path, command: Sequence[str]) -> Page:
    page = Page("What adapts best", lead=setting(comparison))
    first = page.section("What to use")
    for sentence in words(comparison) or ["Nothing could be trained."]:
        first.text(sentence)
    first.figure(picture, "Gain of each arm over fine-tuning at the same depth; grey crosses the zero line.")
    for table in tables(comparison):
        part = page.section(table.title, table.text)
        part.table(list(table.head), [
            [Cell(text, table.tones.get((k, column), "")) for column, text in enumerate(line)]
            for k, line in enumerate(table.lines)
        ])  # fmt: skip
    part = page.section("Rates", "Validation accuracy at each rate; the best one of each arm was used.")
    head = ["arm", "what learns", "rate", "validation, %", "loss", "failed seeds"]
    tried = [_tried(row) for row in _rates(comparison)]
    part.table(head, tried, folded=f"{len(tried)} rates were tried")
    if runs := _runs(comparison):
        part = page.section(
            "Training losses", "Mean over seeds at the chosen rate: what still falls at the end wants more iterations."
        )
        part.figure(losses.figure(runs), "", "Training losses over the iterations")
    part = page.section("Again", "The same command continues, and repeats nothing that is done.")
    part.code(shlex.join(command))
    for notice in comparison.notices:
        part.text(notice)
    return page


def _tried(row: dict[str, Any]) -> list[Any]:
    validation = Cell(row["validation"], "strong" if row["chosen"] else "", "chosen" if row["chosen"] else "")
    return [row["arm"], row["tune"], row["rate"], validation, row["loss"], row["failed"]]


def _plain(row: Row) -> list[str]:
    one = row.outcome
    if row.accuracy is None:
        return [row.title, f"failed: {row.failed}", "", "", "", ""]
    rate = f"{one.rate:g}{END if one.edge else ''}"
    gain = str(row.gain) if row.gain is not None else ""
    return [row.title, str(row.accuracy), gain, rate, f"{one.parameters:,}", f"{one.seconds:.1f}"]


def _tones(found: Sequence[Row]) -> dict[tuple[int, int], str]:
    tones = {}
    for k, row in enumerate(found):
        if row.failed:
            tones[k, 1] = "bad"
        elif row.gain is not None and row.gain.sign:
            tones[k, 2] = "good" if row.gain.sign > 0 else "bad"
    return tones


def _recall(one: Recall) -> list[str]:
    return [one.title, str(one.before), str(one.after), str(one.change), str(one.kept) if one.kept is not None else ""]


def _claim(one: Finding) -> list[str]:
    source = f" ({one.claim.source})" if one.paper is not None else ""
    paper = f"{one.paper:+.1f}{source}" if one.paper is not None else "not measured"
    return [one.claim.words, DEPTHS[one.tune], str(one.found), paper, one.verdict]


def brief(comparison: Comparison) -> list[Table]:
    """The tables for a terminal: names in place of titles, differences in place of intervals."""
    made: list[Table] = []
    for tune, text in DEPTHS.items():
        if found := rows(comparison, tune):
            failed = [f"{_label(row)}: {row.failed}" for row in found if row.failed]
            lines = [[_label(row), *_short(row)] for row in found]
            made.append(Table(text.capitalize(), "\n".join(failed), BRIEF_HEAD, lines))
    if claims := findings(comparison):
        made.append(Table("What reproduced", "", BRIEF_CLAIM_HEAD, [_short_claim(one) for one in claims]))
    if recalled := recalls(comparison):
        lines = [
            [one.label, f"{one.before.mean:.1f}", f"{one.after.mean:.1f}", str(one.change)] for one in recalled
        ]  # fmt: skip
        made.append(Table("What is left of the task between", "", BRIEF_RECALL_HEAD, lines))
    return made


def _label(row: Row) -> str:
    return row.outcome.configuration.label


def _short(row: Row) -> list[str]:
    full = _plain(row)
    if row.accuracy is None:
        return ["failed", "", "", ""]
    return [f"{row.accuracy.mean:.1f}", full[2], full[3], full[5]]


def _short_claim(one: Finding) -> list[str]:
    paper = f"{one.paper:+.1f}" if one.paper is not None else "-"
    return [one.claim.label, one.tune.lower(), str(one.found), paper, one.verdict]


def _drawn(comparison: Comparison, tune: str) -> list[intervals.Row]:
    """The rows at one depth, for the picture."""
    reference = comparison.outcome(REFERENCE, tune)
    return [
        intervals.Row(
            row.title, row.gain, DEPTHS[tune], row.failed, row.accuracy,
            reference=row.outcome is reference,
        )
        for row in rows(comparison, tune)
    ]  # fmt: skip


def _runs(comparison: Comparison) -> list[losses.Run]:
    """The losses of every arm that came through, means over its seeds, by the share of its training."""
    runs = []
    for one in comparison.outcomes:
        curves = [result.values["loss_curve"] for result in one.results if result.values.get("loss_curve")]
        if curves:
            mean = np.mean([[loss for _, loss in curve] for curve in curves], axis=0)
            parts = np.array_split(mean, min(SMOOTH, len(mean)))
            ends = np.cumsum([len(part) for part in parts]) * 100 / len(mean)
            points = [(float(end), float(part.mean())) for end, part in zip(ends, parts, strict=True)]
            runs.append(losses.Run(one.configuration.label, DEPTHS[one.configuration.tune], points))
    return runs


def _markdown(cells: Sequence[str]) -> str:
    return "| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in cells) + " |"


def _results(comparison: Comparison) -> list[dict[str, Any]]:
    found = []
    for tune in DEPTHS:
        for row in rows(comparison, tune):
            one, accuracy, gain = row.outcome, row.accuracy, row.gain
            found.append({
                "arm": one.configuration.arm.name, "units": one.configuration.units, "tune": tune.lower(),
                "after": one.configuration.after,
                "accuracy": accuracy and round(accuracy.mean, 3), "low": accuracy and round(accuracy.low, 3),
                "high": accuracy and round(accuracy.high, 3), "gain": gain and round(gain.mean, 3),
                "gain_low": gain and round(gain.low, 3), "gain_high": gain and round(gain.high, 3),
                "rate": one.rate, "edge": one.edge, "iterations": one.iterations, "parameters": one.parameters,
                "cpu_seconds": round(one.seconds, 2), "failure": row.failed or "",
            })  # fmt: skip
    return found


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
    text = io.StringIO()
    if found:
        writer = csv.DictWriter(text, list(found[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(found)
    return text.getvalue()


def _summary(comparison: Comparison, command: Sequence[str]) -> dict[str, Any]:
    return {
        "setting": setting(comparison), "command": shlex.join(command), "cpu_seconds": round(comparison.cpu_seconds),
        "trainings": comparison.cells, "failed": comparison.failed, "advice": " ".join(words(comparison)),
        "results": _results(comparison),
        "claims": [
            {"claim": one.claim.words, "tune": one.tune.lower(), "difference": round(one.found.mean, 3),
             "low": round(one.found.low, 3), "high": round(one.found.high, 3), "paper": one.paper,
             "verdict": one.verdict}
            for one in findings(comparison)
        ],
        "recalls": [
            {"arm": one.title, "before": round(one.before.mean, 3), "after": round(one.after.mean, 3),
             "change": round(one.change.mean, 3), "low": round(one.change.low, 3), "high": round(one.change.high, 3)}
            for one in recalls(comparison)
        ],
    }  # fmt: skip
