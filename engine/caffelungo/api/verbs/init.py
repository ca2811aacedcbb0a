"""`lungo init`."""

from __future__ import annotations

from dataclasses import dataclass

from caffelungo.api import values
from caffelungo.api.values import Name, Names, Settings, Words
from caffelungo.api.verb_report import VerbReport


@dataclass(frozen=True, repr=False)
class InitReport(VerbReport):
    """The weights written, and a line about each layer that was started.

    ``weights``: the file written.
    ``lines``: a line per layer that was started.
    ``notices``: what was done differently from what could be expected.
    """

    weights: str
    lines: list[str]
    notices: list[str]


def init(
    net: Name,
    weights: Names,
    output: Name,
    *,
    method: str = "auto",
    data: Name | None = None,
    batches: int = 8,
    scale: float = 0.5,
    outgoing_zero: bool = False,
    seed: int = 0,
    set: Settings | None = None,
    device: str = "auto",
    gpu: str | None = None,
    threads: int | None = None,
    level: int = 0,
    stage: Words | None = None,
    overwrite: bool = False,
) -> InitReport:
    """Start the new layers of a grown net from its training data, and write the weights to ``output``.

    ``net`` is the grown prototxt, ``weights`` what it grew from: the layers that these lack are the new ones.
    ``method`` is ``gradmax``, ``measured``, ``lsuv`` or ``auto``; ``batches`` of the data are used. The options are
    those of ``lungo init``.

    UserError when the options make no sense, the net has no data, or the weights do not fit.

    >>> done = cl.grow("mine/train_val.prototxt", output="wider.prototxt", widen={"fire9/concat": 4})
    >>> started = cl.init("wider.prototxt", "mine/start.caffemodel", "wider.caffemodel", method="lsuv", batches=1)
    >>> started.weights
    'wider.caffemodel'
    """
    values.judge("init", locals())
    from caffelungo.solve.init.run_init import init as run
    from caffelungo.solve.options import InitOptions

    done = run(
        InitOptions(
            net=values.path(net) or "", weights=values.names(weights), output=values.path(output) or "", method=method,
            data=values.path(data), batches=batches, scale=scale, outgoing_zero=outgoing_zero, seed=seed,
            variables=values.variables(set), device=device, gpu=gpu, threads=threads, level=level,
            stages=values.listed(stage), overwrite=overwrite,
        )
    )  # fmt: skip
    return InitReport(str(done.path), list(done.lines), list(done.notices))
