"""One layer of a net as a module: its parameters once, and its formula in each phase that it is in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from caffelungo.definition.schema import TEST, TRAIN
from caffelungo.layers.base import State
from caffelungo.plan.plan import PlannedLayer


class PhasedLayer(nn.Module):
    """Computes a layer's tops from its bottoms: as in TRAIN when ``training``, else as in TEST.

    ``planned`` holds the layer by phase; one that is in a single phase computes as there. ``blobs`` become parameters
    called as Caffe's documentation calls them: ``weight``, ``bias``, ``mean``, ``variance`` ...
    """

    def __init__(self, planned: Mapping[int, PlannedLayer], blobs: Sequence[nn.Parameter]) -> None:
        super().__init__()
        self.planned = dict(planned)
        self.blob_names: list[str] = []
        for index, (use, blob) in enumerate(zip(self.any.params, blobs, strict=True)):
            name = use.spec.name
            if not name.isidentifier() or hasattr(self, name):
                name = f"blob{index}"
            self.blob_names.append(name)
            self.register_parameter(name, blob)

    @property
    def any(self) -> PlannedLayer:
        """The layer in one of its phases."""
        return next(iter(self.planned.values()))

    @property
    def now(self) -> PlannedLayer:
        """The layer in the phase that the module is in."""
        return self.planned.get(TRAIN if self.training else TEST, self.any)

    @property
    def blobs(self) -> list[Tensor]:
        """The layer's parameters in Caffe's order."""
        return [getattr(self, name) for name in self.blob_names]

    def forward(self, *bottoms: Tensor) -> Any:
        """The top, or a list of the tops of a layer with several."""
        now = self.now
        closed = [not now.layer.differentiable or not opens for opens in now.propagate_down or (True,) * len(bottoms)]
        given = [one.detach() if shut else one for one, shut in zip(bottoms, closed, strict=True)]
        tops = now.layer.compute(given, self.blobs, State())
        return tops[0] if len(now.tops) == 1 else list(tops)

    def extra_repr(self) -> str:
        return f"{self.any.name!r}, {self.any.layer.type}"
