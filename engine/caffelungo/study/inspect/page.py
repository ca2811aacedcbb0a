"""The page of an inspection."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from caffelungo.report import inspection
from caffelungo.report.html_page import Page, Picture, TableCell, thumbnail
from caffelungo.study.inspect import embedding, group_accuracy
from caffelungo.study.inspect.inspect_findings import InspectFindings
from caffelungo.study.inspect.options import InspectOptions
from caffelungo.study.inspect.samples import Samples
from caffelungo.study.inspect.single_units import Unit, commonest
from caffelungo.version import __version__
from caffelungo.wording import counted

SIDE = 76
"""Width of a unit's pictures on the page, in pixels."""
LARGE = 112
"""Width of other pictures."""
SAME = 0.995
"""CKA that is reported as no change."""


def build(found: InspectFindings, samples: Samples, options: InspectOptions, files: Sequence[Path]) -> Page:
    """The whole page; ``files`` are beside it."""
    counts = found.classified
    low, high = counts.interval
    page = Page(
        f"What fine-tuning did to {Path(options.model).name}",
        lead=f"{Path(options.weights[-1]).name}: {counts.accuracy:.1%} of {counted(counts.samples, 'picture')} of "
        f"{counted(len(set(found.readings.labels.tolist())), 'class')} right ({low:.1%} to {high:.1%})",
        foot=f"lungo inspect, caffelungo {__version__}",
    )
    _overview(page, found, options)
    if found.top.groups:
        _groups(page, found)
    elif found.curves:
        _curve_alone(page, found)
    _layers(page, found)
    _units(page, found, samples)
    _maps(page, found)
    _filters(page, found)
    section = page.section("Confusion", "Rows are the true classes, columns the predicted ones.")
    section.figure(next(path for path in files if path.name == "confusion.png"), alt="confusion matrix")
    _hardest(page, found, samples)
    page.section("Numbers", "Everything on this page as tables:").files(files)
    return page


def _overview(page: Page, found: InspectFindings, options: InspectOptions) -> None:
    section = page.section("In short")
    for text in said(found):
        section.text(text)
    for text in found.notices:
        section.notice(text)
    before = "not known" if found.before is None else found.before.path
    section.facts(
        {
            "net": options.model,
            "weights": ", ".join(options.weights),
            "before": before,
            "pictures": f"{found.classified.samples}" + (f" from {options.data}" if options.data else ""),
        }
    )


def said(found: InspectFindings) -> list[str]:
    """The findings in sentences."""
    texts = []
    if found.top.groups:
        parts = [f"{one.units} alone {one.share:.1%}" for one in found.now if one.units != group_accuracy.ALL]
        whole = next(one for one in found.now if one.units == group_accuracy.ALL)
        texts.append(f"Correct: {', '.join(parts)}, all together {whole.share:.1%}.")
    compared = [row for row in found.layers if np.isfinite(row.cka)]
    if compared:
        least = min(compared, key=lambda row: row.cka)
        same = sum(row.change == 0 for row in compared)
        held = f" The weights of {same} of {len(compared)} pre-trained layers are as they were." if same else ""
        text = f"Of the pre-trained layers, {least.name} changed most (CKA {least.cka:.2f}; 1 is the same)."
        texts.append((text if least.cka < SAME else "All pre-trained layers respond as before (CKA 1.00).") + held)
    if len(found.maps) > 1:
        first, last = found.maps[0], found.maps[-1]
        texts.append(
            f"Pictures whose nearest neighbour at the top is of their class: {first.agree:.1%} ({first.title}), "
            f"{last.agree:.1%} ({last.title})."
        )
    dead = [(row.name, row.dead, row.units) for row in found.layers if row.dead]
    if dead:
        name, most, units = max(dead, key=lambda one: one[1] or 0)
        texts.append(
            f"{sum(one[1] or 0 for one in dead)} units respond to none of these pictures; most of them in {name} "
            f"({most} of {units})."
        )
    return texts


