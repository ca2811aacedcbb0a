"""Tile."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from caffelungo.layers.base import Layer, Shape, State
from caffelungo.layers.registry import register

if TYPE_CHECKING:
    from torch import Tensor


@register
class Tile(Layer):
    """Repeats the bottom `tiles` times along `axis`.

    Bottom: any shape. Top: `tiles` times the size on that axis.
    Caffe: TileLayer.
    """

    type = "Tile"
    options_field = "tile_param"
    fixed_sizes = True
    bvlc = True

    def setup(self) -> None:
        self.along, self.tiles = int(self.options.axis), int(self.options.tiles)
        if self.tiles < 1:
            raise self.fail("`tiles` is missing", remedy="add `tiles:`")

    def shapes(self, bottoms: Sequence[Shape]) -> Sequence[Shape]:
        axis = self.axis(self.along, len(bottoms[0]))
        size = bottoms[0][axis]
        return [(*bottoms[0][:axis], None if size is None else size * self.tiles, *bottoms[0][axis + 1 :])]

    def compute(self, bottoms: Sequence[Tensor], blobs: Sequence[Tensor], state: State) -> Sequence[Tensor]:
        import torch

        return [torch.cat([bottoms[0]] * self.tiles, self.along)]
