"""Whether a net takes pictures of another size with the weights it has, and if not, which sizes it takes. No torch.

before:  data 227 x 227 -> ... pool5 6 x 6 -> fc6 (4096 x 9216)
asked:   data 112 x 112 -> ... pool5 3 x 3 -> fc6 (4096 x 2304): other weights, so the size is refused
asked:   data 7 x 7     -> ... a window of 3 over a plane of 1: refused with the smallest size that works
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from caffelungo.definition.filter import net_state
from caffelungo.errors import Problem, UserError
from caffelungo.layers.base import Shape, count, shape_text
from caffelungo.passes.base import Refusal
from caffelungo.passes.view import View
from caffelungo.plan.build_plan import build_plan
from caffelungo.plan.plan import ParamKey, Plan

Size = tuple[int, int]
"""Height and width."""
MOST_PIXELS = 89_478_485
"""What ``data.decode`` reads at most: no larger picture ever reaches a net."""
PLACE_HOLDER = (1, 1)
"""The plane that files give an Input whose size is set when the program runs."""
FARTHEST = 64
"""How far above a size that does not work the next one that does is looked for."""

PlanAt = Callable[[int, int], tuple[Plan, list[Problem]]]


def checked(size: Sequence[int], flag: str = "--size") -> Size:
    """``size`` as height and width; UserError below 1 pixel and above what is ever decoded."""
    height, width = int(size[0]), int(size[1])
    if height < 1 or width < 1 or height * width > MOST_PIXELS:
        wrong = "at least 1 pixel" if height < 1 or width < 1 else f"at most {MOST_PIXELS} pixels in all"
        raise UserError(
            f"a picture has {wrong}", received=f"{flag} {text(size)}",
            remedy=f"write the side of the net's input in pixels, as {flag} 224",
        )  # fmt: skip
    return height, width


def text(size: Sequence[int]) -> str:
    """``112x112``."""
    return "x".join(map(str, size))


@dataclass(frozen=True)
class Runs:
    """What of a net will run: these phases and layers (None: all)."""

    phases: tuple[int, ...] | None = None
    only: frozenset[str] | None = None

    def net(self, net: Any) -> Any:
        """``net``, whose other layers are in no state, and those left have their places."""
        if self.only is None:
            return net
        made = type(net)()
        made.CopyFrom(net)
        for layer in made.layer:
            if layer.bottom and layer.name not in self.only:
                del layer.include[:], layer.exclude[:]
                layer.include.add(stage=["(left out)"])
        return made


def judge(
    view: View, pictures: Mapping[str, Sequence[bool]], size: Size, old: Size | None, runs: Runs | None = None
) -> list[str]:
    """Refusal when ``view``'s net cannot run at ``size`` with the weights it has; else what is worth knowing.

    ``pictures`` says of each source's tops, by the layer's name, which are pictures; ``old`` is their size so far.
    """
    runs = runs or Runs()
    notices: list[str] = []
    net = runs.net(view.net)
    for phase, graph in view.graphs.items():
        if runs.phases is not None and phase not in runs.phases:
            continue
        plan_at = _planner(view, net, phase, graph.plan, pictures)
        made, problems = plan_at(*size)
        if problems:
            raise _unfit(problems[0], size, old, plan_at)
        if old != PLACE_HOLDER:
            _same_weights(view, graph.plan, made, size, old)
        notices += [one for one in _maps(graph.plan, made) if one not in notices]
    return notices


def _planner(view: View, net: Any, phase: int, plan: Plan, pictures: Mapping[str, Sequence[bool]]) -> PlanAt:
    """From height and width to the plan of ``net`` in ``phase``, and what is wrong with it that was not before."""
    said = _problems(net, plan)

    def plan_at(height: int, width: int) -> tuple[Plan, list[Problem]]:
        found: list[Problem] = []
        made = build_plan(
            net, net_state(net, phase), where=view.definition.where, problems=found,
            sources=_sources(plan, pictures, (height, width)),
        )  # fmt: skip
        return made, [one for one in found if one.what not in said]

    return plan_at


def _problems(net: Any, plan: Plan) -> set[str]:
    """What was wrong with the net before."""
    found: list[Problem] = []
    shapes: dict[str, Any] = {one.name: one.top_shapes for one in plan.sources}
    build_plan(net, plan.state, problems=found, sources=shapes)
    return {one.what for one in found}


def _sources(plan: Plan, pictures: Mapping[str, Sequence[bool]], size: Size) -> dict[str, Any]:
    """The tops' shapes of every source of ``plan``, pictures at ``size``."""
    return {
        one.name: [
            (*shape[:2], *size) if is_picture and shape is not None else shape
            for shape, is_picture in zip(one.top_shapes, pictures.get(one.name, [False] * len(one.tops)), strict=False)
        ]
        for one in plan.sources
    }


