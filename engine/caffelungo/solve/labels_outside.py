"""Labels outside the classes of the layer that reads them, where they are computed in the net: found in a run batch.

Labels that come from the data as they are were looked at before (``data.label_uses``). A layer that reads another one
gives NaN (``layers.losses.within``); here the batch is run again, layer by layer, to name it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from caffelungo.errors import RunError
from caffelungo.net.stepwise import StepNet
from caffelungo.net.store import Store
from caffelungo.plan.plan import Plan, PlannedLayer
from caffelungo.wording import counted


class LabelError(RunError):
    """A layer read a label that it has no class for: ``what``, and what is left of the run."""

    def __init__(self, what: str, kept: str = "") -> None:
        remedy = "correct the labels where the net computes them, or give the classifier more outputs (num_output)"
        super().__init__(f"{what}\n  to do: {remedy}" + (f"; {kept}" if kept else ""))
        self.what = what


def found(planned: PlannedLayer, bottoms: Sequence[Tensor]) -> str | None:
    """What is wrong with the class numbers among a layer's ``bottoms``; None where nothing is, or it reads none."""
    known = planned.layer.class_numbers([tuple(bottom.shape) for bottom in bottoms])
    if known is None or known.count is None:
        return None
    values = bottoms[known.bottom].detach().float()
    numbers = values.trunc()
    wrong = ~((numbers >= 0) & (numbers < known.count))  # a NaN is no class either
    if known.ignored is not None:
        wrong &= numbers != known.ignored
    places = wrong.reshape(len(wrong) if wrong.dim() else 1, -1).nonzero()
    if not len(places):
        return None
    sample, place = places[0].tolist()
    value = float(values.reshape(wrong.shape[0] if wrong.dim() else 1, -1)[sample, place])
    return (
        f"layer `{planned.name}` ({planned.layer.type}) reads {value:g} of sample {sample} of the batch from blob "
        f"`{planned.bottoms[known.bottom]}`, but has {counted(known.count, 'class')} (0 to {known.count - 1})"
    )


def first(plan: Plan, store: Store, batches: Iterable[Sequence[Tensor]]) -> str | None:
    """The first label outside in ``batches``, run layer by layer; None without one, or where no layer reads labels."""
    if not any(one.layer.class_numbers(one.bottom_shapes) for one in plan.layers):
        return None
    steps = StepNet(plan, store)
    for tensors in batches:
        faults: list[str] = []

        def look(planned: PlannedLayer, faults: list[str] = faults) -> None:
            if not faults and (text := found(planned, [steps.data[value] for value in planned.bottom_values])):
                faults.append(text)

        with torch.no_grad():
            steps.forward(*tensors, each=look)
        if faults:
            return faults[0]
    return None
