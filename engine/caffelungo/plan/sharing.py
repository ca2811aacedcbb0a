"""Nets of one solver share the weights of layers of the same name (Caffe: ShareTrainedLayersWith): do they fit?"""

from __future__ import annotations

from caffelungo.errors import Location, Problem
from caffelungo.layers.base import Shape, shape_text
from caffelungo.plan.build_plan import Where
from caffelungo.plan.plan import ParamUse, Plan


def misfit(layer: str, position: int, use: ParamUse, shape: Shape, where: Location | None = None) -> Problem:
    """What to say of blob ``position`` of ``layer``, used as ``use`` here and of another ``shape`` in the first net."""
    return Problem(
        f"layer `{layer}` differs in shape from the net whose weights it shares",
        where,
        f"blob {position} ({use.spec.name}) {shape_text(use.shape)}, there {shape_text(shape)}",
        "make the layer equal in both phases, or rename it",
    )


def misfits(first: Plan, other: Plan, where: Where) -> list[Problem]:
    """The layers of ``other`` whose own blobs have other shapes than those of that name in ``first``."""
    shapes = {
        (planned.key, position): use.shape for planned in first.layers for position, use in enumerate(planned.params)
    }
    found = []
    for planned in other.layers:
        for position, use in enumerate(planned.params):
            shape = shapes.get((planned.key, position), use.shape)
            if use.owner and None not in (*shape, *use.shape) and shape != use.shape:
                found.append(misfit(planned.name, position, use, shape, where("layer", planned.index)))
                break
    return found
