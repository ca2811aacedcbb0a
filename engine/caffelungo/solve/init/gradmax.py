"""GradMax: new units that do nothing yet and will learn fastest (Evci et al., ICLR 2022).

A new unit k reads h through incoming weights v_k and writes to a classifier's inputs z through outgoing ones u_k. With
v_k = 0 the answers stay, and the gradient of v_k is u_k^T G, where G = E[dL/dz h^T]: it is largest, over units that
differ from each other, for the leading left singular vectors of G. The other way round (``outgoing_zero``) u_k = 0, and
its gradient is largest for the leading right ones as v_k.

G is the gradient of an auxiliary layer from h to z that is zero. For a Convolution h are the patches that its kernel
sees, and what is linear between the units and the classifier (mean pooling) is applied to them.

More units than G has directions (classes less one) are drawn from those directions, each as strongly as its singular
value. Signs are such that a first step of descent raises what the unit computes: a ReLU would be dead otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.grad import conv2d_weight

from caffelungo.errors import RunError
from caffelungo.layers import windows
from caffelungo.layers.base import State
from caffelungo.net.stepwise import StepNet
from caffelungo.plan.plan import PlannedLayer
from caffelungo.solve.init.newcomers import Newcomer, Outlet

Array = NDArray[np.float64]

CHUNK = 2**24
"""Numbers of patches that are held at a time."""
NEGLIGIBLE = 1e-6
"""Singular values below this share of the largest are rounding (the authors' code)."""


@dataclass
class Cross:
    """G of one newcomer: ``matrix`` is (outgoing weights of a unit) x (incoming weights of a unit); ``mean`` is h's."""

    matrix: Array
    mean: Array


def gather(
    steps: StepNet,
    batches: Iterable[Sequence[Tensor]],
    groups: Sequence[Newcomer],
) -> dict[str, Cross]:
    """G of each of ``groups``, the mean over ``batches`` (the net's inputs).

    RunError when a gradient is zero or not finite.
    """
    first = min(outlet.head.index for group in groups for outlet in group.outlets)
    sums: dict[str, list[Array]] = {}
    total = 0
    for tensors in batches:
        _run(steps, tensors, first)
        for group in groups:
            matrix, mean = _cross(steps, group)
            known = sums.setdefault(group.name, [np.zeros_like(matrix), np.zeros_like(mean)])
            known[0] += matrix
            known[1] += mean
        total += 1
    result = {name: Cross(matrix / total, mean / total) for name, (matrix, mean) in sums.items()}
    for name, cross in result.items():
        if not np.isfinite(cross.matrix).all() or not cross.matrix.any():
            raise RunError(
                f"the gradient that `{name}` would get is {'zero' if not cross.matrix.any() else 'not finite'}: "
                "check with `lungo test` whether the loss reaches its classifier and is finite"
            )
    return result


def _run(steps: StepNet, tensors: Sequence[Tensor], first: int) -> None:
    """Forward through all layers, and back to the classifiers: nothing before layer ``first`` is wanted."""
    steps.feed(*tensors)
    steps.diff = {}
    for planned in steps.plan.layers:
        if not planned.layer.source:
            with torch.set_grad_enabled(planned.index >= first):
                steps.forward_layer(planned)
    for planned in steps.backward_order():
        if planned.index > first:
            steps.backward_layer(planned)


def _cross(steps: StepNet, group: Newcomer) -> tuple[Array, Array]:
    read = steps.data[group.units.bottom_values[0]].float()
    chunk = max(1, CHUNK // _patch_size(group.units))
    parts: list[Tensor] = []
    means = torch.zeros((), dtype=torch.float64)
    for outlet in group.outlets:
        gradient = steps.diff.get(outlet.head.top_values[0])
        if gradient is None:
            gradient = torch.zeros_like(steps.data[outlet.head.top_values[0]])
        total: Tensor | None = None
        for start in range(0, len(read), chunk):
            patch = patches(group.units, read[start : start + chunk])
            part = _outer(outlet, gradient[start : start + chunk].float(), patch).double()
            total = part if total is None else total + part
            if not parts:
                means = means + patch.double().reshape(*patch.shape[:2], -1).mean(2).sum(0).cpu() / len(read)
        assert total is not None
        parts.append(total)
    return torch.cat(parts).cpu().numpy(), means.numpy()


def _patch_size(units: PlannedLayer) -> int:
    """How many numbers the patches of one sample are."""
    shape, top = units.params[0].shape, units.top_shapes[0] or ()
    places = int(np.prod([size or 1 for size in top[2:]]))
    return max(1, places * int(np.prod([size or 1 for size in shape])) // int(units.layer.options.num_output))


def patches(units: PlannedLayer, read: Tensor) -> Tensor:
    """What each unit of ``units`` multiplies with its weights: samples x weights of a unit (x height x width)."""
    if units.layer.type == "InnerProduct":
        return read.flatten(1)
    layer: Any = units.layer
    _axis, _axes, (kernel, stride, pad, dilation) = layer.layout([tuple(read.shape)])
    height, width = (units.top_shapes[0] or (0, 0, 0, 0))[2:]
    unfolded = F.unfold(windows.reached(read, kernel, pad, dilation), kernel, dilation, pad, stride)
    return unfolded.reshape(len(read), -1, int(height or 0), int(width or 0))


def along(path: Sequence[PlannedLayer], values: Tensor) -> Tensor:
    """``values`` of any number of channels through the linear layers of ``path``."""
    for one in path:
        values = one.layer.compute([values], [], State())[0]
    return values


def _outer(outlet: Outlet, gradient: Tensor, patch: Tensor) -> Tensor:
    """Sum over samples and places: (outgoing weights of a unit) x (incoming weights of a unit)."""
    seen = along(outlet.path, patch)
    weights = patch.shape[1]
    if outlet.head.layer.type == "InnerProduct":
        seen = seen.reshape(len(seen), weights, outlet.width)
        return torch.einsum("nc,ndw->cwd", gradient.flatten(1), seen).reshape(-1, weights)
    layer: Any = outlet.head.layer
    _axis, _axes, (kernel, stride, pad, dilation) = layer.layout([tuple(seen.shape)])
    shape = (gradient.shape[1], weights, *kernel)
    seen = windows.reached(seen, kernel, pad, dilation)
    found = conv2d_weight(seen, shape, gradient, stride, pad, dilation)
    return found.permute(0, 2, 3, 1).reshape(-1, weights)


def outgoing(cross: Cross, units: int, seed: int) -> Array:
    """Unit vectors for the outgoing weights: ``units`` x (outgoing weights of a unit)."""
    left, values, _right = _directions(cross.matrix)
    found = _drawn(left.T, values, units, seed)
    # Descent moves the incoming weights by -u^T G, so that this is how much the unit rises on what it mostly sees.
    rises = -(found @ cross.matrix) @ cross.mean
    return found * np.where(rises < 0, -1.0, 1.0)[:, None]


def incoming(cross: Cross, units: int, seed: int) -> Array:
    """Unit vectors for the incoming weights: ``units`` x (incoming weights of a unit)."""
    _left, values, right = _directions(cross.matrix)
    found = _drawn(right, values, units, seed)
    return found * np.where(found @ cross.mean < 0, -1.0, 1.0)[:, None]


def _directions(matrix: Array) -> tuple[Array, Array, Array]:
    left, values, right = np.linalg.svd(matrix, full_matrices=False)
    some = int((values > NEGLIGIBLE * values[0]).sum())
    return left[:, :some], values[:some], right[:some]


def _drawn(vectors: Array, values: Array, units: int, seed: int) -> Array:
    """The leading ``vectors`` (rows), and when they do not suffice mixtures of all."""
    more = units - len(vectors)
    if more <= 0:
        return vectors[:units]
    mixed = (np.random.default_rng([seed, more]).normal(size=(more, len(vectors))) * values) @ vectors
    return np.concatenate([vectors, mixed / np.linalg.norm(mixed, axis=1, keepdims=True)])


def gain(cross: Cross, directions: Array, of_outgoing: bool) -> float:
    """How many times larger the new weights' gradient is than with random ``directions`` (its root mean square)."""
    matrix = cross.matrix if of_outgoing else cross.matrix.T
    found = float(np.linalg.norm(directions @ matrix))
    random = float(np.linalg.norm(matrix)) * float(np.sqrt(len(directions) / matrix.shape[0]))
    return found / random
