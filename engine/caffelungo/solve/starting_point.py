"""Where a fine-tuning started, kept beside its snapshots, so that a resumed run is held near the same place.

``<prefix>_start_<digest>.caffemodel`` is written whole once, before the first snapshot; each state names it with the
SHA-256 of what it holds. Attention of DELTA, which was measured at the start, is in it as well.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from caffelungo.errors import Location, UserError
from caffelungo.net.store import Store
from caffelungo.plan.plan import ParamKey, Plan
from caffelungo.solve import snapshot
from caffelungo.solve.ledger import WHOLE, Ledger
from caffelungo.weights import formats
from caffelungo.weights.weights import Weights

ATTENTION = "(attention) "
"""Before a layer's name: the weights of its channels."""


@dataclass
class Start:
    """Every blob of the layers that were copied from weights, as it was, by owner's key; ``attention`` by layer."""

    tensors: dict[ParamKey, Tensor] = field(default_factory=dict)
    attention: dict[str, Tensor] = field(default_factory=dict)
    path: Path | None = None
    """The file it is in, once it is written."""
    written: str = ""
    """The digest of what is there."""

    @classmethod
    def of(cls, plan: Plan, store: Store, copied: Iterable[ParamKey]) -> Start:
        """Copies of the blobs of all layers of ``plan`` whose blobs are all among ``copied``."""
        known = set(copied)
        tensors = {}
        for planned in plan.layers:
            keys = [use.key for use in planned.params]
            if keys and known.issuperset(keys):
                tensors.update({key: store.tensors[key].detach().clone() for key in keys})
        return cls(tensors)

    def digest(self) -> str:
        """The SHA-256 of all values, names and shapes."""
        digest = hashlib.sha256()
        for name, arrays in sorted(self._layers().items()):
            for index, array in enumerate(arrays):
                digest.update(f"{name} {index} {array.shape}\n".encode())
                digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    def _layers(self) -> dict[str, list[np.ndarray]]:
        """The arrays as a file holds them: each blob under its owner, in the order of its indices."""
        layers: dict[str, list[np.ndarray]] = {}
        for name, index in sorted(self.tensors):
            array = self.tensors[name, index].detach().float().cpu().contiguous().numpy()
            layers.setdefault(f"{name} {index}", []).append(array)
        for name, tensor in self.attention.items():
            layers[ATTENTION + name] = [tensor.detach().float().cpu().numpy()]
        return layers

    def save(self, prefix: Path, ledger: Ledger) -> tuple[str, str]:
        """Write it beside the snapshots of ``prefix`` unless it is there already; its file's name and digest."""
        digest = self.written or self.digest()
        path = snapshot.start_of(prefix, digest)
        if self.path is None or self.path.absolute() != path.absolute() or not path.exists():

            def write() -> None:
                ledger.note([path.name], WHOLE)
                formats.write(path, Weights(self._layers()))

            snapshot.insistent(write, path, prefix)
            self.path, self.written = path, digest
        return path.name, digest

    @classmethod
    def load(cls, state: Path, extras: Any, store: Store) -> Start:
        """The start that the state in ``state`` names; UserError when it names none, or it is missing or changed.

        Tensors lie as those of ``store`` do.
        """
        if extras is None or not extras.start_file:
            raise UserError(
                "the state does not say where its run started, which l2_sp and delta need",
                where=Location(str(state)),
                remedy="resume with the solver that wrote it, or start anew from the weights with --weights",
            )
        path = state.parent / extras.start_file
        if not path.is_file():
            raise UserError(
                "the file that holds where the run started is missing, and l2_sp and delta need it",
                where=Location(str(state)),
                received=str(path),
                remedy="put it beside the state; it was written with the run's first snapshot",
            )
        start = cls._read(formats.read(path).layers, store)
        start.path, start.written = path, start.digest()
        if start.written != extras.start_sha256:
            raise UserError(
                "the file that holds where the run started is not the one that the state was written with",
                where=Location(str(path)),
                received=f"SHA-256 {start.written[:12]}..., the state has {extras.start_sha256[:12]}...",
                remedy="put the run's own file back, or start anew from the weights with --weights",
            )
        return start

    @classmethod
    def _read(cls, layers: Mapping[str, list[np.ndarray]], store: Store) -> Start:
        start = cls()
        for name, arrays in layers.items():
            values = torch.from_numpy(np.ascontiguousarray(arrays[0]))
            if name.startswith(ATTENTION):
                start.attention[name.removeprefix(ATTENTION)] = values.to(store.device)
                continue
            owner, _, index = name.rpartition(" ")
            key = (owner, int(index) if index.isdecimal() else 0)
            if key in store.tensors and tuple(store.tensors[key].shape) == tuple(values.shape):
                like = store.tensors[key].detach()
                start.tensors[key] = torch.empty_like(like).copy_(values)
            else:
                start.tensors[key] = values.to(store.device)
        return start
