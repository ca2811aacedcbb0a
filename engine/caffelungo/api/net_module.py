"""The base of ``Net``: a definition and its weights as modules of PyTorch, a layer each, in both phases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from torch import nn

from caffelungo.api import matching
from caffelungo.api.phased_layer import PhasedLayer
from caffelungo.definition.definition import Definition
from caffelungo.definition.schema import TEST, TRAIN
from caffelungo.layers.base import Shape
from caffelungo.net.store import Store
from caffelungo.passes.base import Note
from caffelungo.passes.view import View
from caffelungo.plan.plan import Plan, PlannedLayer
from caffelungo.weights.match_layers import match
from caffelungo.weights.weights import Weights


@dataclass(frozen=True)
class Origin:
    """Where a rewritten net comes from: the text before, and what the passes did."""

    before: Definition
    notes: tuple[Note | str, ...] = ()


class NetModule(nn.Module):
    """The layers of ``definition`` as children, its plans by phase, and what is known of its weights.

    ``fresh`` are the layers that start from their fillers, ``extras`` the record of preprocessing and labels.
    """

    def __init__(
        self,
        definition: Definition,
        weights: Weights | None = None,
        *,
        sources: Mapping[str, Sequence[Shape]] | None = None,
        seed: int = 0,
        origin: Origin | None = None,
        filled: bool = True,
    ) -> None:
        """``sources`` are shapes that only opened data tells, as ``passes.view.View`` takes them.

        Without ``filled`` the layers that ``weights`` lack hold any numbers: the caller fills them.
        """
        super().__init__()
        self.definition, self.sources, self.seed, self.origin = definition, sources, seed, origin
        self.extras: Any = weights.extras if weights is not None else None
        self.weights_from = weights.path if weights is not None else ""
        graphs = View(definition, sources=sources).graphs
        self.plans: dict[int, Plan] = {phase: graph.plan for phase, graph in graphs.items()}
        store = Store(seed=seed)
        tables = [match(plan, weights, where=definition.where) for plan in self.plans.values()] if weights else []
        matching.refuse(tables)
        for plan, table in zip_longest(self.plans.values(), tables):
            known = matching.whole_layers(plan, table) if filled else frozenset(one.key for one in plan.layers)
            store.adopt(plan, skip_filling=known)
        for table in tables:
            store.load(table.arrays)
        self.fresh = matching.fresh_layers(self.plans, tables)
        self._keys: dict[str, str] = {}
        self._add_layers(store)
        self.eval()

    def _add_layers(self, store: Store) -> None:
        """The layers of both phases as children, called as in the file (``.``, which PyTorch splits names at: ``_``).

        ``add_module`` would refuse a layer called as a method.
        """
        together: dict[str, dict[int, PlannedLayer]] = {}
        for phase, plan in self.plans.items():
            for planned in plan.layers:
                if not planned.layer.source:
                    together.setdefault(planned.key, {})[phase] = planned
        for key, planned_by_phase in together.items():
            name = key.replace(".", "_")
            while name in self._modules:
                name += "_"
            self._keys[key] = name
            self._modules[name] = PhasedLayer(planned_by_phase, store.blobs(key))

    @property
    def plan(self) -> Plan:
        """Layers, blobs and shapes in the phase that the net is in."""
        return self.plans.get(TRAIN if self.training else TEST) or next(iter(self.plans.values()))

    @property
    def inputs(self) -> tuple[str, ...]:
        """The blobs that come from outside in this phase, in the order in which ``forward`` takes them."""
        return tuple(top for planned in self.plan.sources for top in planned.tops)

    @property
    def outputs(self) -> tuple[str, ...]:
        """The blobs that no layer of this phase reads."""
        return self.plan.outputs

    @property
    def blobs(self) -> dict[str, Shape | None]:
        """The shape of every blob of this phase by name, with the batch first; None where it is not known."""
        return self.plan.blobs

    def child_of(self, planned: PlannedLayer) -> PhasedLayer:
        """The child that computes ``planned``, which is no data layer."""
        return self._modules[self._keys[planned.key]]  # type: ignore[return-value]
