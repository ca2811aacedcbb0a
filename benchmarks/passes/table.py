"""The table of passes as Markdown: net x pass, what refuses and why, what failed, and how much of it there is."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from benchmarks.cells import rounded
from benchmarks.passes.rewrites import PASSES
from caffelungo import __version__
from caffelungo.study.cells import Cell, CellResult

READ = {
    ("hdf5_classification__train_val", "finetune"): "right: its data are rows of four numbers, not pictures",
    ("hdf5_classification__train_val2", "finetune"): "right: its data are rows of four numbers, not pictures",
    ("hdf5_classification__train_val", "freeze"): "right: a logistic regression has only its classifier",
    ("hdf5_classification__train_val", "cast"): "right: a row has no height and width that a kernel could cover",
    ("hdf5_classification__train_val2", "cast"): "right: a row has no height and width that a kernel could cover",
    **dict.fromkeys(
        [("hdf5_classification__train_val", name) for name in ("DA", "WA", "DWA", "WWA")],
        "right: a logistic regression has no units to widen",
    ),
    ("hdf5_classification__train_val2", "WWA"): "right: it has one hidden layer, and this pass needs two",
    ("hed__deploy", "finetune"): "right: it finds edges and answers for every pixel",
    ("hed__deploy", "WWA"): "right: its branches meet only in the picture, which Crop reads; no layer is below them",
    ("bvlc_caffenet_full_conv", "finetune"): "right: it answers for 8 x 8 places; pool first, or take CaffeNet itself",
}
"""What a reader of each refusal found, by the end of the net's name and the pass."""


@dataclass
class Entry:
    """One net and one pass: a cell that checks the result, or why there is none."""

    family: str
    net: str
    name: str
    cell: Cell | None = None
    refused: str = ""
    failed: str = ""
    absent: bool = False
    """The pass has nothing to do here: ``cast`` without an fc layer."""

    def read(self) -> str:
        """What a reader found of the refusal."""
        found = (text for (net, name), text in READ.items() if self.net.endswith(net) and self.name == name)
        return next(found, "not read yet")

    def words(self, results: Mapping[str, CellResult]) -> str:
        """What stands in the table."""
        if self.absent:
            return "-"
        if self.refused:
            return "refused"
        if self.failed:
            return "FAILED"
        assert self.cell is not None
        result = results.get(self.cell.key)
        return "not run" if result is None else "ok" if result.done else "FAILED"


def page(entries: Sequence[Entry], results: Mapping[str, CellResult], left_out: Sequence[str]) -> str:
    """The whole page."""
    rows: dict[tuple[str, str], dict[str, Entry]] = {}
    for entry in entries:
        rows.setdefault((entry.family, entry.net), {})[entry.name] = entry
    lines = [
        f"# Every pass on every net, {date.today()}",
        "",
        f"`make passes` (Caffelungo {__version__}, {platform.machine()}, one thread). A result is *ok* when its text "
        "reads back as the same net (by this parser and by protobuf's), builds, trains three iterations at batch 2 on "
        "made-up data with a finite loss, a classifier that moves and frozen blobs that stay bit for bit (nets that "
        "only answer run forward), and its deployed form leaves as ONNX with parity: every blob within 1e-4 of its "
        "largest value, or no further apart than 4 times what float64 shows PyTorch's float32 to be off there. "
        "Results that are the same net but for data and fillers are one cell.",
        "",
        *_counts(entries, results),
        "",
        f"| net | {' | '.join(PASSES)} |",
        f"|---|{'---|' * len(PASSES)}",
    ]
    for (family, net), row in sorted(rows.items()):
        cells = [row[name].words(results) for name in PASSES]
        lines.append(f"| {family}/{net} | {' | '.join(cells)} |")
    lines += ["", "## Refusals", ""]
    lines += [f"- {one.family}/{one.net}, {one.name}: {one.refused} ({one.read()})" for one in entries if one.refused]
    lines += ["", "## Told by float64", "", "Blobs further apart than 1e-4, and how far PyTorch is off there.", ""]
    lines += rounded((f"{one.net}, {one.name}", results.get(one.cell.key)) for one in entries if one.cell)
    lines += ["", "## Failures", ""]
    failures = [f"- {one.family}/{one.net}, {one.name}: {one.failed}" for one in entries if one.failed]
    for one in entries:
        result = results.get(one.cell.key) if one.cell else None
        if result is not None and not result.done:
            failures.append(f"- {one.family}/{one.net}, {one.name}: {' '.join((result.error or '').split())[:300]}")
    lines += failures or ["None."]
    lines += ["", "## Not in the table", "", *(f"- {one}" for one in left_out)]
    return "\n".join(lines) + "\n"


def _counts(entries: Sequence[Entry], results: Mapping[str, CellResult]) -> list[str]:
    asked = [one for one in entries if not one.absent]
    words = [one.words(results) for one in asked]
    nets = {(one.family, one.net) for one in entries}
    refusing = {(one.family, one.net) for one in asked if one.refused}
    done = [one for one in results.values() if one.done]
    worst = max((float(one.values["difference"]) for one in done), default=0.0)
    lines = [
        f"{len(nets)} nets with a classifier, {len(asked)} rewrites: {words.count('ok')} ok, {words.count('refused')} "
        f"refused ({100 * words.count('refused') / max(len(asked), 1):.1f} %), {words.count('FAILED')} failed, "
        f"{words.count('not run')} not run. {len(refusing)} nets ({100 * len(refusing) / max(len(nets), 1):.1f} %) "
        f"refuse at least one pass. {len(results)} different results were run in "
        f"{sum(one.seconds for one in results.values()):.0f} s ({sum(one.cpu_seconds for one in results.values()):.0f} "
        f"s of CPU); the largest difference between PyTorch and ONNX Runtime is {worst:.1e} of a blob's largest value.",
        "",
        "| | asked | ok | refused |",
        "|---|---|---|---|",
    ]
    for name in PASSES:
        mine = [one.words(results) for one in asked if one.name == name]
        share = 100 * mine.count("refused") / max(len(mine), 1)
        lines.append(f"| {name} | {len(mine)} | {mine.count('ok')} | {mine.count('refused')} ({share:.1f} %) |")
    return lines
