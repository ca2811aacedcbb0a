"""A training as it is at one moment: its nets, its weights, its update rule, and how far it has come."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from caffelungo.definition.definition import Definition
from caffelungo.net.graph import GraphNet
from caffelungo.net.store import Store
from caffelungo.plan.plan import Plan
from caffelungo.report.glog import CaffeLog
from caffelungo.solve import nets, snapshot
from caffelungo.solve.average_loss import SmoothedLoss
from caffelungo.solve.engine import Engine
from caffelungo.solve.feed import Feed
from caffelungo.solve.learning_rate import Schedule
from caffelungo.solve.ledger import Ledger
from caffelungo.solve.load_weights import Loaded
from caffelungo.solve.lr_mult import Update
from caffelungo.solve.near_start import NearStart
from caffelungo.solve.snapshot import SnapshotForm
from caffelungo.solve.test_net import TestNet
from caffelungo.solve.watched_output import Watch
from caffelungo.solve.weight_average import WeightAverage
from caffelungo.weights.weights import Weights


@dataclass
class Training:
    """``opened`` is the train net with its data, ``net`` its graph over ``store``; ``tests`` share the store.

    ``loaded`` are the weights files that it began with. ``near_start`` holds it there (L2-SP, DELTA), if anything
    does. ``watch`` remembers the best test, if there are tests. ``average`` is that of the weights (ema_decay), which
    is what tests and files get where there is one.
    """

    definition: Definition
    engine: Engine
    log: CaffeLog
    seed: int
    prefix: Path
    """What the names of snapshots begin with."""
    opened: nets.OpenedNet
    store: Store
    loaded: Loaded
    net: GraphNet
    feed: Feed
    tests: list[TestNet]
    update: Update
    near_start: NearStart | None
    watch: Watch | None
    schedule: Schedule
    smoothed: SmoothedLoss
    average: WeightAverage | None = None
    ledger: Ledger = field(default_factory=Ledger)
    """The files that this run writes."""
    iteration: int = 0
    batches: int = 0
    """Batches drawn from the training sources so far."""
    batch_offset: int = 0
    """Number of the batch that iteration 0 would have begun with: ``batches`` - iteration * iter_size."""
    written: int | None = None
    """Iteration of the last snapshot of this run."""

    @property
    def param(self) -> Any:
        """The SolverParameter."""
        return self.definition.message

    @property
    def plan(self) -> Plan:
        """The plan of the train net."""
        return self.opened.plan

    @property
    def form(self) -> SnapshotForm:
        """How the files of snapshots end."""
        return snapshot.form_of(self.param)

    @property
    def learned(self) -> list[nn.Parameter]:
        """Every parameter of the train net, in the order of the update rule."""
        return [param for param, _, _ in self.update.params]

    @property
    def images(self) -> int:
        """Samples of one iteration."""
        return self.opened.batch_size * int(self.param.iter_size)

    def weights(self) -> Weights:
        """The weights of the train net as they are, or their average where there is one, for a file."""
        extras = nets.extras(self.opened, self.loaded.extras)
        types = {planned.name: planned.layer.type for planned in self.plan.layers}
        with self.shown():
            arrays = self.store.layer_arrays(self.plan)  # views of the store, which soon holds other values
            if self.average is not None:
                arrays = {name: [blob.copy() for blob in blobs] for name, blobs in arrays.items()}
        return Weights(arrays, types, extras, self.plan.name)

    def shown(self) -> AbstractContextManager[None]:
        """In its context the store holds the average of the weights, where there is one."""
        return nullcontext() if self.average is None else self.average.shown()

    def first_batch(self, iteration: int) -> int:
        """Number of the first batch of ``iteration``."""
        return self.batch_offset + iteration * int(self.param.iter_size)
