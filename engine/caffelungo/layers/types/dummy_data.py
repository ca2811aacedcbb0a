"""DummyData."""

from __future__ import annotations

from collections.abc import Sequence

from caffelungo.layers import fillers
from caffelungo.layers.base import LayerError, Shape, Source
from caffelungo.layers.registry import register
from caffelungo.wording import counted

LEGACY = ("num", "channels", "height", "width")


@register
class DummyData(Source):
    """Blobs filled by fillers: constant ones once, others anew for each batch.

    `shape` (or the old num, channels, height, width) and `data_filler` are given once for all tops, or once a top;
    without a filler the blob is 0.
    Caffe: DummyDataLayer.
    """

    type = "DummyData"
    options_field = "dummy_data_param"
    bvlc = True

    def setup(self) -> None:
        options, tops = self.options, len(self.param.top)
        legacy = [name for name in LEGACY if getattr(options, name)]
        if options.shape and legacy:
            raise self.fail(f"both `shape` and `{legacy[0]}` are given", remedy="keep `shape`", path=legacy[0])
        if legacy and len(legacy) < 4:
            missing = [name for name in LEGACY if name not in legacy]
            raise self.fail(
                "num, channels, height and width must be given together",
                received=", ".join(legacy),
                remedy=f"add {', '.join(missing)}, or write `shape {{ dim: ... }}`",
                path=legacy[0],
            )
        if not options.shape and not legacy:
            raise self.fail("the shape is missing", remedy="add `shape { dim: ... }`")
        for name in ("shape", *LEGACY, "data_filler"):
            if len(getattr(options, name)) not in (0, 1, tops):
                raise self.fail(
                    f"give one `{name}` for all tops, or one for each",
                    received=f"{len(getattr(options, name))} for {counted(tops, 'top')}",
                    remedy=f"write 1 or {tops}",
                    path=name,
                )
        self._check_fillers(self.shapes(()))

    def shapes(self, bottoms: Sequence[Shape]) -> Sequence[Shape]:
        tops = len(self.param.top)
        if self.options.shape:
            shapes: list[Shape] = [tuple(shape.dim) for shape in self.options.shape]
        else:
            columns = [list(getattr(self.options, name)) for name in LEGACY]
            rows = max(map(len, columns))
            shapes = list(zip(*(column * rows if len(column) == 1 else column for column in columns), strict=True))
        return shapes * tops if len(shapes) == 1 else shapes

    def _check_fillers(self, shapes: Sequence[Shape]) -> None:
        given = list(self.options.data_filler)
        for position, shape in enumerate(shapes if given else ()):
            number = position if len(given) > 1 else 0
            try:
                fillers.check(given[number], shape)
            except LayerError as error:
                error.path = ("dummy_data_param", "data_filler", number, *error.path)
                raise
