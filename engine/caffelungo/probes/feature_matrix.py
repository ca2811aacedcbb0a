"""What classifiers are fitted to: features of pictures from the frozen net, as one matrix for each candidate.

pictures -> net in phase TEST -> blobs -> mean and maximum over the plane -> parts at unit length, side by side
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from caffelungo import drafts
from caffelungo.data.image_list import Target, write_list
from caffelungo.definition.definition import Definition
from caffelungo.definition.filter import net_state
from caffelungo.definition.schema import TEST
from caffelungo.errors import Location, UserError
from caffelungo.features.frozen_features import Say, silent
from caffelungo.features.pooled import Pooled, pooled
from caffelungo.features.run_part import PartRunner
from caffelungo.features.upstream import upstream
from caffelungo.layers.kinds import HANDING_ON
from caffelungo.net.store import Store
from caffelungo.passes.view import ClassifierLayer
from caffelungo.plan import memory_limits
from caffelungo.probes.picture_entries import Entry
from caffelungo.solve import nets
from caffelungo.solve.engine import Engine
from caffelungo.solve.load_weights import Loaded
from caffelungo.wording import counted, listed

LISTED = 6
"""Layers that a message names."""
LEAST = 1e-10
"""What Normalize adds to a sum of squares (norm_param.eps)."""

COPIES = 4
"""The matrix of features, its parts, and it scaled and turned for the solver: all are there at one time."""


@dataclass
class Subject:
    """A net whose TEST phase reads an ImageData, with its weights on the device."""

    definition: Definition
    weights: Sequence[str]
    engine: Engine

    def __post_init__(self) -> None:
        self.text = nets.from_definition(self.definition)
        self.state = net_state(self.text.message, TEST)
        self.store: Store | None = None
        self.lacking: frozenset[str] = frozenset()
        """Layers that the weights know nothing of, once they are loaded."""
        self.filled: dict[str, list[NDArray[np.float32]]] = {}
        """What those of them that were run all the same hold, by name: a grown net's new units (see ``ready``)."""

    def opened(self, entries: Sequence[tuple[str, Target]], folder: Path) -> nets.OpenedNet:
        """The net on ``entries``, in their order; its list is in ``folder`` while it is used."""
        path = folder / "pictures.txt"
        write_list(path, ((str(Path(name).absolute()), label) for name, label in entries))
        text = nets.elsewhere(self.text, self.state, path)
        return nets.open_net_with_data(text, self.state, once=True, shuffle=False)

    def ready(self, opened: nets.OpenedNet, blobs: Sequence[str], *, grown: bool = False) -> Store:
        """The weights. UserError where they do not fit the net, or say nothing of a layer that ``blobs`` need.

        Of a net that may have ``grown`` they need not know every layer, only some: what is new holds what its fillers
        say, and is ``filled``.
        """
        if self.store is None:
            loaded = Loaded(list(self.weights), (), opened.plan, self.text.where, beside=self.text.path)
            self.store = Store(seed=0, device=self.engine.device)
            self.store.adopt(opened.plan, skip_filling=loaded.whole_layers(opened.plan))
            loaded.load(self.store)
            self.lacking = frozenset(planned.name for planned in opened.plan.layers if loaded.fresh(planned.name))
        needed = [one.name for one in upstream(opened, blobs).layers if one.params]
        lacking = [name for name in needed if name in self.lacking]
        if lacking and grown and len(lacking) < len(needed):
            arrays = self.store.layer_arrays(opened.plan)
            self.filled = {name: arrays[name] for name in lacking}
        elif lacking:
            raise UserError(
                "layers that these blobs need are missing in the weights",
                where=Location(", ".join(map(str, self.weights))),
                received=listed(lacking, LISTED),
                remedy="name the weights of this net, or blobs before these layers",
            )
        return self.store


def read(
    subject: Subject,
    entries: Sequence[tuple[str, Target]],
    blobs: Sequence[str],
    *,
    mirrored: bool = False,
    cache: Path | None = None,
    say: Say = silent,
) -> Pooled:
    """``blobs`` for every picture of ``entries``, pooled; see ``features.pooled``."""
    with drafts.scratch() as folder:
        opened = subject.opened(entries, folder)
        store = subject.ready(opened, blobs)
        return pooled(opened, store, blobs, subject.engine, mirrored=mirrored, cache=cache, say=say)


