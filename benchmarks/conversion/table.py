"""The table of conversions as Markdown: what came out of each net, and the complete list of each refusal."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

import onnxruntime

from benchmarks.cells import rounded
from benchmarks.conversion.subjects import Subject, without_places, words
from caffelungo import __version__
from caffelungo.errors import Problem
from caffelungo.study.cells import Cell, CellResult

LEAST_APART = 1e-4
"""Samples whose answers are nearer than this count as the same: so far two runtimes may differ on one sample."""

READ = {"general_constrastive_layer": "right: its one layer is a loss, so nothing comes out in phase TEST"}
"""What a reader of each refusal found, by the end of the net's name."""


@dataclass
class Entry:
    """One net; ``cell`` is None where it was refused before its graph was traced."""

    subject: Subject
    cell: Cell | None = None

    def result(self, results: Mapping[str, CellResult]) -> CellResult | None:
        return results.get(self.cell.key) if self.cell is not None else None

    def word(self, results: Mapping[str, CellResult]) -> str:
        """ok, refused, FAILED or not run."""
        if self.cell is None:
            return "refused"
        found = self.result(results)
        if found is None:
            return "not run"
        if not found.done:
            return "FAILED"
        if "refused" in found.values:
            return "refused"
        return "ok" if found.values["distinct"] > LEAST_APART else "FAILED"

    def refusal(self, results: Mapping[str, CellResult]) -> list[str]:
        """The complete list, one text a problem."""
        if self.cell is None:
            return [short(problem, self.subject) for problem in self.subject.refused]
        found = self.result(results)
        return [] if found is None else list(found.values.get("refused", []))


def page(entries: Sequence[Entry], results: Mapping[str, CellResult]) -> str:
    """The whole page."""
    lines = [
        f"# Every model and every net through `lungo convert`, {date.today()}",
        "",
        f"`make conversions` (Caffelungo {__version__}, PyTorch {version('torch')}, ONNX {version('onnx')}, ONNX "
        f"Runtime {onnxruntime.__version__}, {platform.machine()}, one thread). Models have their own weights. Nets "
        "without weights get msra's, scales of 0.7 to 1.3, slopes of 0.1 to 0.4, and statistics of BatchNorm that keep "
        "random pictures at one scale through any depth (variances off by up to a fifth, means up to a fifth of a "
        "deviation, a factor other than 1). *ok*: the file was written with "
        "its proof, and every blob in it was compared once more, at each of the batches, with what PyTorch computes "
        "layer by layer: within 1e-4 of its largest value, or no further apart than float32 is from float64 (named "
        "below the table); and of seven random samples no two have the same answer. *folded* are the blobs between a "
        "Convolution and its BatchNorm, which the file does not have. *logits* is the largest difference of what goes "
        "into the last Softmax or Sigmoid (of the outputs, where there is none), *distinct* how far the two samples "
        "are apart whose answers are most alike, both as a share of the largest value.",
        "",
        *_counts(entries, results),
        "",
        "| net | flags | params | blobs | operators | logits | largest (blob) | batches | distinct | MB | result |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    lines += [_row(one, results) for one in entries]
    lines += [
        "",
        "## Told by float64",
        "",
        "Blobs further apart than 1e-4, and how far PyTorch's float32 is off there.",
        "",
    ]
    lines += rounded((one.subject.title, one.result(results)) for one in entries)
    lines += ["", "## What was asked for", "", "Refused at first; the flags in the table are the answer.", ""]
    lines += _asked(entries) or ["None."]
    lines += ["", "## Refusals", ""]
    for one in entries:
        if one.word(results) == "refused":
            read = next((text for name, text in READ.items() if one.subject.name.endswith(name)), "not read yet")
            lines += [f"- {one.subject.title} ({read}):", *(f"  - {text}" for text in one.refusal(results))]
    lines += ["", "## Failures", ""]
    lines += [
        f"- {one.subject.title}: {_failure(one, results)}" for one in entries if one.word(results) == "FAILED"
    ] or ["None."]
    return "\n".join(lines) + "\n"


def short(problem: Problem, subject: Subject) -> str:
    """A problem on one line, without the folders of this machine."""
    line = f"line {problem.where.line}: " if problem.where is not None and problem.where.line else ""
    received = f" ({problem.received})" if problem.received else ""
    text = f"{line}{problem.what}{received}: {problem.remedy}"
    return " ".join(without_places(text, subject.path.parent, Path.cwd()).split())


def _row(one: Entry, results: Mapping[str, CellResult]) -> str:
    found = one.result(results)
    word = one.word(results)
    start = f"| {one.subject.title} | {words(one.subject.flags)} |"
    if found is None or not found.done or "refused" in found.values:
        return f"{start} | | | | | | | | {word} |"
    v: Mapping[str, Any] = found.values
    several = ", ".join(map(str, v["batches"]))
    blobs = f"{v['blobs']} ({len(v['folded'])} folded)" if v["folded"] else str(v["blobs"])
    distinct = "yes" if v["distinct"] > LEAST_APART else "no"
    return (
        f"{start} {v['params']:,} | {blobs} | {sum(v['operators'].values())} | {v['logits']:.0e} | "
        f"{v['difference']:.0e} (`{v['blob']}`) | {several} | "
        f"{distinct}, {v['distinct']:.0e} | {v['mb']:.2f} | {word} |"
    )


def _counts(entries: Sequence[Entry], results: Mapping[str, CellResult]) -> list[str]:
    said = [one.word(results) for one in entries]
    done = [one for one in results.values() if one.done and "refused" not in one.values]
    worst = max((float(one.values["difference"]) for one in done), default=0.0)
    spent = sum(one.cpu_seconds for one in results.values())
    answered = sum(bool(one.subject.asked and not one.subject.refused) for one in entries)
    return [
        f"{len(entries)} nets: {said.count('ok')} ok, {said.count('refused')} refused, {said.count('FAILED')} failed, "
        f"{said.count('not run')} not run; {answered} were refused at first and are converted with the flags that the "
        f"refusal asks for. {len(results)} different conversions took {spent:.0f} s of CPU. "
        f"{sum(int(one.values['blobs']) for one in done)} blobs were compared, the largest difference is "
        f"{worst:.1e} of a blob's largest value."
    ]


def _asked(entries: Sequence[Entry]) -> list[str]:
    """The refusals that flags answer, nets with the same ones together."""
    alike: dict[tuple[str, ...], list[str]] = {}
    for one in entries:
        if one.subject.asked and not one.subject.refused:
            told = tuple(short(problem, one.subject) for problem in one.subject.asked)
            alike.setdefault(told, []).append(one.subject.title)
    lines = []
    for told, nets in alike.items():
        lines += [f"- {', '.join(nets)}:", *(f"  - {text}" for text in told)]
    return lines


def _failure(one: Entry, results: Mapping[str, CellResult]) -> str:
    found = one.result(results)
    assert found is not None
    if found.done:
        return f"two different inputs have the same answer (apart by {found.values['distinct']:.1g})"
    return " ".join((found.error or "").split())[:400]
