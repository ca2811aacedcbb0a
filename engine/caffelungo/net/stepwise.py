"""The same layers one by one, with a data and a diff buffer per value.

For everything that wants to look inside: debug_info, `lungo time`, finding the first layer with a non-finite value, and
Caffe's Python interface. Asserted equal to the graph in tests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from caffelungo.layers.base import State
from caffelungo.net.store import Store
from caffelungo.plan.plan import Plan, PlannedLayer

Hook = Callable[[PlannedLayer], None]


class StepNet:
    """Runs a plan layer by layer. ``data`` and ``diff`` hold one tensor per value number (see ``Plan.values``)."""

    def __init__(self, plan: Plan, store: Store) -> None:
        store.adopt(plan)
        self.plan, self.store = plan, store
        self.data: dict[int, Tensor] = {}
        self.diff: dict[int, Tensor] = {}
        self._graphs: dict[str, tuple[list[Tensor], list[Tensor]]] = {}

    def blob(self, name: str) -> Tensor:
        """The data of the blob called ``name``, as its last writer left it."""
        return self.data[self.plan.value_of(name)]

    def blob_diff(self, name: str) -> Tensor:
        """The gradient of the loss with respect to the last value of the blob called ``name``."""
        return self.diff[self.plan.value_of(name)]

    def feed(self, *tensors: Tensor) -> None:
        """Set the sources' tops, in the order of the file."""
        values = [value for planned in self.plan.sources for value in planned.top_values]
        for value, tensor in zip(values, tensors, strict=True):
            self.data[value] = tensor

    def forward(self, *tensors: Tensor, each: Hook | None = None) -> Tensor:
        """Run all layers on ``tensors`` (see ``feed``) and return the total loss; ``each`` follows each layer."""
        self.feed(*tensors)
        total = torch.zeros((), device=self.store.device)
        for planned in self.plan.layers:
            if not planned.layer.source:
                self.forward_layer(planned)
            for value, weight in zip(planned.top_values, planned.loss_weights, strict=True):
                if weight:
                    total = total + weight * self.data[value].sum()
            if each:
                each(planned)
        return total

    def forward_layer(self, planned: PlannedLayer) -> None:
        """Compute one layer's tops from ``data``; its piece of the graph is kept for ``backward_layer``."""
        grad = torch.is_grad_enabled()
        bottoms = [self.data[value].detach() for value in planned.bottom_values]
        blobs = self.store.blobs(planned.key)
        if grad:
            bottoms = [b.requires_grad_() if self._wants(planned, i, b) else b for i, b in enumerate(bottoms)]
        tops = list(planned.layer.compute(bottoms, blobs, State()))
        if grad:
            self._graphs[planned.key] = (bottoms, tops)
        for value, top in zip(planned.top_values, tops, strict=True):
            self.data[value] = top.detach()

    @staticmethod
    def _wants(planned: PlannedLayer, index: int, bottom: Tensor) -> bool:
        if not planned.layer.differentiable or not bottom.is_floating_point():
            return False
        if planned.propagate_down:
            return planned.propagate_down[index]
        return index not in planned.layer.labels

    def backward(self, each: Hook | None = None) -> None:
        """Gradients of the total loss: into ``diff`` and, accumulated, into the parameters' ``grad``."""
        self.diff = {}
        for planned in self.backward_order():
            self.backward_layer(planned)
            if each:
                each(planned)

    def backward_order(self) -> Iterator[PlannedLayer]:
        """Layers with a graph, last to first."""
        return (planned for planned in reversed(self.plan.layers) if planned.key in self._graphs)

    def backward_layer(self, planned: PlannedLayer) -> None:
        """Push ``diff`` of this layer's tops (plus its own loss weights) to its bottoms and blobs."""
        bottoms, tops = self._graphs[planned.key]
        outputs, gradients = [], []
        for value, weight, top in zip(planned.top_values, planned.loss_weights, tops, strict=True):
            gradient = self.diff.get(value)
            if weight:
                own = torch.full_like(top, weight)
                gradient = own if gradient is None else gradient + own
                self.diff[value] = gradient
            if gradient is not None and top.requires_grad:
                outputs.append(top)
                gradients.append(gradient)
        blobs = [blob for blob in self.store.blobs(planned.key) if blob.requires_grad]
        wanted = [bottom for bottom in bottoms if bottom.requires_grad]
        if not outputs or not (wanted or blobs):
            return
        result = torch.autograd.grad(outputs, [*wanted, *blobs], gradients, allow_unused=True)
        self._accumulate(planned, bottoms, result[: len(wanted)])
        for blob, gradient in zip(blobs, result[len(wanted) :], strict=True):
            if gradient is not None:
                blob.grad = gradient if blob.grad is None else blob.grad + gradient

    def _accumulate(self, planned: PlannedLayer, bottoms: Sequence[Tensor], gradients: Sequence[Tensor | None]) -> None:
        left = iter(gradients)
        for value, bottom in zip(planned.bottom_values, bottoms, strict=True):
            gradient = next(left) if bottom.requires_grad else None
            if gradient is not None:
                self.diff[value] = self.diff[value] + gradient if value in self.diff else gradient

    def first_non_finite(self, *tensors: Tensor) -> tuple[str, str] | None:
        """(layer, blob) where a forward pass on ``tensors`` first holds a value that is not finite, or None."""
        found: list[tuple[str, str]] = []

        def look(planned: PlannedLayer) -> None:
            for top, value in zip(planned.tops, planned.top_values, strict=True):
                if not found and not torch.isfinite(self.data[value]).all():
                    found.append((planned.name, top))

        with torch.no_grad():
            self.forward(*tensors, each=look)
        return found[0] if found else None
