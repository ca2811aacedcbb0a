"""`lungo bench`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from caffelungo.api import on_disk, values
from caffelungo.api.values import Name, Names, Numbers, Settings, Side
from caffelungo.api.verb_report import DataTable, VerbReport

if TYPE_CHECKING:
    from caffelungo.api.net_module import NetModule


@dataclass(frozen=True, repr=False)
class BenchReport(VerbReport):
    """A row per batch size and side: milliseconds per batch (50th, 90th, 99th percentile) and pictures per second.

    ``ratio`` is how many times as fast as that side ONNX Runtime is, ``low`` and ``high`` its quartiles over rounds.

    ``where``: the machine and the versions.
    ``rows``: the table.
    ``notes``: what was left out or measured otherwise.
    """

    where: str
    rows: DataTable
    notes: list[str]


def bench(
    file: Name,
    *,
    model: Name | NetModule | None = None,
    weights: Names | None = None,
    set: Settings | None = None,
    size: Side | None = None,
    batch: Numbers = "1,8,64",
    rounds: int = 11,
    seconds: float = 0.3,
    minutes: float = 10,
    threads: int = 0,
    device: str = "auto",
    provider: str = "",
    graphs: bool = False,
    compiled: bool = True,
    output: Name | None = None,
) -> BenchReport:
    """Measure latency and pictures per second of an ONNX file by batch size, beside the same net in PyTorch.

    ``model`` and ``weights`` are the net that the file was made of. Each side runs for ``seconds`` at a time, in
    ``rounds`` rounds, all in at most ``minutes``. ``output`` is a .csv to write. The options are those of
    ``lungo bench``.

    UserError for a file that cannot be run; RunError when the two are not the same net.

    >>> found = cl.bench("model.onnx", batch=[1, 2], rounds=2, seconds=0.01, compiled=False)
    >>> found.rows.columns["batch"]
    [1, 2]
    """
    values.judge("bench", locals())
    from contextlib import nullcontext
    from dataclasses import asdict

    from caffelungo import files
    from caffelungo.deploy.bench import bench as run
    from caffelungo.deploy.bench_options import BenchOptions

    if output is not None:
        files.refuse_obstacle(values.path(output) or "")
    opened = nullcontext((None, None)) if model is None else on_disk.net_and_weights(model, weights)
    with opened as (net, blobs):
        done = run(
            BenchOptions(
                values.path(file) or "", net, blobs if model is not None else values.joined(weights),
                values.numbers(batch, "--batch", int), rounds, seconds, threads, device, provider, graphs, compiled,
                minutes, values.height_width(size, "--size"), values.variables(set),
            )
        )  # fmt: skip
    if output is not None:
        files.write_text(values.path(output) or "", done.csv())
    return BenchReport(done.where, DataTable(asdict(row) for row in done.rows), list(done.notes))
