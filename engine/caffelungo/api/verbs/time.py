"""`lungo time`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from caffelungo.api import on_disk, values
from caffelungo.api.values import Name, Names, Settings, Side, Words
from caffelungo.api.verb_report import DataTable, VerbReport

if TYPE_CHECKING:
    from caffelungo.api.net_module import NetModule


@dataclass(frozen=True, repr=False)
class TimeReport(VerbReport):
    """Mean milliseconds of a pass forward, backward and of both; ``layers`` has a row per layer.

    ``forward``: milliseconds forward.
    ``backward``: milliseconds backward.
    ``whole``: milliseconds of both.
    """

    forward: float
    backward: float
    whole: float
    layers: DataTable


def time(
    model: Name | NetModule,
    weights: Names | None = "",
    *,
    iterations: int = 50,
    phase: str = "TRAIN",
    size: Side | None = None,
    set: Settings | None = None,
    device: str = "auto",
    gpu: str | None = None,
    precision: str = "fp32",
    threads: int | None = None,
    level: int = 0,
    stage: Words | None = None,
) -> TimeReport:
    """Time ``iterations`` passes of a net forward and backward, layer by layer.

    ``model`` is a prototxt or an opened net; ``phase`` TRAIN or TEST. The options are those of ``lungo time``.

    UserError with everything that is wrong with the net, its weights or its data.

    >>> times = cl.time("deploy.prototxt", iterations=2, phase="TEST")
    >>> times.forward > 0, times.layers.names
    (True, ['layer', 'forward', 'backward'])
    """
    values.judge("time", locals())
    from caffelungo.report.glog import CaffeLog
    from caffelungo.solve import timing
    from caffelungo.solve.options import TimeOptions

    with on_disk.net_and_weights(model, weights) as (path, blobs):
        found = timing.measure(
            TimeOptions(
                model=path, weights=values.names(blobs), iterations=iterations, phase=phase, size=values.side(size),
                variables=values.variables(set), device=device, gpu=gpu, precision=precision, threads=threads,
                level=level, stages=values.listed(stage),
            ),
            CaffeLog(),
        )  # fmt: skip
    rows = ({"layer": name, "forward": pair[0], "backward": pair[1]} for name, pair in found.layers.items())
    return TimeReport(found.forward, found.backward, found.whole, DataTable(rows))