def _same_weights(view: View, before: Plan, after: Plan, size: Size, old: Size | None) -> None:
    """Refusal for the first layer whose weights would have another shape."""
    shapes: dict[ParamKey, Shape] = {use.key: use.shape for use in after.params.values()}
    for one in before.layers:
        for use in one.params:
            new = shapes.get(use.key)
            if new is None or None in use.shape or None in new or new == use.shape:
                continue
            raise Refusal(
                f"the weights of `{one.name}` ({one.layer.type}) fit only pictures of {text(old)}"
                if old is not None else f"the weights of `{one.name}` ({one.layer.type}) do not fit this size",
                view.where(one.index),
                received=f"--size {text(size)}: {_inputs(new)} inputs instead of {_inputs(use.shape)}",
                remedy=_way(one.layer.type, size, old),
            )  # fmt: skip


def _inputs(shape: Shape) -> int:
    return count(shape[1:]) or 0 if len(shape) > 1 else int(shape[0] or 0)


def _way(kind: str, size: Size, old: Size | None) -> str:
    side = text(size) if size[0] != size[1] else str(size[0])
    if kind != "InnerProduct":
        return "use a net whose layers do not depend on the size of the picture"
    if old is not None and min(size[0] - old[0], size[1] - old[1]) < 0:
        return (
            f"use {text(old)} or more, with `lungo rewrite --cast all --size N`, which converts such layers to "
            "convolutions; or use a net that ends in a global pooling"
        )
    return f"convert such layers to convolutions, which accept larger pictures: lungo rewrite --cast all --size {side}"


def _unfit(problem: Problem, size: Size, old: Size | None, plan_at: PlanAt) -> Refusal:
    """The refusal of ``size``, with the nearest larger size that works."""
    works = _smallest(max(size), max(old) if old is not None else None, lambda side: not plan_at(side, side)[1])
    remedy = "use another size, or smaller windows"
    if works is not None:
        remedy = f"the smallest size that works is {works}: --size {works}"
        if old is None or max(size) >= max(old):
            remedy = f"the next size that works is {works}: --size {works}"
    return Refusal(f"at {text(size)} {problem.what}", problem.where, problem.received, remedy)


def _smallest(asked: int, old: int | None, works: Callable[[int], bool]) -> int | None:
    """The smallest side above ``asked`` (which fails) that works; None where none is found."""
    if old is not None and asked < old and works(old):
        fails, fits = asked, old
        while fits - fails > 1:
            middle = (fails + fits) // 2
            fails, fits = (fails, middle) if works(middle) else (middle, fits)
        return fits
    return next((side for side in range(asked + 1, asked + FARTHEST + 1) if works(side)), None)


def _maps(before: Plan, after: Plan) -> list[str]:
    """Answers that were one a picture and become a map."""
    notes = []
    for blob in after.outputs:
        old, new = before.blobs.get(blob), after.blobs.get(blob)
        if old is not None and new is not None and len(old) == len(new) == 4 and old[2:] == (1, 1) != new[2:]:
            notes.append(f"`{blob}` becomes a map of {shape_text(new[2:])} answers, one per position of the picture")
    return notes