def _groups(page: Page, found: InspectFindings) -> None:
    section = page.section(
        "Old and new units" if any(group.new for group in found.top.groups) else "Features of several layers",
        f"Accuracy when `{found.top.reader.name}` reads one group and the others are set to zero.",
    )
    if found.curves:
        names = [*(group.name for group in found.top.groups), group_accuracy.ALL]
        section.figure(
            inspection.group_curves(_curves(found, names), 1 / len(found.names)),
            "Over the snapshots of the run; bands are 95 % intervals over the pictures.",
            alt="accuracy with each group of units over the iterations",
        )
    rows = []
    sizes = {row.name: row for row in found.groups}
    for right in found.now:
        size, (low, high) = sizes.get(right.units), right.interval
        rows.append([
            TableCell(right.units, tone="strong" if right.units == group_accuracy.ALL else ""),
            ", ".join(size.layers) if size else "",
            size.units if size else sum(row.units for row in found.groups),
            f"{right.share:.1%}", f"{100 * low:.1f}–{100 * high:.1f} %",
            size.raw_before if size else None, size.raw if size else None,
            size.read if size else found.readings.after.norm("all"),
        ])  # fmt: skip
    section.table(
        ["group", "layers", "units", "accuracy", "95 % interval", "size before", "size", "size as read"], rows,
        "Size: mean length (L2) of the group's answers, before they are normalized and as they are read. Groups of "
        "very different size do not learn at one pace.",
    )  # fmt: skip


def _curves(
    found: InspectFindings, names: Sequence[str]
) -> dict[str, tuple[list[int], list[tuple[float, float, float]]]]:
    result: dict[str, tuple[list[int], list[tuple[float, float, float]]]] = {}
    for name in names:
        mine = sorted((one for one in found.curves if one.units == name), key=lambda one: one.iteration or 0)
        if mine:
            result[name] = ([one.iteration or 0 for one in mine], [(one.share, *one.interval) for one in mine])
    return result


def _curve_alone(page: Page, found: InspectFindings) -> None:
    page.section("Over the run").figure(
        inspection.group_curves(_curves(found, [group_accuracy.ALL]), 1 / len(found.names)),
        "Accuracy at the snapshots of the run; the band is the 95 % interval over the pictures.",
        alt="accuracy over the iterations",
    )


def _layers(page: Page, found: InspectFindings) -> None:
    rows = [row for row in found.layers if np.isfinite(row.cka)]
    section = page.section("Layer by layer")
    if rows:
        section.figure(
            inspection.layer_curve(
                [row.name for row in rows], np.array([row.cka for row in rows]), np.array([row.change for row in rows])
            ),
            "Linear CKA of each layer's answers to the same layer before (1: the same up to rotation and scale; 0: "
            "unrelated), and the length of the change of its weights over that of the weights.",
            alt="CKA and weight change of each layer",
        )
    head = ["layer", "units", "weights", "change", "CKA", "dead before", "dead", "size before", "size"]
    section.table(
        head,
        [
            [row.name, row.units, TableCell("pre-trained" if row.old else "new" if found.before else "", tone="weak"),
             row.change, row.cka, row.dead_before, TableCell(row.dead, tone="bad" if row.dead else ""), row.norm_before,
             row.norm]
            for row in found.layers
        ],
        "Dead units pass a ReLU and never rise above zero on these pictures. Size: mean length of the layer's answers.",
        folded=f"All {counted(len(found.layers), 'layer')}" if len(found.layers) > 12 else "",
    )  # fmt: skip


