"""Weights live once: (layer, blob index) -> tensor. Nets are graphs over a store; shared params are one tensor."""

from __future__ import annotations

import zlib
from collections.abc import Mapping

import numpy as np
import torch
from torch import nn

from caffelungo.errors import UserError
from caffelungo.layers.base import shape_text
from caffelungo.layers.fillers import fill
from caffelungo.plan import sharing
from caffelungo.plan.plan import ParamKey, ParamUse, Plan


class Store:
    """The parameter tensors of one or more nets.

    ``seed`` makes the fillers repeatable; each blob draws from (seed, layer name, blob index) alone, so that adding a
    layer leaves the others' values as they were. None draws a fresh seed.
    """

    def __init__(
        self,
        plan: Plan | None = None,
        seed: int | None = None,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.seed = seed if seed is not None and seed >= 0 else int(np.random.SeedSequence().entropy % 2**63)  # type: ignore[operator]
        self.device, self.dtype = torch.device(device), dtype
        self.tensors: dict[ParamKey, nn.Parameter] = {}
        self.uses: dict[ParamKey, ParamUse] = {}
        self._keys: dict[ParamKey, ParamKey] = {}
        if plan is not None:
            self.adopt(plan)

    def adopt(self, plan: Plan, skip_filling: frozenset[str] | set[str] = frozenset()) -> None:
        """Make the tensors that ``plan`` needs and the store lacks, filled as the file says.

        A layer whose name is known takes the tensors of that name (Caffe: ShareTrainedLayersWith); UserError when
        shapes differ. Layers named in ``skip_filling`` start as zeros because weights will be loaded into them.
        """
        for planned in plan.layers:
            for position, use in enumerate(planned.params):
                slot = (planned.key, position)
                key = self._keys.get(slot) or self._keys.get(use.key) or use.key
                if key not in self.tensors:
                    self._create(key, use, planned.key in skip_filling)
                elif tuple(self.tensors[key].shape) != use.shape and use.owner:
                    raise UserError(sharing.misfit(planned.name, position, use, tuple(self.tensors[key].shape)))
                self._keys[slot] = key

    def _create(self, key: ParamKey, use: ParamUse, zeros: bool) -> None:
        if None in use.shape:
            raise UserError(
                f"the size of blob {key[1]} ({use.spec.name}) of layer `{key[0]}` is not known",
                received=shape_text(use.shape),
                remedy="state the input's size: crop_size, new_height and new_width, or an Input layer's shape",
            )
        shape = tuple(int(size) for size in use.shape if size is not None)
        if zeros:
            values = np.zeros(shape, np.float32)
        else:
            rng = np.random.default_rng([self.seed, zlib.crc32(key[0].encode()), key[1]])
            values = fill(use.spec.filler, shape, rng)
        tensor = torch.from_numpy(np.asarray(values, np.float32, order="C")).to(self.device, self.dtype)
        self.tensors[key] = nn.Parameter(tensor, requires_grad=use.spec.learned and use.lr_mult != 0)
        self.uses[key] = use

    def tensor(self, layer: str, index: int) -> nn.Parameter:
        """The tensor that blob ``index`` of the layer with key ``layer`` lives in."""
        return self.tensors[self._keys[layer, index]]

    def key(self, layer: str, index: int) -> ParamKey:
        """The owner's key for blob ``index`` of ``layer``."""
        return self._keys[layer, index]

    def blobs(self, layer: str) -> list[nn.Parameter]:
        """All blobs of the layer with key ``layer``, shared ones included."""
        result: list[nn.Parameter] = []
        while (layer, len(result)) in self._keys:
            result.append(self.tensor(layer, len(result)))
        return result

    @torch.no_grad()
    def load(self, arrays: Mapping[ParamKey, np.ndarray]) -> None:
        """Copy ``arrays`` into the tensors of their keys; shapes must agree (see ``weights.match_layers``)."""
        for slot, array in arrays.items():
            target = self.tensors[self._keys.get(slot, slot)]
            if tuple(target.shape) != array.shape:
                raise ValueError(f"{slot}: {array.shape} does not fit {tuple(target.shape)}")
            target.copy_(torch.from_numpy(np.asarray(array, order="C")))

    def arrays(self) -> dict[ParamKey, np.ndarray]:
        """Every owned blob as float32 on the CPU, in the order of first appearance."""
        return {key: tensor.detach().float().cpu().contiguous().numpy() for key, tensor in self.tensors.items()}

    def layer_arrays(self, plan: Plan) -> dict[str, list[np.ndarray]]:
        """Every layer of ``plan`` that has blobs, by name, with all its blobs (shared ones in every sharer)."""
        arrays = self.arrays()
        return {
            planned.name: [arrays[self.key(planned.key, position)] for position in range(len(planned.params))]
            for planned in plan.layers
            if planned.params
        }

    def to(self, device: torch.device | str) -> Store:
        """Move all tensors in place (parameters keep their identity)."""
        self.device = torch.device(device)
        for tensor in self.tensors.values():
            tensor.data = tensor.data.to(self.device)
        return self
