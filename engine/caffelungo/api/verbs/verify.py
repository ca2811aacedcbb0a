"""`lungo verify`."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from caffelungo.api import on_disk, values
from caffelungo.api.values import Name, Names, Settings, Shapes, Side, Words
from caffelungo.api.verb_report import DataTable, VerbReport

if TYPE_CHECKING:
    from caffelungo.api.net_module import NetModule


@dataclass(frozen=True, repr=False)
class VerifyReport(VerbReport):
    """What became of every blob, weight and answer of the first net; a report is true when all old is as it was.

    ``kept``: whether every old blob and answer is identical or equal.
    ``verdict``: the same in a sentence.
    ``inputs``: what both nets were fed.
    ``blobs``: a row per blob with its status and its largest difference.
    ``parameters``: a row per blob of parameters, likewise.
    ``answers``: a row per output, with how often both nets agree.
    ``notices``: what was done differently from what could be expected.
    """

    kept: bool
    verdict: str
    inputs: str
    blobs: DataTable
    parameters: DataTable
    answers: DataTable
    notices: list[str]

    def __bool__(self) -> bool:
        return self.kept


def verify(
    before: Name | NetModule,
    after: Name | NetModule,
    *,
    weights: Names | None = None,
    after_weights: Names | None = None,
    data: Name | None = None,
    random: int | None = None,
    phase: str = "TEST",
    tolerance: float = 1e-5,
    size: Side | None = None,
    shape: Shapes | None = None,
    set: Settings | None = None,
    level: int = 0,
    stage: Words | None = None,
) -> VerifyReport:
    """Run a net before and after a rewrite, and say which blobs are identical to the bit, equal, changed or new.

    ``before`` and ``after`` are prototxt files, names of ``cl.nets()`` or opened nets, which bring their weights.
    ``random`` made-up samples are fed, or the pictures in ``data``, else the data of the first net. Blobs whose largest
    difference is at most ``tolerance`` of their largest value are equal. The options are those of ``lungo verify``.

    UserError when a net or weights are wrong.

    >>> net = cl.open("squeezenet1.1", set={"deploy": True})
    >>> found = cl.verify(net, net.grow(widen={"fire9/concat": 8}, keep_head=True), random=1, size=64)
    >>> found.kept, {row["status"] for row in found.blobs} >= {"identical", "new"}
    (True, True)
    """
    values.judge("verify", locals())
    from caffelungo.verify.verify import VerifyOptions
    from caffelungo.verify.verify import verify as run

    with ExitStack() as stack:
        first, own = stack.enter_context(on_disk.net_and_weights(before, weights))
        second, theirs = stack.enter_context(on_disk.net_and_weights(after, after_weights))
        found = run(
            VerifyOptions(
                before=first,
                after=second,
                weights=own,
                after_weights=theirs,
                data=values.path(data),
                random=random,
                phase=phase,
                tolerance=tolerance,
                size=values.side(size),
                shapes=values.shapes(shape),
                variables=values.variables(set),
                stages=values.listed(stage),
                level=level,
            )
        )
    facts = found.facts()
    return VerifyReport(
        found.kept, found.verdict, found.inputs, DataTable(facts["blobs"]), DataTable(facts["parameters"]),
        DataTable(facts["answers"]), list(found.notices),
    )  # fmt: skip