def _units(page: Page, found: InspectFindings, samples: Samples) -> None:
    section = page.section("What units answer to")
    if not found.units:
        section.text("No unit at the top answers to any picture.")
        return
    labels, numbers = found.readings.labels, found.readings.numbers
    wanted = [p for unit in found.units for each in (unit.before, unit.after) if each is not None for p in each]
    images = samples.images(numbers[wanted])
    past = any(unit.before is not None for unit in found.units)
    section.text(
        "The pictures to which a unit answers most, as the net sees them"
        + (
            ". Old units are those whose answers changed most, new ones those that answer most."
            if past and any(unit.new for unit in found.units)
            else "."
        )
        + (" r is the correlation of a unit's answers before and after; then comes the change of its weights." * past)
    )

    def shown(positions: NDArray[np.int64] | None) -> list[Picture] | TableCell:
        if positions is None:
            return TableCell("was not there", tone="weak")
        if not len(positions):
            return TableCell("answers to none", tone="weak")
        return [
            _tile(images[int(numbers[p])], found.names[labels[p]], samples.name(int(numbers[p]))) for p in positions
        ]

    rows = []
    for unit in found.units:
        cell = _unit_cell(unit, found)
        rows.append([cell, *([shown(unit.before)] if past else []), shown(unit.after)])
    section.table(["unit", *(["before"] if past else []), "after"], rows)


def _unit_cell(unit: Unit, found: InspectFindings) -> TableCell:
    """The name of a unit, and in numbers what became of it."""
    kind = "new, " if unit.new and found.before is not None else ""
    most = commonest(found.readings.labels[unit.after])
    classes = "no picture"
    if most is not None:
        classes = f"{most[1]} of {len(unit.after)} {found.names[most[0]]}" if most[1] > 1 else "no class twice"
    text = f"{unit.name}\n{kind}{classes}"
    if np.isfinite(unit.correlation):
        text += f"\nr = {unit.correlation:.2f}"
    if np.isfinite(unit.weight_change):
        text += f"\nweights: {100 * unit.weight_change:.2g} %"
    return TableCell(text, hint=f"unit {unit.index} of {unit.layer}, counted from 0")


def _tile(image: NDArray[np.uint8] | None, caption: str, name: str, tone: str = "", side: int = SIDE) -> Picture:
    if image is None:
        image = np.full((2, 2), 200, np.uint8)
        caption = f"{caption} {name}"
    return thumbnail(image, caption, tone=tone, side=side, alt=name)


def _maps(page: Page, found: InspectFindings) -> None:
    section = page.section(
        f"Map of the features ({found.method})",
        "Each point is a picture, coloured by its class: pictures that the features hold alike lie close together. The "
        "share under each map is counted in the features themselves, not on the map.",
    )
    if found.method == "PCA":
        section.text(f"{embedding.MISSING}.")
    labels = found.readings.labels[found.readings.mapped]
    panels = [
        (f"{one.title} ({one.features})", one.points, f"nearest neighbour of the same class: {one.agree:.1%}")
        for one in found.maps
    ]
    section.figure(inspection.maps(panels, labels, found.names), alt="features on a plane, coloured by class")


def _filters(page: Page, found: InspectFindings) -> None:
    if found.filters is None:
        return
    shown = found.filters
    more = f", the first {len(shown.after)} of {shown.total}" if shown.total > len(shown.after) else ""
    section = page.section("First filters", f"The filters of `{shown.layer}`{more}; grey is zero.")
    section.figure(inspection.filters(shown.after, shown.before), alt=f"filters of {shown.layer}")


def _hardest(page: Page, found: InspectFindings, samples: Samples) -> None:
    section = page.section(
        "Hardest pictures",
        "The pictures of the highest loss: true class, then the answer with its probability. Look for wrong labels.",
    )
    images = samples.images(one.number for one in found.hardest)
    tiles = []
    for one in found.hardest:
        truth, answer = found.names[one.truth], found.names[one.predicted]
        caption = (
            f"{truth}, only {one.true_probability:.0%}"
            if one.truth == one.predicted
            else f"{truth} ({one.true_probability:.0%}) taken for {answer} ({one.probability:.0%})"
        )
        tone = "" if one.truth == one.predicted else "bad"
        tiles.append(_tile(images[one.number], caption, samples.name(one.number), tone, LARGE))
    section.pictures(tiles)
