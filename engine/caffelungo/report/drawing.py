"""A net as a picture, the parts that a rewrite brought in colour. Matplotlib; the layout is ours.

a box per layer with the neurons that work behind it; rows from the data (top) to the answers (bottom)
straight runs of old layers that are far from anything new are one box, "12 layers"
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from caffelungo.layers.base import shape_text
from caffelungo.plan.plan import Plan, PlannedLayer
from caffelungo.wording import counted

if TYPE_CHECKING:
    from caffelungo.report.figures import Figure

NEW, CHANGED, OLD, FOLDED = "#E69F00", "#56B4E9", "#EDEDED", "#FFFFFF"
NEAR = 2
"""Boxes this close to something new are drawn one by one."""
MOST = 150
"""Boxes in a picture: beyond, old ones far from anything new are left to a count."""


@dataclass
class Box:
    """One box: its ``lines`` of text, ``state`` ("new", "changed", "old", "folded") and the boxes above it."""

    lines: list[str]
    state: str
    above: list[int] = field(default_factory=list)
    count: int = 1
    x: float = 0.0
    row: int = 0


def draw(before: Plan, after: Plan, path: str | Path, title: str = "") -> None:
    """Write the picture of ``after`` to ``path`` (PNG or what its suffix says), coloured by what ``before`` lacks."""
    figure(before, after, title).write(path)


def figure(before: Plan, after: Plan, title: str = "") -> Figure:
    """The picture of ``after``, coloured by what ``before`` lacks."""
    boxes = layout(before, after)
    from matplotlib.patches import FancyBboxPatch

    from caffelungo.report.figures import Figure

    rows = max((box.row for box in boxes), default=0) + 1
    columns = max((box.x for box in boxes), default=0) + 1
    heights = _heights(boxes, rows)
    width, height = max(5.0, 2.5 * columns + 0.6), max(2.5, sum(heights) * 0.2 + rows * 0.34 + 1.2)
    made = Figure(figsize=(width, height), dpi=min(120, 16000 / max(width, height)))
    axes: Any = made.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, width)
    axes.set_ylim(0, height)
    axes.axis("off")
    tops, y = [], height - 0.95
    for size in heights:
        tops.append(y)
        y -= size * 0.2 + 0.34
    middle = (width - 2.5 * (columns - 1)) / 2
    places: list[tuple[float, float, float]] = []
    for box in boxes:
        x, size = middle + 2.5 * box.x, len(box.lines) * 0.2 + 0.08
        top = tops[box.row]
        places.append((x, top, top - size))
        colour = {"new": NEW, "changed": CHANGED, "old": OLD, "folded": FOLDED}[box.state]
        axes.add_patch(
            FancyBboxPatch(
                (x - 1.1, top - size), 2.2, size, boxstyle="round,pad=0,rounding_size=0.06",
                facecolor=colour, edgecolor="#555555", linewidth=0.8, linestyle="--" if box.state == "folded" else "-",
            )
        )  # fmt: skip
        for k, line in enumerate(box.lines):
            axes.text(
                x, top - 0.13 - k * 0.2, _short(line, 34), ha="center", va="center", fontsize=7 if k == 0 else 6,
                weight="bold" if k == 0 and box.state in ("new", "changed") else "normal",
            )  # fmt: skip
    for k, box in enumerate(boxes):
        for source in box.above:
            _arrow(axes, boxes, places, source, k)
    axes.text(0.25, height - 0.28, _short(title, int(width * 14)), fontsize=9, weight="bold", va="center")
    for k, (name, colour) in enumerate((("new", NEW), ("changed", CHANGED), ("as before", OLD))):
        axes.add_patch(FancyBboxPatch((0.25 + 1.2 * k, height - 0.66), 0.2, 0.14, boxstyle="round,pad=0",
                                      facecolor=colour, edgecolor="#555555", linewidth=0.6))  # fmt: skip
        axes.text(0.52 + 1.2 * k, height - 0.59, name, fontsize=7, va="center")
    return made


def _arrow(axes: Any, boxes: list[Box], places: list[tuple[float, float, float]], source: int, target: int) -> None:
    """A line from box to box; one that skips rows goes round those between."""
    new = "new" in (boxes[source].state, boxes[target].state)
    skipped = boxes[target].row - boxes[source].row > 1
    same = abs(boxes[source].x - boxes[target].x) < 0.01
    bend = -0.25 if skipped and same else 0.0
    start, end = (places[source][0], places[source][2]), (places[target][0], places[target][1])
    if bend:
        start, end = (start[0] + 1.1, start[1] + 0.1), (end[0] + 1.1, end[1] - 0.1)
    axes.annotate(
        "", xy=end, xytext=start,
        arrowprops={
            "arrowstyle": "-|>", "color": "#B36B00" if new else "#888888", "linewidth": 1.1 if new else 0.7,
            "shrinkA": 0, "shrinkB": 0, "mutation_scale": 7, "connectionstyle": f"arc3,rad={bend}",
        },
    )  # fmt: skip


def _heights(boxes: list[Box], rows: int) -> list[float]:
    result = [1.0] * rows
    for box in boxes:
        result[box.row] = max(result[box.row], float(len(box.lines)))
    return result


def layout(before: Plan, after: Plan) -> list[Box]:
    """The boxes of ``after`` with their places: ``row`` from the top, ``x`` in columns from the left."""
    boxes = _boxes(before, after)
    boxes = _fold(boxes)
    _place(boxes)
    return boxes


def _boxes(before: Plan, after: Plan) -> list[Box]:
    """A box for each layer that is not drawn inside another. Labels are not drawn."""
    old = {one.name: (one, _reads(one, before)) for one in before.layers}
    labels = {value for one in after.sources for value in one.top_values[1:]}
    boxes: list[Box] = []
    maker: dict[int, int] = {}
    readers: dict[int, int] = {}
    for one in after.layers:
        for value in set(one.bottom_values):
            readers[value] = readers.get(value, 0) + 1
    for one in after.layers:
        drawn = [value for value in one.bottom_values if value in maker and value not in labels]
        above = list(dict.fromkeys(maker[value] for value in drawn))
        state = _state(old.get(one.name), one, _reads(one, after))
        alone = len(one.bottoms) == 1 and readers.get(one.bottom_values[0]) == 1 and len(above) == 1
        if one.layer.drawn_inside and alone and boxes[above[0]].state in (state, "changed"):
            boxes[above[0]].lines.append(one.layer.type + _numbers(one))
            maker.update(dict.fromkeys(one.top_values, above[0]))
            continue
        lines = [one.name, one.layer.type + _numbers(one)]
        if one.top_shapes and one.top_shapes[0] is not None:
            lines.append(shape_text(one.top_shapes[0][1:]) if len(one.top_shapes[0]) > 1 else "scalar")
        boxes.append(Box(lines, state, above))
        maker.update(dict.fromkeys(one.top_values, len(boxes) - 1))
    return boxes


def _reads(one: PlannedLayer, plan: Plan) -> list[str]:
    """The layers that make what ``one`` reads."""
    return [plan.values[value].producer for value in one.bottom_values]


def _state(old: tuple[PlannedLayer, list[str]] | None, new: PlannedLayer, reads: list[str]) -> str:
    if old is None:
        return "new"
    before, read = old
    shapes = [[use.shape for use in one.params] for one in (before, new)]
    return "old" if shapes[0] == shapes[1] and before.layer.type == new.layer.type and read == reads else "changed"


def _numbers(one: PlannedLayer) -> str:
    """What a layer says of itself behind its type: a window, a kind of pooling."""
    caption = one.layer.caption([use.shape for use in one.params])
    return f" {caption}" if caption else ""


def _near_new(boxes: list[Box]) -> set[int]:
    """The boxes that are new or changed, and those around them; where nothing is, the last ones of the file."""
    below: dict[int, list[int]] = {}
    for k, box in enumerate(boxes):
        for source in box.above:
            below.setdefault(source, []).append(k)
    near = {k for k, box in enumerate(boxes) if box.state != "old"}
    if not near:
        near = set(range(max(0, len(boxes) - MOST), len(boxes)))
    for _ in range(NEAR):
        near |= {k for one in near for k in boxes[one].above}
        near |= {k for one in near if boxes[one].state != "old" for k in below.get(one, ())}
    return near


def _fold(boxes: list[Box]) -> list[Box]:
    """Old boxes far from anything new become one box a stretch of the file."""
    near = _near_new(boxes)
    result: list[Box] = []
    index: dict[int, int] = {}
    run: list[int] = []

    def close() -> None:
        if not run:
            return
        if len(run) < 3:
            for k in run:
                index[k] = len(result)
                result.append(boxes[k])
        else:
            names = [boxes[run[0]].lines[0], f"... {counted(len(run), 'layer')} ...", boxes[run[-1]].lines[0]]
            above = [source for k in run for source in boxes[k].above if source not in run]
            folded = Box(names, "folded", list(dict.fromkeys(above)), len(run))
            for k in run:
                index[k] = len(result)
            result.append(folded)
        run.clear()

    for k, box in enumerate(boxes):
        if k in near:
            close()
            index[k] = len(result)
            result.append(box)
        else:
            run.append(k)
    close()
    for k, box in enumerate(result):
        box.above = list(dict.fromkeys(index[source] for source in box.above if index[source] != k))
    return result


def _place(boxes: list[Box]) -> None:
    """Rows by the longest way from the data; within a row by the mean place of what is above."""
    rows: dict[int, list[int]] = {}
    for box in boxes:
        box.row = max((boxes[source].row + 1 for source in box.above), default=0)
    below: dict[int, int] = {}
    for box in boxes:
        for source in box.above:
            below[source] = min(below.get(source, box.row), box.row)
    for k, box in enumerate(boxes):
        if not box.above and k in below:
            box.row = max(0, below[k] - 1)
        rows.setdefault(box.row, []).append(k)
    for row in sorted(rows):
        wanted = {k: _mean([boxes[source].x for source in boxes[k].above]) for k in rows[row]}
        order = sorted(rows[row], key=lambda k: (wanted[k], boxes[k].state == "new", k))
        taken = -1.0
        for k in order:
            boxes[k].x = max(taken + 1, _snap(wanted[k], len(order)))
            taken = boxes[k].x
    least = min((box.x for box in boxes), default=0.0)
    for box in boxes:
        box.x -= least


def _snap(wanted: float, together: int) -> float:
    """A single box is under what it reads; several start at a whole column."""
    return wanted if together == 1 else float(int(wanted))


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return sum(found) / len(found) if found else 0.0


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
