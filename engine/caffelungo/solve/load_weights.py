"""Weights files into a net before training or testing: read, matched by layer name, loaded.

Caffe: LoadNetWeights, Net::CopyTrainedLayersFrom.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from caffelungo.errors import Problem, UserError
from caffelungo.net.store import Store
from caffelungo.plan.build_plan import Where
from caffelungo.plan.plan import Plan
from caffelungo.weights import copy_table, match_layers
from caffelungo.weights.load import load, split
from caffelungo.weights.weights import Weights


class Loaded:
    """The weights that ``names`` name, matched to ``plan``; UserError with every mismatch.

    A relative path is tried from the working directory, then from the folder of the file ``beside``.
    ``remedy`` is what messages advise. ``table`` tells what happens to each layer; None when no file was named.
    """

    def __init__(
        self,
        names: Sequence[str | Path],
        reinit: Sequence[str],
        plan: Plan,
        where: Where | None = None,
        say: Callable[[str], None] = lambda name: None,
        beside: str | Path | None = None,
        remedy: match_layers.Remedy = match_layers.Remedy.REPLACE,
    ) -> None:
        self.weights: Weights | None = None
        self.table: copy_table.CopyTable | None = None
        self.reinit, self.remedy = list(reinit), remedy
        self.trained = frozenset(name for planned in plan.layers for name in (planned.key, planned.name))
        self.names = [name for given in names for name in split(str(given))]
        """The files and torchvision names."""
        for name in self.names:
            say(name)
        if self.names:
            self.weights = load(self.names, beside)
            self.table = match_layers.match(plan, self.weights, self.reinit, where, remedy)
            if self.table.problems:
                raise UserError(self.table.problems)

    @property
    def extras(self) -> Any:
        """Preprocessing and labels of the file, unless a layer starts anew (its classes are others)."""
        if self.weights is None or self.table is None or self.table.layers(copy_table.NEW, copy_table.REINIT):
            return None
        return self.weights.extras

    def whole_layers(self, plan: Plan) -> frozenset[str]:
        """Keys of the layers of ``plan`` all of whose own blobs are loaded, which need no filling."""
        arrays = self.table.arrays if self.table else {}
        return frozenset(
            planned.key
            for planned in plan.layers
            if planned.params and all(use.key in arrays for use in planned.params if use.owner)
        )

    def fresh(self, layer: str) -> bool:
        """Whether ``layer`` keeps what its fillers gave it."""
        return self.table is None or layer in self.table.layers(copy_table.NEW, copy_table.REINIT)

    def load(self, store: Store, tests: Sequence[tuple[Plan, Where]] = ()) -> None:
        """Copy into ``store``, and what only the nets of ``tests`` have from the same files.

        UserError with every mismatch of a layer that only a test net has.
        """
        if self.table is None or self.weights is None:
            return
        problems: list[Problem] = []
        for plan, where in tests:
            table = match_layers.match(plan, self.weights, where=where, remedy=self.remedy)
            if wrong := [f"layer `{name}`" for name in table.layers(copy_table.MISMATCH) if name not in self.trained]:
                named = [problem for problem in table.problems if any(name in problem.what for name in wrong)]
                problems += named or table.problems
            # What the train net has too is as ``table`` says: copied already, or to start anew.
            store.load(
                {k: array for k, array in table.arrays.items() if k[0] not in self.trained and store.key(*k) == k}
            )
        if problems:
            raise UserError(list(dict.fromkeys(problems)))
        store.load(self.table.arrays)