def read_head(
    subject: Subject, entries: Sequence[Entry], head: ClassifierLayer, mirrored: bool = False, say: Say = silent
) -> Tensor:
    """What the classifier ``head`` reads, a row per picture: N x D, or 2N x D with the mirrored pictures behind.

    A Convolution's input is averaged over the plane, which its answers are, too: UserError where they are not.
    """
    averaged = _averaged(head)
    with drafts.scratch() as folder:
        opened = subject.opened(entries, folder)
        read = [opened.plan.layer(head.name).bottoms[0]]
        store = subject.ready(opened, read, grown=True)
        part = upstream(opened, read)
        running = PartRunner(part, store, subject.engine)

        def rows(blobs: list[Tensor]) -> list[Tensor]:
            value = blobs[0].float()
            return [value.mean((2, 3)) if averaged and value.dim() == 4 else value.flatten(1)]

        versions: list[list[NDArray[np.float32]]] = [[] for _ in range(1 + mirrored)]
        done = 0
        for made in running.rows(0, rows, mirrored):
            for kept, array in zip(versions, made, strict=True):
                kept.append(array)
            done += len(made[0])
            say(done, running.count, "computing features")
    return torch.from_numpy(np.concatenate([array for kept in versions for array in kept]))


def _averaged(head: ClassifierLayer) -> bool:
    """Whether the answers of ``head`` are means over the plane of what a linear layer says of each place."""
    if head.head.layer.type == "InnerProduct":
        return False
    options = head.head.layer.options
    bends = [one.name for one in head.between if one.layer.type not in HANDING_ON | {"Pooling"}]
    pools = [one for one in head.between if one.layer.type == "Pooling"]
    plane = head.head.top_shapes[0]
    flat = plane is not None and tuple(plane[2:]) == (1, 1)
    one_by_one = all(int(size) == 1 for size in options.kernel_size) and not list(options.pad) and options.group == 1
    means = all(one.layer.param.pooling_param.pool == one.layer.param.pooling_param.AVE for one in pools)
    if bends or not means or not one_by_one or (not flat and not pools):
        raise UserError(
            f"the outputs of `{head.name}` are not linear in features of the whole picture",
            received=", ".join(bends) or f"{head.head.layer.type} and {counted(len(pools), 'pooling layer')}",
            remedy="name layers to read instead: --layers all",
        )
    return True


def matrix(found: Pooled, parts: Sequence[tuple[str, str]]) -> Tensor:
    """The (blob, pool) ``parts`` side by side: N x D, or 2N x D where mirrored pictures were read, too.

    Each part is at unit length, as the Normalize layers of ``passes.join`` leave it. UserError where the matrix, and
    the ``COPIES`` of it that a classifier works with, do not fit into memory.
    """
    versions = sorted({version for _, _, version in found.rows})
    count = sum(len(found.rows[*parts[0], version]) for version in versions)
    _fits(count, sum(found.rows[*part, versions[0]].shape[1] for part in parts))
    rows = [np.concatenate([_unit(found.rows[*part, version]) for part in parts], axis=1) for version in versions]
    return torch.from_numpy(np.concatenate(rows))


def _fits(rows: int, features: int) -> None:
    """UserError where a classifier of a matrix ``rows`` x ``features`` takes more memory than is free."""
    need, free = COPIES * memory_limits.FLOAT * rows * features, memory_limits.available()
    if free is not None and need > free:
        raise UserError(
            "the features of the pictures do not fit into memory",
            received=f"{rows} rows of {features} features, {need / 1e9:.3g} GB including work space, and "
            f"{free / 1e9:.3g} GB are free",
            remedy="read fewer layers at a time: --layers fire9/concat, for example, instead of all",
        )


def _unit(values: NDArray[np.float32]) -> NDArray[np.float32]:
    length = np.sqrt(np.square(values, dtype=np.float64).sum(1, keepdims=True) + LEAST)
    return np.asarray(values / length, np.float32)
